"""What the protocol hash covers, what it must not, and what keeps a study from opening."""

from pathlib import Path

import pytest
from django.db.models import F
from django.utils import timezone

from annotation.models import Arm, Aspect, Item, Output, Persona, Study
from annotation.protocol import problems_before_opening, protocol_hash
from annotation.services.outputs import outputs_exclude, outputs_request
from annotation.services.participants import participant_create
from annotation.services.studies import study_open
from tests.annotation.test_studies import fill, save
from tests.factories import make_study

pytestmark = pytest.mark.django_db


@pytest.fixture
def study(tmp_path: Path) -> Study:
    study = save(tmp_path)
    fill(study)
    return study


def given(study: Study, key: str = "tea") -> Persona:
    return Persona.objects.get(item__study=study, item__key=key)


CHANGES = {
    "title": lambda study: Study.objects.update(title="x"),
    "consent": lambda study: Study.objects.update(consent="x"),
    "debrief": lambda study: Study.objects.update(debrief="x"),
    "practice": lambda study: Study.objects.update(practice=[{"prompt": "p", "persona": "q", "responses": ["a", "b"]}]),
    "seed": lambda study: Study.objects.update(seed=6),
    "raters": lambda study: Study.objects.update(raters_per_item=9),
    "demonstration": lambda study: Study.objects.update(demonstration=True),
    "question": lambda study: Aspect.objects.update(question_for_others="x"),
    "label": lambda study: Aspect.objects.update(labels=["a", "b", "c"]),
    "prompt": lambda study: Item.objects.filter(key="rest").update(prompt="x"),
    "stratum": lambda study: Item.objects.filter(key="rest").update(stratum="x"),
    "order of items": lambda study: Item.objects.filter(key="tea").update(ordinal=99),
    "given persona": lambda study: Persona.objects.filter(item__key="tea").update(text="x"),
    "control": lambda study: Arm.objects.filter(ordinal=1).update(is_control=True),
    "fingerprint": lambda study: Arm.objects.filter(ordinal=1).update(fingerprint="x"),
    "imported output": lambda study: Output.objects.filter(arm__ordinal=1).update(text="x"),
    "lost output": lambda study: Output.objects.filter(arm__ordinal=1).delete(),
    "exclusion": lambda study: outputs_exclude(persona=given(study), reason="loops", user=None),
}


@pytest.mark.parametrize("name", CHANGES)
def test_the_hash_covers_what_opening_freezes(study: Study, name: str) -> None:
    before = protocol_hash(study)

    CHANGES[name](study)

    study.refresh_from_db()
    assert protocol_hash(study) != before


def test_the_hash_covers_the_version(study: Study) -> None:
    before = protocol_hash(study)
    study.version = 2
    assert protocol_hash(study) != before


def test_the_same_study_has_the_same_hash_whatever_its_random_codes(tmp_path: Path, study: Study) -> None:
    before = protocol_hash(study)

    Arm.objects.filter(ordinal=1).update(code="arm-other")
    Study.objects.update(allocation_turn=F("allocation_turn") + 1)
    save(tmp_path)

    study.refresh_from_db()
    assert protocol_hash(study) == before


def test_what_comes_after_opening_leaves_the_hash_alone(study: Study) -> None:
    study_open(study=study, user=None)

    author = participant_create(study=study)
    written = Persona.objects.create(
        item=study.items.get(key="rest"),
        source="written",
        author=author,
        text="I am tired.",
        submitted_at=timezone.now(),
    )
    outputs_request(persona=written)
    Output.objects.filter(persona=written).update(state="ready", text="live", ready_at=timezone.now())
    # A flag set after opening is about the data, not about what was frozen.
    Output.objects.filter(persona=given(study)).update(excluded_reason="broken", excluded_at=timezone.now())

    assert protocol_hash(study) == study.protocol_hash


def test_a_live_output_of_a_given_persona_leaves_the_hash_alone(tmp_path: Path) -> None:
    study = save(tmp_path)
    study.arms.update(fingerprint="f" * 64)
    study_open(study=study, user=None)

    Output.objects.update(state="ready", text="live", ready_at=timezone.now())

    assert protocol_hash(study) == study.protocol_hash


def test_a_filled_study_has_no_problems(study: Study) -> None:
    assert problems_before_opening(study) == []


def test_an_arm_without_system_and_outputs_is_a_problem() -> None:
    study = make_study(state="draft")
    Output.objects.filter(arm__ordinal=2).delete()
    Arm.objects.filter(ordinal=2).update(fingerprint="")

    (problem,) = problems_before_opening(study)

    assert problem.startswith("Arm 2 has neither a system nor outputs")
    assert not any(code in problem for code in study.arms.values_list("code", flat=True))


def test_imported_outputs_alone_are_enough_where_nobody_writes(tmp_path: Path) -> None:
    study = make_study(state="draft")
    Arm.objects.update(fingerprint="")
    Output.objects.update(fingerprint="")

    assert problems_before_opening(study) == []

    Study.objects.update(written_personas_per_participant=1)
    study.refresh_from_db()
    assert ["no system to answer written personas" in problem for problem in problems_before_opening(study)] == [
        True
    ] * 2


def test_outputs_for_some_personas_only_are_a_problem_until_the_rest_is_excluded() -> None:
    study = make_study(state="draft", given_per_participant=3)
    missing = Output.objects.filter(arm__ordinal=1, persona__item__key="item-2")
    missing.update(state=Output.State.REQUESTED, ready_at=None)

    (problem,) = problems_before_opening(study)
    assert "has outputs for 3 of 4 given personas" in problem

    outputs_exclude(persona=given(study, "item-2"), reason="missing", user=None)
    assert problems_before_opening(study) == []


def test_too_many_exclusions_are_a_problem() -> None:
    study = make_study(state="draft", given_per_participant=4)
    outputs_exclude(persona=given(study, "item-1"), reason="loops", user=None)

    (problem,) = problems_before_opening(study)

    assert "to see 4 given personas, and 3 are left" in problem


def test_outputs_of_a_system_that_was_replaced_are_a_problem() -> None:
    study = make_study(state="draft")
    Arm.objects.filter(ordinal=2).update(fingerprint="e" * 64)

    (problem,) = problems_before_opening(study)

    assert "bound to another system after 4 of its outputs came" in problem
