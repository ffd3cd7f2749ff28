"""The pages of the controls: quiz, questionnaires, warnings, checks, skipping and reasons added to an answer."""

import tempfile
from pathlib import Path

from django.urls import reverse
from playwright.sync_api import Page, expect

from annotation.models import Item, Participant, Study
from annotation.services import participants as services
from annotation.services.quiz import quiz_answer
from tests.annotation.controls import Worker, open_example, open_work
from tests.tools.spots import Spot


def control_spots() -> list[Spot]:
    """Return the pages of two studies made for them: one with everything, one with the work alone."""
    with tempfile.TemporaryDirectory() as name:
        whole = open_example(Path(name), slug="gallery-controls", checks=None, exclusion_rules=None)
        work = open_work(Path(name), slug="gallery-work", planted=None)
    return [*_around(whole), *_within(work)]


def _path(participant: Participant) -> str:
    return reverse("annotation:participant", args=[participant.token])


def _around(study: Study) -> list[Spot]:
    surveyed = services.participant_create(study=study)
    services.participant_consent(participant=surveyed)
    asked, tried, screened_out = (_at_the_quiz(study) for _ in range(3))
    quiz_answer(participant=tried, attempt=0, answers=[1, 2])
    for attempt in (0, 1):
        quiz_answer(participant=screened_out, attempt=attempt, answers=[1, 1])
    return [
        Spot("survey", _path(surveyed)),
        Spot("survey-missing", _path(surveyed), act=_continue_at_once),
        Spot("quiz", _path(asked)),
        Spot("quiz-missing", _path(asked), act=_continue_at_once),
        Spot("quiz-wrong", _path(tried)),
        Spot("screened-out", _path(screened_out)),
    ]


def _at_the_quiz(study: Study) -> Participant:
    worker = Worker(study)
    worker.post("consent/", answer="agree")
    worker.post("questions/before/", **{"question-country": "Chile", "question-use": "Never"})
    worker.post("instructions/")
    return worker.me


def _within(study: Study) -> list[Spot]:
    worker = Worker(study).begin()
    worker.reach(2)
    warned = Worker(study).begin()
    warned.get()
    Item.objects.filter(personas__assignments__participant=warned.participant).update(warning="grief")
    return [
        Spot("rate-check", worker.base),
        Spot("rate-skipping", worker.base, act=_skip_without_a_reason),
        Spot("rate-reasons", worker.base, act=_tick_a_reason),
        Spot("warning", warned.base),
    ]


def _continue_at_once(page: Page) -> None:
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("alert")).to_be_visible()


def _skip_without_a_reason(page: Page) -> None:
    page.get_by_text("Skip this one…").click()
    page.get_by_role("button", name="Skip it and go on").click()
    expect(page.get_by_role("alert")).to_contain_text("Choose a reason")


def _tick_a_reason(page: Page) -> None:
    reason = page.locator(".followup").first.get_by_label("Well written")
    if not reason.is_checked():  # a second visit finds it ticked
        reason.check()
        expect(page.locator(".followup [data-save-state]").first).to_contain_text("Saved at")
