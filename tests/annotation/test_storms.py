"""Many requests at once, and a web server that dies among them: nothing is lost, nothing is doubled."""

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx
import pytest
from django.urls import reverse

from annotation.models import Aspect, Participant, Rating, Slot, Study
from annotation.services.assignments import assignment_mark_shown
from annotation.services.participants import participant_create
from annotation.services.places import participant_place
from tests.factories import make_study
from tests.tools.processes import Server

ASSIGNMENTS = 60
REQUESTS_EACH = 4


@dataclass(frozen=True)
class Answer:
    """One request that saves an answer, as the rating page sends it."""

    url: str
    value: int
    key: uuid.UUID


@dataclass(frozen=True)
class Browser:
    """Sends answers with a form token, from any thread.

    On a connection of its own each time: a pool may close one that another thread has just been given.
    """

    base_url: str
    cookies: httpx.Cookies
    token: str

    def send(self, answer: Answer) -> httpx.Response:
        form = {"csrfmiddlewaretoken": self.token, "value": answer.value, "version": 0, "client_key": str(answer.key)}
        with httpx.Client(base_url=self.base_url, cookies=self.cookies, timeout=60, verify=False) as client:
            return client.post(answer.url, data=form)


@pytest.fixture
def browser_without_page(server: Server) -> Browser:
    with httpx.Client(base_url=server.base_url, timeout=60) as client:
        client.get(reverse("login"))
        return Browser(server.base_url, client.cookies, client.cookies["csrftoken"])


def rating_participants(study: Study, count: int) -> list[Participant]:
    """Participants who have a rating page in front of them."""
    participants = [participant_create(study=study) for _ in range(count)]
    Participant.objects.filter(study=study).update(
        consented_at=study.opened_at, consent_hash="0" * 64, instructed_at=study.opened_at
    )
    for participant in participants:
        participant.refresh_from_db()
        place = participant_place(participant=participant)
        assert place.assignment
        assignment_mark_shown(assignment=place.assignment)
    return participants


def questions(participant: Participant) -> list[str]:
    """The addresses at which the answers of the participant's rating page are saved."""
    slots = Slot.objects.filter(assignment__participant=participant).order_by("position")
    aspects = Aspect.objects.filter(study=participant.study)
    return [
        reverse("annotation:rating_save", args=[participant.token, slot.key, aspect.key])
        for slot in slots
        for aspect in aspects
    ]


def all_at_once(browser: Browser, answers: list[Answer]) -> list[httpx.Response]:
    """Send every answer from a thread of its own, none before all are ready."""
    barrier = threading.Barrier(len(answers))

    def send(answer: Answer) -> httpx.Response:
        barrier.wait(timeout=60)
        return browser.send(answer)

    with ThreadPoolExecutor(len(answers)) as pool:
        return list(pool.map(send, answers))


def test_240_concurrent_double_submits_leave_60_answers(server: Server, browser_without_page: Browser) -> None:
    study = make_study(given_items=20, given_per_participant=1, raters_per_item=3)
    participants = rating_participants(study, ASSIGNMENTS)
    answers: list[Answer] = []
    for participant in participants:
        url = questions(participant)[0]
        keys = [uuid.uuid4(), uuid.uuid4()]  # two clicks, each of them sent twice
        value = participant.number % 5 + 1
        answers += [Answer(url, value, key) for key in keys * (REQUESTS_EACH // len(keys))]
    assert len(answers) == ASSIGNMENTS * REQUESTS_EACH

    replies = all_at_once(browser_without_page, answers)

    assert {reply.status_code for reply in replies} == {200}, server.output()
    assert {reply.json()["version"] for reply in replies} == {1}
    assert Rating.objects.filter(superseded_by__isnull=True).count() == ASSIGNMENTS
    assert Rating.objects.count() == ASSIGNMENTS
    saved = dict(Rating.objects.values_list("slot__assignment__participant__number", "value"))
    assert saved == {participant.number: participant.number % 5 + 1 for participant in participants}


def test_a_killed_web_server_loses_no_acknowledged_answer(server: Server, browser_without_page: Browser) -> None:
    study = make_study(given_items=20, given_per_participant=1, raters_per_item=3)
    answers = [
        Answer(url, number % 5 + 1, uuid.uuid4())
        for number, url in enumerate(
            url for participant in rating_participants(study, ASSIGNMENTS) for url in questions(participant)
        )
    ]
    acknowledged: list[Answer] = []
    enough = threading.Event()

    def send(answer: Answer) -> None:
        try:
            reply = browser_without_page.send(answer)
        except httpx.TransportError:
            return  # the server is gone; this answer was never acknowledged
        assert reply.status_code == 200
        acknowledged.append(answer)
        if len(acknowledged) >= len(answers) // 4:
            enough.set()

    with ThreadPoolExecutor(16) as pool:
        sent = [pool.submit(send, answer) for answer in answers]
        assert enough.wait(timeout=60), server.output()
        server.kill9()
        for future in sent:
            future.result()

    assert len(acknowledged) < len(answers), "The server was killed too late for this test to show anything."
    stored = {rating.client_key: rating.value for rating in Rating.objects.all()}
    assert {answer.key: answer.value for answer in acknowledged}.items() <= stored.items()

    # What the pages do then: send everything again that was not acknowledged, and it is saved once.
    server.restart()
    assert {browser_without_page.send(answer).status_code for answer in answers} == {200}
    assert {rating.client_key: (rating.value, rating.version) for rating in Rating.objects.all()} == {
        answer.key: (answer.value, 1) for answer in answers
    }
