"""Handing out by tallies: in a study of everything, also at once, without them, and after a draft has changed."""

import random
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from annotation.errors import ServiceError
from annotation.frozen import study_as_it_stands
from annotation.models import Assignment, Output, Participant, Persona, Study, UnitTally
from annotation.services.handout import assignment_next
from annotation.services.imports import ImportedItem, ImportedPersona, personas_import
from annotation.services.outputs import outputs_exclude, outputs_include
from annotation.services.participants import participant_consent, participant_create
from annotation.services.places import participant_place
from annotation.services.previews import preview_start, previews_discard
from annotation.services.studies import study_open, study_save
from annotation.services.tallies import tallies_drop, tallies_make
from annotation.services.withdrawal import participant_erase
from tests.annotation.doors import (
    DOORS,
    Kind,
    Source,
    assert_fresh,
    at_hand,
    complete,
    crowded,
    return_places,
    step_through,
    submit,
)
from tests.annotation.studyfiles import definition, study_data
from tests.annotation.test_concurrency import at_once
from tests.annotation.test_designs import design, newcomer, order_of, work
from tests.factories import let_expire, make_user

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("seed", range(2))
def test_tallies_are_what_a_fresh_count_gives_after_any_sequence_of_events(seed: int) -> None:
    chance, study = random.Random(seed), crowded()
    people = [newcomer(study) for _ in range(5)]
    for kind in (Kind.BOT, Kind.PREVIEW):
        other = participant_create(study=study, kind=kind)
        people.append(Participant.objects.select_related("study").get(pk=other.pk))
    done = []
    for _ in range(70):
        done.append(step_through(study, people, chance))
        assert_fresh(study)
    assert len(set(done) & set(DOORS)) >= 8, done


def test_tallies_are_what_a_fresh_count_gives_after_many_things_at_once() -> None:
    study, chance = crowded(), random.Random(7)
    people = [newcomer(study) for _ in range(6)]
    for _ in range(12):
        doors = [chance.choice(["next", "go on", "go on", "skip", "exclude", "include", "return"]) for _ in people]
        fresh = [Participant.objects.select_related("study").get(pk=one.pk) for one in people]
        calls: list[Callable[[], Any]] = [
            partial(_try, DOORS[door][1], one) for door, one in zip(doors, fresh, strict=True)
        ]
        at_once(calls)
        assert_fresh(study)
    live = UnitTally.objects.filter(study=study)
    assert live.exists() and not live.filter(taken__gt=2).exists()


def _try(door: Callable[[Participant], Any], one: Participant) -> None:
    with suppress(ServiceError):  # nothing to do for this participant now
        door(one)


def test_a_place_that_was_returned_after_it_was_read_is_surplus_where_somebody_has_it() -> None:
    study = design(given_items=1, given_per_participant=1, raters_per_item=1)
    first, second = newcomer(study), newcomer(study)
    assignment_next(participant=first)
    as_read = at_hand(first)
    return_places(first)
    work(second)
    complete(as_read)
    assert list(Assignment.objects.order_by("participant__number").values_list("surplus", flat=True)) == [True, False]
    assert_fresh(study)


def test_no_tally_of_an_erased_participants_persona_is_left() -> None:
    study = design(given_items=0, given_per_participant=0, written_items=3, written_per_participant=3, overlap_share=1)
    one, other = newcomer(study), newcomer(study)
    work(one), work(other, parts=4)
    assert UnitTally.objects.filter(source=Source.OVERLAP, persona__author=one).count() == 3
    participant_erase(participant=one)
    assert not UnitTally.objects.filter(persona__author=one).exists()
    assert_fresh(study)


def test_the_place_of_a_written_persona_in_the_ring_says_nothing_about_its_text() -> None:
    def draws(text: str, slug: str) -> list[int]:
        study = design(
            slug=slug, given_items=0, given_per_participant=0, written_items=2, written_per_participant=2,
            overlap_share=1,
        )  # fmt: skip
        work(newcomer(study))
        Persona.objects.filter(item__study=study).update(text=text)
        with transaction.atomic():
            tallies_drop(study=study)
            tallies_make(study=study, kind=Kind.PERSON)
        overlap = UnitTally.objects.filter(study=study, source=Source.OVERLAP)
        return sorted(overlap.values_list("draw", flat=True))

    assert draws("I live in Oslo.", "one") == draws("I live in Rome.", "two") != []


# --- What is not there yet -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("loses_tallies", [False, True])
def test_a_study_without_tallies_goes_on_from_its_assignments(loses_tallies: bool) -> None:
    """As one that was opened before there were any: with them or without, everybody gets the same."""
    ways = {}
    for slug, loses in (("kept", False), ("lost", loses_tallies)):
        study = design(
            slug=slug, given_items=4, written_items=3, given_per_participant=3, written_per_participant=2,
            raters_per_item=3, overlap_share=0.5, repeat_share=0.4,
        )  # fmt: skip
        done = [part for _ in range(2) for part in work(newcomer(study))]
        held = newcomer(study)
        assignment_next(participant=held)
        if loses:
            UnitTally.objects.filter(study=study).delete()
        done += [part for participant in (newcomer(study), held, newcomer(study)) for part in work(participant)]
        ways[slug] = [(part.participant.number, part.kind, part.persona.item.key, order_of(part)) for part in done]
        assert_fresh(study)
    assert len(ways["kept"]) > 25 and ways["kept"] == ways["lost"]


def test_without_tallies_the_consent_page_knows_whether_a_place_is_left() -> None:
    study = design(given_items=1, given_per_participant=1, raters_per_item=1)
    first, second = (participant_create(study=study) for _ in range(2))
    assert participant_place(participant=second).step == "consent"
    work(newcomer(study))
    UnitTally.objects.all().delete()
    assert participant_place(participant=second).step == "full"
    let_expire(Assignment.objects.all())
    Assignment.objects.update(state="open", completed_at=None)
    UnitTally.objects.all().delete()
    assert participant_place(participant=first).step == "consent"


def test_a_place_that_time_returns_is_seen_on_the_consent_page() -> None:
    study = design(given_items=1, given_per_participant=1, raters_per_item=1)
    late = participant_create(study=study)
    assignment_next(participant=newcomer(study))
    assert participant_place(participant=late).step == "full"
    let_expire(Assignment.objects.all())
    assert participant_place(participant=late).step == "consent"


def test_opening_a_study_makes_its_tallies_so_that_nobody_waits_for_them(tmp_path: Path) -> None:
    study = ready_draft(tmp_path)
    study_open(study=study, user=None)
    assert set(UnitTally.objects.values_list("participant_kind", "source")) == {
        ("person", "given"), ("person", "written"),
    }  # fmt: skip


# --- Drafts change -------------------------------------------------------------------------------------------------


def ready_draft(folder: Path, **changes: Any) -> Study:
    study = study_save(definition=definition(folder, **changes), owner=make_user(), discard_outputs=True)
    study.arms.update(fingerprint="a" * 64)
    for persona in Persona.objects.filter(item__study=study):
        for arm in study.arms.all():
            Output.objects.get_or_create(
                persona=persona, arm=arm, defaults={"state": "ready", "text": "Text", "ready_at": timezone.now()}
            )
    Output.objects.update(fingerprint="a" * 64)
    study.refresh_from_db()
    return study


def seen_by_preview(study: Study) -> set[str]:
    preview = preview_start(study=study, user=None)
    preview = Participant.objects.select_related("study").get(pk=preview.pk)
    return {part.persona.item.key for part in work(preview)}


def test_a_preview_sees_what_a_draft_has_become(tmp_path: Path) -> None:
    both = {"given_personas_per_participant": 2, "written_personas_per_participant": 1, "raters_per_item": 9}
    study = ready_draft(tmp_path, design=both)
    assert seen_by_preview(study) == {"tea", "soup", "rest"}
    more = [{"id": key, "prompt": f"What about {key}?", "persona": "A cook."} for key in ("jam", "oats")]
    study = ready_draft(tmp_path, design=both, items=[*study_data()["items"][1:], *more])
    assert seen_by_preview(study) | seen_by_preview(study) == {"jam", "oats", "soup", "rest"}
    jam = Persona.objects.get(item__key="jam")
    outputs_exclude(persona=jam, reason="Loops", user=None)
    assert seen_by_preview(study) | seen_by_preview(study) == {"oats", "soup", "rest"}
    outputs_include(persona=jam, user=None)
    assert "jam" in seen_by_preview(study), "it is held by fewest"
    with transaction.atomic():
        previews_discard(study=study)
    assert not UnitTally.objects.exists()


def test_a_preview_sees_what_an_import_has_brought() -> None:
    study = design(state="draft", given_items=1, given_per_participant=2, items_imported=True)
    arms = dict.fromkeys(study.arms.values_list("pk", flat=True), "Text")
    preview = participant_create(study=study, kind=Kind.PREVIEW)
    assert [part.persona.item.key for part in work(preview)] == ["item-1"]
    with transaction.atomic():
        item = ImportedItem(key="new", prompt="What is new?", stratum="", responses=arms)
        personas_import(study=study, items=[item], personas=[ImportedPersona("new", "A cook.", "")])
    assert [part.persona.item.key for part in work(preview)] == ["new"]


def test_what_failed_for_somebody_is_offered_to_nobody_until_it_is_there() -> None:
    study = design(given_items=2, given_per_participant=2)
    persona = Persona.objects.get(item__key="item-1")
    persona.outputs.update(state="failed")
    assert [part.persona.item.key for part in work(newcomer(study))] == ["item-2"]
    persona.outputs.update(state="ready")
    assert {part.persona.item.key for part in work(newcomer(study))} == {"item-1", "item-2"}


# --- What it costs -------------------------------------------------------------------------------------------------


def statements(call: Callable[[], Any]) -> int:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        call()
    return len(captured)


def costs(items: int, source: str) -> list[int]:
    """Return the statements of the consent page, agreeing, and five parts, in a study that is under way."""
    number = {f"{source}_items": items, f"{source}_per_participant": 5}
    study = design(slug=f"{source}-{items}", **{"given_items": 0, "given_per_participant": 0, **number})
    work(newcomer(study))
    one = participant_create(study=study)
    found = [
        statements(lambda: participant_place(participant=one)),
        statements(lambda: participant_consent(participant=one)),
    ]
    one = newcomer(study)
    one.study = study_as_it_stands(  # as pages have it
        pk=study.pk, state=study.state, protocol_hash=study.protocol_hash, opened_at=study.opened_at
    )
    for _ in range(5):
        found.append(statements(lambda: participant_place(participant=one)))
        part = at_hand(one)
        if part.persona.submitted_at is None:
            submit(part)
        complete(part)
    return found


@pytest.mark.parametrize("source", ["given", "written"])
def test_a_hand_out_takes_few_statements_and_as_many_in_a_large_study_as_in_a_small_one(source: str) -> None:
    small, large = costs(30, source), costs(600, source)
    assert small == large
    assert max(small) <= 15
