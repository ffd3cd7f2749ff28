"""In which order outputs are made: who waits comes first, and studies alternate."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from annotation import making
from annotation.making import outlook
from annotation.models import Output, Participant, Persona, Study
from annotation.services.assignments import assignment_set_aside
from annotation.services.foresight import Foresight
from annotation.services.outputs import outputs_request_missing
from annotation.services.queue import arms_wanted, output_fail, outputs_claim, outputs_prepare, outputs_release
from annotation.services.tallies import tallies_make
from annotation.services.workers import worker_start
from tests.annotation.walking import Walker, make_ready
from tests.factories import make_study
from tests.modelhub.live import make_live_study, write_persona

pytestmark = pytest.mark.django_db


def made_next(count: int, **limits: object) -> list[Persona]:
    """The personas whose outputs a worker with so many slots for each of two systems takes up, one after the other."""
    personas = []
    for _ in range(count):
        one = outputs_claim(holder="worker", limit=2, lease_seconds=60, **limits)  # type: ignore[arg-type]
        assert len({output.persona_id for output in one}) == 1
        personas.append(one[0].persona)
        Output.objects.filter(pk__in=[output.pk for output in one]).update(state="failed")
    return personas


def make_bulk_study(given: int, *, per_participant: int = 1) -> Study:
    study = make_study(slug="bulk", given_items=given, given_per_participant=per_participant)
    Output.objects.filter(arm__study=study).delete()
    outputs_request_missing(study=study)
    tallies_make(study=study, kind=Participant.Kind.PERSON)  # as opening it does
    return study


def test_whoever_waits_comes_before_a_thousand_outputs_that_nobody_needs_yet(tmp_path: Path) -> None:
    make_bulk_study(500)
    persona = write_persona(make_live_study(tmp_path))
    assert made_next(1) == [persona]


def test_studies_alternate_however_many_requests_one_has(tmp_path: Path) -> None:
    large, small = make_live_study(tmp_path, slug="large"), make_live_study(tmp_path, slug="small")
    many = [write_persona(large) for _ in range(6)]
    assert made_next(2) == many[:2]
    few = [write_persona(small) for _ in range(2)]
    assert made_next(6) == [many[2], few[0], many[3], few[1], many[4], many[5]]


def test_a_study_that_had_the_queue_for_itself_owes_nothing_to_one_that_comes_later(tmp_path: Path) -> None:
    early, late = make_live_study(tmp_path, slug="early"), make_live_study(tmp_path, slug="late")
    made_next(len([write_persona(early) for _ in range(5)]))
    first = [write_persona(late) for _ in range(3)]
    second = write_persona(early)
    assert made_next(4) == [first[0], second, first[1], first[2]]


def test_a_given_persona_is_made_first_once_somebody_is_handed_it() -> None:
    study = make_bulk_study(20)
    walker = Walker(study).begin()
    assert walker.step == "wait"
    assert made_next(1) == [walker.assignment.persona]


def test_the_first_given_persona_is_made_while_its_reader_reads_the_instructions() -> None:
    study = make_bulk_study(20)
    walker = Walker(study)
    walker.post("consent/", answer="agree")
    Foresight(None).look()
    (ahead,) = set(Output.objects.filter(urgency=Output.Urgency.AHEAD).values_list("persona", flat=True))
    walker.post("instructions/")
    walker.get()
    assert walker.assignment.persona_id == ahead


def test_the_next_given_persona_is_made_while_the_one_before_is_rated() -> None:
    study = make_bulk_study(20, per_participant=2)
    walker = Walker(study).begin()
    make_ready()
    Output.objects.exclude(persona=walker.assignment.persona).update(state="requested", text="", ready_at=None)
    foresight = Foresight(None)
    for _ in range(3):
        foresight.look()
    (ahead,) = set(Output.objects.filter(urgency=Output.Urgency.AHEAD).values_list("persona", flat=True))
    walker.complete()
    walker.get()
    assert walker.assignment.persona_id == ahead


def test_what_will_be_needed_next_comes_between(tmp_path: Path) -> None:
    study = make_bulk_study(5)
    soon = Persona.objects.filter(item__study=study).order_by("pk")[3]
    outputs_prepare(persona=soon)
    waited_for = write_persona(make_live_study(tmp_path))
    assert made_next(2) == [waited_for, soon]


def test_nobody_stands_behind_a_persona_that_was_set_aside() -> None:
    study = make_study(given_items=0, written_items=4, given_per_participant=0, written_per_participant=1)
    walkers = [Walker(study).begin() for _ in range(2)]
    for walker in walkers:
        walker.write()
    left, kept = (walker.assignment for walker in walkers)
    assignment_set_aside(assignment=left)
    assert made_next(2) == [kept.persona, left.persona]


def test_the_place_that_is_told_is_the_place_in_the_queue_that_is_served(tmp_path: Path) -> None:
    large, small = make_live_study(tmp_path, slug="large"), make_live_study(tmp_path, slug="small")
    worker_start(key="for all", study=None, host="here")
    many = [write_persona(large) for _ in range(4)]
    few = [write_persona(small) for _ in range(2)]
    personas = [*many, *few]
    told = {one: outlook(study=one.item.study, outputs=list(one.outputs.all())).ahead for one in personas}
    assert sorted(personas, key=lambda one: told[one]) == made_next(6)
    assert sorted(told.values()) == [0, 1, 2, 3, 4, 5]


def test_where_each_worker_serves_one_study_the_other_stands_before_nobody(tmp_path: Path) -> None:
    large, small = make_live_study(tmp_path, slug="large"), make_live_study(tmp_path, slug="small")
    for study in (large, small):
        worker_start(key=f"for {study.slug}", study=study, host="here")
    for _ in range(4):
        write_persona(large)
    personas = [write_persona(small) for _ in range(2)]
    outputs = list(personas[1].outputs.all())
    assert outlook(study=small, outputs=outputs).ahead == 1
    assert made_next(2, study=small) == personas


def test_an_output_in_its_pause_holds_nobody_up_and_keeps_its_place(tmp_path: Path) -> None:
    study = make_live_study(tmp_path)
    first, second = write_persona(study), write_persona(study)
    for output in outputs_claim(holder="worker", limit=2, lease_seconds=60):
        output_fail(output_id=output.pk, holder="worker", error="Not now.", final=False, pause_seconds=60)
    assert [output.persona_id for output in outputs_claim(holder="worker", limit=8, lease_seconds=60)] == [
        second.pk
    ] * 2
    outputs_release(holder="worker")
    Output.objects.update(not_before=None)
    assert made_next(2) == [first, second]


def test_an_attempt_that_was_not_the_outputs_fault_does_not_count(tmp_path: Path) -> None:
    write_persona(make_live_study(tmp_path))
    for _ in range(10):
        for output in outputs_claim(holder="worker", limit=2, lease_seconds=60):
            assert output_fail(output_id=output.pk, holder="worker", error="Down.", final=False, counts=False)
    assert set(Output.objects.values_list("state", "attempts", "error")) == {("requested", 0, "Down.")}


def test_a_claim_for_one_arm_leaves_the_other_to_whoever_has_room_for_it(tmp_path: Path) -> None:
    study = make_live_study(tmp_path)
    write_persona(study)
    first, second = study.arms.all()
    assert [one.arm_id for one in outputs_claim(holder="a", limit=8, lease_seconds=60, arms=[second.pk])] == [second.pk]
    assert arms_wanted() == [first.pk]


def test_hundreds_who_wait_read_the_queue_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    monkeypatch.setattr(making, "QUEUE_SECONDS", 60.0)
    monkeypatch.setattr(making, "PACE_SECONDS", 60.0)
    monkeypatch.setattr(making, "_kept", {})
    study = make_live_study(tmp_path)
    waiting = [list(write_persona(study).outputs.all()) for _ in range(3)]
    assert outlook(study=study, outputs=waiting[0]).ahead == 0
    with django_assert_num_queries(0):
        assert [outlook(study=study, outputs=outputs).ahead for outputs in waiting] == [0, 1, 2]


@pytest.mark.parametrize(("before", "under_way", "seconds"), [(0, 0, 8), (0, 2, 8), (4, 2, 24), (4, 0, 40)])
def test_the_time_to_go_follows_from_the_times_seen_in_this_study_and_the_place(
    tmp_path: Path, before: int, under_way: int, seconds: int
) -> None:
    study, other = make_live_study(tmp_path), make_live_study(tmp_path, slug="other")
    now = timezone.now()
    for made, took in ((write_persona(study), 8), (write_persona(other), 500)):
        begun = now - timedelta(seconds=took)
        made.outputs.update(state="ready", claimed_at=begun, ready_at=now)
    for _ in range(under_way):
        write_persona(study)
    outputs_claim(holder="worker", limit=2 * under_way, lease_seconds=60)
    for _ in range(before):
        write_persona(study)
    told = outlook(study=study, outputs=list(write_persona(study).outputs.all()))
    assert (told.ahead, told.seconds) == (before, seconds)


def test_where_nothing_was_made_yet_no_time_is_told(tmp_path: Path) -> None:
    study = make_live_study(tmp_path)
    assert outlook(study=study, outputs=list(write_persona(study).outputs.all())).seconds is None
