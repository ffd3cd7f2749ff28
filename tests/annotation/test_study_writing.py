"""A study written as a study file says the same as the study, whatever stands in it."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from hypothesis import HealthCheck, given
from hypothesis import settings as rules
from hypothesis import strategies as st

from annotation.fields import check_text
from annotation.protocol import definition_of, protocol_document
from annotation.services.studies import study_save
from annotation.studyfile import ItemDefinition, PracticeDefinition, StudyDefinition, read_study_file, study_text
from annotation.studyfile.starters import STARTERS
from tests.annotation.studyfiles import assessment_data, definition, rating_aspect, write
from tests.factories import make_user
from tests.tools.oddvalues import ODD

EXAMPLES = [
    *(settings.BASE_DIR / "examples" / name / "study.yaml" for name in
      ("controls", "demo", "elicitation", "first_study", "images", "languages", "marking", "paper_persona_study",
       "pipeline", "two_steps", "ways_to_ask")),
    settings.BASE_DIR / "examples" / "paper_user_study" / "study_inline.yaml",
]  # fmt: skip
SCALE = {-1: "0", 0: "null", 1: "1:30"}
EVERYTHING: dict[str, Any] = {
    "languages": ["de", "ar"],
    "title": {"de": "Nein: # kein Kommentar", "ar": "دراسة"},
    "arms": [{"control": False}, {"control": True}],
    "aspects": [
        rating_aspect(scale=SCALE, level="nominal", question_for_others={"de": "Passt es?", "ar": "هل يناسب؟"}),
        {"key": "both", "name": "Beides", "type": "comparison", "question": "Welche?", "options": {"tie": "off"},
         "before_persona": True},
    ],
    "design": {"given_personas_per_participant": 2, "written_personas_per_participant": 1, "overlap_share": 0.25,
               "repeat_share": 1, "blocks": "stratum", "seed": 2_147_483_647},
    "practice": [{"prompt": "a\n\n b \n", "persona": {"de": " x", "ar": "y"}, "responses": ["- a", "? b"]}],
    "checks": [{"part": 1, "instruction": "Hier „0“.", "scale": SCALE, "answer": -1, "loud": True}],
    "planted": [{"part": 2, "id": "012", "prompt": "p", "persona": "q", "good": "g\n", "bad": "b", "aspect": "fit"}],
    "recruitment": {"quota": 7, "prolific": {"completed": "0012", "screened_out": "1E10", "no_consent": "NULL",
                                            "over_quota": "0x1F", "signed": False}},
    "screening": {"guard": "hold", "personas": {"harmful": "off"}},
    "retention": {"ids_days": 0, "everything_days": 30},
    "analysis": {"family": ["fit"], "margin": {"fit": 1}, "base": 2, "comparisons": [[2, 1]], "prompts": "fixed"},
    "exclusion_rules": {"failed_checks": 1, "straightlining": True},
    "skip_reasons": ["yes", {"de": "nein", "ar": "لا"}],
    "followup": {"chips": ["~", {"de": "zu lang", "ar": "طويل"}]},
    "items": [
        {"id": "007", "prompt": "Zeile 1\n\tZeile 2\n", "persona": "nan", "stratum": "1.0", "answer_start": "Nun, ja",
         "language": "pt-BR", "warning": {"de": "Vorsicht", "ar": "تحذير"}},
        {"id": "1:30", "prompt": "a\u2028b\u0085c\ufeff", "persona": "\u202eمرحبا\n---\n...", "stratum": "null"},
        {"id": "=1+1", "prompt": "- no list\n# no comment\n\n\n", "stratum": "null"},
        {"prompt": "{{ a }}: 'b' \"c\" %d \\n"},
    ],
}  # fmt: skip


def written_again(study: StudyDefinition, folder: Path) -> StudyDefinition:
    (folder / "again.yaml").write_text(study_text(study), encoding="utf-8")
    return read_study_file(folder / "again.yaml")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_an_example_that_is_stored_and_written_has_the_same_document_and_hash(path: Path, tmp_path: Path, db) -> None:
    given = read_study_file(path)
    study = study_save(definition=given, owner=make_user())
    again = written_again(definition_of(study), tmp_path)
    assert again == given
    copy = study_save(definition=again, owner=study.owner, new_version=True)
    assert protocol_document(copy) | {"version": 1} == protocol_document(study)  # what the hash is taken of


@pytest.mark.parametrize("starter", STARTERS, ids=lambda starter: starter.name)
def test_a_study_to_start_from_survives_being_written(starter: Any, tmp_path: Path) -> None:
    assert written_again(starter.read(), tmp_path) == starter.read()


def test_every_section_in_two_languages_with_texts_that_yaml_would_bend_survives(tmp_path: Path) -> None:
    made = definition(tmp_path, **EVERYTHING)
    assert written_again(made, tmp_path) == made
    assert [item.key for item in made.items[:3]] == ["007", "1:30", "=1+1"]


@pytest.mark.parametrize("changes", [
    {"preset": {"name": "persona_assessment_with_pick", "scales": {"harm": "yes_no"}}, "show_responses": True},
    {"language": "de", "screening": {"outputs": "flag"}},
    {"items": "imported", "design": {"given_personas_per_participant": 2, "blocks": "condition"}},
])  # fmt: skip
def test_a_persona_assessment_survives_being_written(changes: dict[str, Any], tmp_path: Path) -> None:
    made = read_study_file(write(tmp_path, assessment_data(**changes)))
    assert written_again(made, tmp_path) == made


def kept(text: str) -> bool:
    try:
        return bool(check_text(text))
    except ValueError:
        return False


MARKS = st.text(st.sampled_from("a :#-\n\t'\"|>%&*?{}[],\x85\u2028 é"), max_size=30)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> StudyDefinition:
    return definition(tmp_path_factory.mktemp("small"))


@rules(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(st.one_of(st.sampled_from(ODD), st.text(max_size=40), MARKS).filter(kept), min_size=6, max_size=6)
)
def test_any_text_that_can_be_stored_survives_being_written(
    texts: list[str], small: StudyDefinition, tmp_path: Path
) -> None:
    consent, prompt, persona, *others = map(check_text, texts)
    items = [*small.items[1:], ItemDefinition(key="x", prompt=prompt, persona=persona)]
    practice = [PracticeDefinition(prompt=others[0], persona=others[1], responses=[others[2], others[0]])]
    made = replace(small, consent=consent, practice=practice, items=items)
    assert written_again(made, tmp_path) == made


def test_the_file_is_tidy_texts_in_blocks_and_defaults_left_out(tmp_path: Path) -> None:
    text = study_text(definition(tmp_path, consent="First line: *one*\n\nSecond.\n"))
    assert "consent: |\n  First line: *one*\n\n  Second.\n" in text
    assert not re.search(r"^(recruitment|screening|analysis|quiz|language|show_responses):", text, re.MULTILINE)
    assert "assignment_hours" not in text and "question_for_others" not in text and "persona: ''" not in text
