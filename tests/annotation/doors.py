"""Every way in which a part is handed out, ends or is given back, and the tallies that have to follow it."""

import random
import uuid
from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.utils import timezone

from annotation.errors import NotAllowedNow, ServiceError
from annotation.models import Assignment, Output, Participant, Persona, Study, UnitTally
from annotation.questions import questions_of
from annotation.services.assignments import assignment_set_aside
from annotation.services.exclusions import participant_exclude, participant_include
from annotation.services.finishing import assignment_finish
from annotation.services.handout import assignment_next
from annotation.services.locks import study_lock
from annotation.services.personas import persona_submit
from annotation.services.platform import places_return
from annotation.services.ratings import GivenAnswer
from annotation.services.skips import assignment_skip
from annotation.services.tallies import tallies_drop, tallies_make, tallies_refresh
from annotation.services.touch import assignment_touch
from annotation.services.withdrawal import participant_erase, participant_withdraw
from tests.annotation.test_designs import design, newcomer
from tests.factories import let_expire

Kind, Source = Participant.Kind, UnitTally.Source
KINDS = (Kind.PERSON, Kind.PREVIEW, Kind.BOT)


def rows_of(study: Study, kind: str) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    rows = UnitTally.objects.filter(study=study, participant_kind=kind)
    return {
        (row.source, row.item_id, row.persona_id): (row.block, row.draw, row.taken, row.sides, row.recount_at)
        for row in rows
    }


def counted_afresh(study: Study, kind: str) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    with transaction.atomic():
        tallies_drop(study=study)
        tallies_make(study=study, kind=kind)
        fresh = rows_of(study, kind)
        transaction.set_rollback(True)
    return fresh


def assert_fresh(study: Study) -> None:
    """What has been made is what counting afresh gives; a recount may be due too early, but never too late."""
    for kind in KINDS:
        with transaction.atomic():
            there = rows_of(study, kind)
            if not there:
                continue
            tallies_refresh(study=study, kind=kind)
            there = rows_of(study, kind)
        fresh = counted_afresh(study, kind)
        assert {unit: row[:4] for unit, row in there.items()} == {unit: row[:4] for unit, row in fresh.items()}
        for unit, row in fresh.items():
            assert row[4] is None or (there[unit][4] is not None and there[unit][4] <= row[4]), unit


# --- Every door ----------------------------------------------------------------------------------------------------


def crowded() -> Study:
    """Return a study with few places, of everything: written and given parts, blocks, second raters, repetitions."""
    study = design(
        given_items=3, written_items=3, given_per_participant=2, written_per_participant=2, raters_per_item=2,
        overlap_share=0.5, repeat_share=0.3, blocks="stratum", skip_reasons=["Too hard"],
    )  # fmt: skip
    study.items.filter(ordinal__in=(1, 4)).update(stratum="other")
    persona = Persona.objects.filter(item__ordinal=2).get()  # one more for the same item: they share its sides
    other = Persona.objects.create(item=persona.item, source="given", text="Somebody", submitted_at=timezone.now())
    for arm in study.arms.all():
        Output.objects.create(persona=other, arm=arm, state="ready", text="Text", ready_at=timezone.now())
    return study


def go_on(participant: Participant) -> None:
    """Take the next part, or do what is next in the one at hand."""
    assignment = assignment_next(participant=participant)
    if assignment and assignment.persona.submitted_at is None:
        submit(assignment)
    elif assignment:
        complete(assignment)


def submit(assignment: Assignment) -> None:
    text = f"Somebody's secret {assignment.pk}"
    persona_submit(assignment=assignment, text=text, version=assignment.persona.draft_version, tab=uuid.uuid4())
    outputs = Output.objects.filter(persona=assignment.persona)
    outputs.update(state="ready", text="Text", ready_at=timezone.now())


def complete(assignment: Assignment) -> None:
    questions = questions_of(assignment, assignment.participant.study.aspects.all(), ())
    answers = {key: GivenAnswer(3, 0, uuid.uuid4()) for key in questions}
    assert assignment_finish(assignment=assignment, answers=answers).is_finished


def at_hand(participant: Participant) -> Assignment:
    found = Assignment.objects.filter(participant=participant, state="open").select_related("persona__item").first()
    if found is None:
        raise NotAllowedNow("Nothing is at hand.")
    found.participant = participant
    return found


def return_places(participant: Participant) -> None:
    with transaction.atomic():
        study_lock(study_id=participant.study_id)
        places_return(participant=participant)


DOORS: dict[str, tuple[int, Callable[[Participant], Any]]] = {
    "next": (14, lambda one: assignment_next(participant=one)),
    "go on": (30, go_on),
    "save": (4, lambda one: assignment_touch(assignment=at_hand(one))),
    "expire": (3, lambda one: let_expire(Assignment.objects.filter(participant=one, state="open"))),
    "skip": (3, lambda one: assignment_skip(assignment=at_hand(one), reason="Too hard")),
    "set aside": (3, lambda one: assignment_set_aside(assignment=at_hand(one))),
    "return": (2, return_places),
    "exclude": (3, lambda one: participant_exclude(participant=one, reason="Doubtful", user=None)),
    "include": (3, lambda one: participant_include(participant=one, reason="No doubt", user=None)),
    "withdraw": (1, lambda one: participant_withdraw(participant=one)),
    "erase": (1, lambda one: participant_erase(participant=one)),
}


def step_through(study: Study, people: list[Participant], chance: random.Random) -> str:
    names, weights = list(DOORS), [weight for weight, _ in DOORS.values()]
    name, number = chance.choices(names, weights)[0], chance.randrange(len(people))
    one = people[number] = Participant.objects.select_related("study").get(pk=people[number].pk)
    try:
        DOORS[name][1](one)
    except ServiceError:
        return f"{name} refused"
    if name in ("withdraw", "erase"):
        people[number] = newcomer(study)
    return name
