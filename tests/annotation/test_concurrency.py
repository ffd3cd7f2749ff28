"""Several requests at once, each on its own database connection, on whichever database the tests run."""

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier
from typing import Any

import pytest
from django.db import connection

from annotation.errors import NotAllowedNow, StaleVersion, UnknownQuestion
from annotation.flow import Step
from annotation.models import Assignment, OpenLink, Output, Participant, Persona, Rating, Slot
from annotation.services.assignments import assignment_mark_shown
from annotation.services.entrance import Terms
from annotation.services.openlinks import open_link_create, open_link_join
from annotation.services.participants import (
    participant_consent,
    participant_create,
    participant_instructed,
    participants_create,
)
from annotation.services.personas import persona_submit
from annotation.services.places import participant_place
from tests.annotation.answering import save_first
from tests.factories import make_study

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(calls: list[Callable[[], Any]]) -> list[Any]:
    """Run every call in a thread of its own, all released together; return results or the errors raised."""
    barrier = Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        try:
            barrier.wait()
            return call()
        except (NotAllowedNow, StaleVersion, UnknownQuestion) as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def ready(participant: Participant) -> Participant:
    participant_consent(participant=participant)
    participant_instructed(participant=participant)
    return Participant.objects.select_related("study").get(pk=participant.pk)


def test_two_people_never_get_the_same_last_place_and_nobody_is_turned_away_while_one_is_left():
    study = make_study(given_items=5, given_per_participant=1, raters_per_item=1)
    people = [ready(participant_create(study=study)) for _ in range(8)]
    places = at_once([partial(participant_place, participant=person) for person in people])
    assert sum(place.step == Step.RATE for place in places) == 5
    assert sum(place.step == Step.FULL for place in places) == 3
    assert Assignment.objects.values("persona").distinct().count() == 5


def test_one_participant_in_many_tabs_gets_one_assignment():
    person = ready(participant_create(study=make_study()))
    tabs = [Participant.objects.select_related("study").get(pk=person.pk) for _ in range(6)]
    places = at_once([partial(participant_place, participant=tab) for tab in tabs])
    assert len({place.assignment.pk for place in places}) == 1


def test_an_open_link_never_lets_in_more_than_its_cap():
    link = open_link_create(study=make_study(), terms=Terms(cap=3), user=None)
    links = [OpenLink.objects.select_related("study").get(pk=link.pk) for _ in range(8)]
    results = at_once([partial(open_link_join, open_link=one, visit=uuid.uuid4()) for one in links])
    assert sum(isinstance(result, NotAllowedNow) for result in results) == 5
    assert Participant.objects.count() == 3


def test_a_link_started_twice_at_once_from_one_page_makes_one_participant_even_of_its_last_place():
    link = open_link_create(study=make_study(), terms=Terms(cap=1), user=None)
    links = [OpenLink.objects.select_related("study").get(pk=link.pk) for _ in range(4)]
    visit = uuid.uuid4()
    joined = at_once([partial(open_link_join, open_link=one, visit=visit) for one in links])
    assert set(joined) == {Participant.objects.get()}


def test_participants_made_at_once_get_different_numbers():
    study = make_study()
    at_once([lambda: participants_create(study=study, count=5, user=None)] * 6)
    numbers = sorted(Participant.objects.values_list("number", flat=True))
    assert numbers == list(range(1, 31))


def test_a_persona_sent_from_two_tabs_requests_its_outputs_once():
    study = make_study(given_items=0, given_per_participant=0, written_items=2, written_per_participant=1)
    assignment = participant_place(participant=ready(participant_create(study=study))).assignment
    tab = uuid.uuid4()
    send = [
        lambda: persona_submit(
            assignment=Assignment.objects.select_related("participant__study", "persona").get(pk=assignment.pk),
            text="I am calm and prefer tea.",
            version=0,
            tab=tab,
        )
    ]
    at_once(send * 4)
    assert Persona.objects.get().submitted_at
    assert Output.objects.count() == 2
    assert Slot.objects.count() == 2


def test_different_answers_at_once_leave_one_current_and_tell_the_others():
    study = make_study()
    assignment = participant_place(participant=ready(participant_create(study=study))).assignment
    assert assignment is not None
    assignment_mark_shown(assignment=assignment)
    aspect = study.aspects.get(key="answerability")

    def answer(value: int) -> Rating:
        slot = Slot.objects.select_related("assignment__participant__study").get(assignment=assignment, position=1)
        return save_first(slot, aspect, value)

    results = at_once([partial(answer, value) for value in (1, 2, 3, 4, 5)])
    assert sum(isinstance(result, StaleVersion) for result in results) == 4
    assert Rating.objects.count() == 1
