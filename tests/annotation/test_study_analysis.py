"""The declared analysis of a study file: read, refused, frozen."""

from pathlib import Path

import pytest

from annotation.models import Study
from annotation.protocol import definition_document, protocol_hash
from annotation.services.studies import study_save
from tests.annotation.studyfiles import complaints, definition, rating_aspect, study_data, write
from tests.factories import make_user

pytestmark = pytest.mark.django_db
DECLARED = {
    "family": ["fit"], "margin": {"fit": 0.25}, "base": 2, "comparisons": [[2, 1]], "prompts": "fixed",
    "population": "without_excluded",
}  # fmt: skip


def test_the_declared_analysis_is_read_and_stored(tmp_path: Path) -> None:
    given = definition(tmp_path, analysis=DECLARED)
    assert given.analysis == DECLARED
    study = study_save(definition=given, owner=make_user())
    assert definition_document(Study.objects.get(pk=study.pk)) == given.document()


def test_a_file_that_declares_nothing_has_an_empty_analysis(tmp_path: Path) -> None:
    assert definition(tmp_path).analysis == {}


def test_the_declared_analysis_is_part_of_the_protocol_hash(tmp_path: Path) -> None:
    study = study_save(definition=definition(tmp_path, analysis=DECLARED), owner=make_user())
    before = protocol_hash(study)
    study.analysis["margin"]["fit"] = 0.5
    assert protocol_hash(study) != before


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"family": ["fitness"]}, "analysis.family[0]: 'fitness' is no aspect that systems or personas are compared"),
        ({"family": ["fit", "fit"]}, "analysis.family[1]: 'fit' stands here twice"),
        ({"margin": {"fitness": 0.2}}, "analysis.margin.fitness: is no aspect with a scale"),
        ({"margin": {"fit": 0}}, "analysis.margin.fit: 0 is no margin"),
        ({"margin": {"fit": "0.2"}}, "analysis.margin.fit: '0.2' is no margin"),
        ({"margin": {"fit": float("inf")}}, "analysis.margin.fit: inf is no margin"),
        ({"margin": {"fit": 2}}, "analysis.margin.fit: is 2 points, and the whole scale is 2"),
        ({"base": 3}, "analysis.base: is 3, and there are 2 arms"),
        ({"comparisons": [[1, 3]]}, "analysis.comparisons[0][1]: is 3, and there are 2 arms"),
        ({"comparisons": [[2, 2]]}, "analysis.comparisons[0]: compares arm 2 with itself"),
        ({"comparisons": [[1, 2], [2, 1]]}, "analysis.comparisons[1]: arms 2 and 1 stand here twice"),
        ({"comparisons": [[1]]}, "analysis.comparisons[0]"),
        ({"raters": "sampled"}, "analysis.raters: is for a persona_assessment"),
        ({"prompts": "shared"}, "analysis.prompts"),
        ({"familly": ["fit"]}, "analysis.familly: is not a key that a study file has here; did you mean `family`?"),
    ],
)
def test_what_cannot_be_tested_is_refused(tmp_path: Path, wrong: dict[str, object], complaint: str) -> None:
    (found,) = complaints(write(tmp_path, study_data(analysis=wrong)))
    assert complaint in found


@pytest.mark.parametrize(("key", "value"), [("base", 1), ("comparisons", [[1, 2]])])
def test_a_persona_assessment_compares_no_arms(tmp_path: Path, key: str, value: object) -> None:
    data = study_data(kind="persona_assessment", aspects=[rating_aspect(type="persona")], analysis={key: value})
    del data["arms"]
    data["design"] = {"given_personas_per_participant": 2}
    data["items"] = data["items"][:2]
    (found,) = complaints(write(tmp_path, data))
    assert f"analysis.{key}: does not belong to a persona_assessment" in found
