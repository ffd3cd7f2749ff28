"""Studies of unusual designs from their file to their export: load, import by system, open, rate, export."""

import json
from pathlib import Path
from typing import Any

import pytest

from annotation.errors import ServiceError
from annotation.export import study_tables
from annotation.models import Output, Study
from annotation.protocol import given_personas
from annotation.services.studies import study_open, study_save
from modelhub.models import ArmBinding, System
from modelhub.stages.import_outputs import ImportOptions, import_outputs
from modelhub.systems.registering import arms_bind, system_register_imported
from tests.annotation.controls import save_example
from tests.annotation.studyfiles import definition, rating_aspect, study_data
from tests.annotation.walking import Walker
from tests.factories import make_user

pytestmark = pytest.mark.django_db

PLANTED = {"part": 2, "id": "planted-tea", "prompt": "How do I boil an egg?", "persona": "The user likes brevity.",
           "good": "Seven minutes in boiling water.", "bad": "Paris lies on the Seine.", "aspect": "fit"}  # fmt: skip
CHECK = {"part": 1, "instruction": "Please choose “Half” here.", "scale": {1: "No.", 2: "Half", 3: "Yes."}, "answer": 2}
PREFERRED = {"key": "preferred", "type": "comparison", "name": "Preferred", "question": "Which one?"}
GIVEN = {"given_personas_per_participant": 2, "seed": 5}
AROUND = ("quiz", "questionnaires", "checks", "exclusion_rules")


def load(folder: Path, **changes: Any) -> Study:
    """Return the draft of two given items that a file with these changes makes."""
    changes = {"items": study_data()["items"][:2], "design": GIVEN, **changes}
    return study_save(definition=definition(folder, **changes), owner=make_user())


def import_all(study: Study, folder: Path, *, systems: int) -> list[int]:
    """Import, system after system, a response for every given persona; return how many each import brought."""
    done = []
    for number in range(1, systems + 1):
        path = folder / f"system-{number}.jsonl"
        rows = [
            {"item": persona.item.key, "persona": persona.text, "text": f"Response {number} to {persona.item.key}."}
            for persona in given_personas(study).select_related("item")
        ]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        report = import_outputs(study=study, files=[path], options=ImportOptions(system=f"system {number}"))
        done.append(report.imported)
    assert report.missing == {}
    return done


def rate_all(study: Study) -> list[dict[str, Any]]:
    """Let somebody go through the study, and return the rows of the export."""
    walker = Walker(study).begin()
    while walker.step in ("rate", "warning"):
        if walker.step == "warning":
            assert walker.post(f"parts/{walker.assignment.key}/warning/").status_code == 302
        else:
            answers = {name: 2 for name in walker.answers() if name.startswith("answer-")}
            assert walker.complete(**answers).status_code == 302
    assert walker.step in ("done", "survey_after")
    for table in study_tables(study).values():
        list(table.rows())
    return list(study_tables(study)["ratings"].rows())


def test_the_example_with_every_control_takes_its_first_import_by_system(tmp_path: Path) -> None:
    study = save_example(tmp_path, **dict.fromkeys(AROUND))
    assert import_all(study, tmp_path, systems=2) == [6, 6]
    assert ArmBinding.objects.filter(arm__study=study).count() == 2
    study_open(study=study, user=study.owner)
    rows = rate_all(study)
    assert {row["arm"] for row in rows if not row["planted"]} == set(study.arms.values_list("code", flat=True))
    assert {row["arm"] for row in rows if row["planted"]} == {None}


@pytest.mark.parametrize(("arms", "planted"), [(2, [PLANTED]), (3, []), (5, [])])
def test_each_import_by_system_takes_one_arm_however_many_there_are(
    tmp_path: Path, arms: int, planted: list[dict[str, Any]]
) -> None:
    study = load(tmp_path, arms=arms, planted=planted)
    assert import_all(study, tmp_path, systems=arms) == [2] * arms
    study_open(study=study, user=study.owner)
    assert not Output.objects.filter(state=Output.State.REQUESTED).exists()
    rows = rate_all(study)
    assert sum(bool(row["planted"]) for row in rows) == 2 * len(planted)
    assert len({row["arm"] for row in rows if row["arm"]}) == arms


def test_side_by_side_with_attention_checks_and_a_planted_pair(tmp_path: Path) -> None:
    study = load(tmp_path, aspects=[rating_aspect(), PREFERRED], checks=[CHECK], planted=[PLANTED])
    import_all(study, tmp_path, systems=2)
    study_open(study=study, user=study.owner)
    rows = rate_all(study)
    kinds = [row["aspect_kind"] for row in rows]
    assert kinds.count("check") == 1 and kinds.count("comparison") == 3


def test_an_arm_with_a_planted_output_alone_can_be_bound_anew(tmp_path: Path) -> None:
    study = load(tmp_path, planted=[PLANTED])
    for name in ("one", "other"):
        system_register_imported(name=name, persona_style="none", sha256s=["0" * 64])
    arms_bind(study=study, bindings={"1": "one"})
    arms_bind(study=study, bindings={"1": "other"})
    assert ArmBinding.objects.get(arm__study=study).system == System.objects.get(name="other")


def test_a_third_system_finds_no_free_arm_and_nothing_is_bound(tmp_path: Path) -> None:
    study = load(tmp_path, planted=[PLANTED])
    import_all(study, tmp_path, systems=2)
    with pytest.raises(ServiceError, match="'system 3' is not bound and no arm is free"):
        import_outputs(study=study, files=[tmp_path / "system-1.jsonl"], options=ImportOptions(system="system 3"))


def test_rows_for_a_planted_item_are_refused_as_no_unit_of_the_study(tmp_path: Path) -> None:
    study = load(tmp_path, planted=[PLANTED])
    path = tmp_path / "planted.jsonl"
    path.write_text(json.dumps({"item": "planted-tea", "text": "Mine."}), encoding="utf-8")
    with pytest.raises(ServiceError, match="planted-tea"):
        import_outputs(study=study, files=[path], options=ImportOptions(system="system 1"))
    assert set(Output.objects.values_list("text", flat=True)) == {PLANTED["good"], PLANTED["bad"]}


def test_items_without_outputs_are_named_before_the_study_opens(tmp_path: Path) -> None:
    study = load(tmp_path, planted=[PLANTED])
    with pytest.raises(ServiceError, match="Arm 1 has neither a system nor outputs") as refused:
        study_open(study=study, user=study.owner)
    assert "Arm 2 has neither" in str(refused.value)


def test_a_draft_with_planted_pairs_may_change_its_number_of_arms(tmp_path: Path) -> None:
    load(tmp_path, planted=[PLANTED])
    study = load(tmp_path, arms=3)
    assert study.arms.count() == 3 and import_all(study, tmp_path, systems=3) == [2, 2, 2]


def test_a_study_of_no_arm_is_refused_in_its_file(tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="arms"):
        load(tmp_path, arms=0)


def test_a_study_of_planted_pairs_alone_is_refused_in_its_file(tmp_path: Path) -> None:
    with pytest.raises(ServiceError):
        load(tmp_path, planted=[PLANTED], items=[])
