"""A participant takes the whole demonstration in a real browser."""

import pytest
from playwright.sync_api import Page, expect

from annotation.models import Aspect, Assignment, Event, Participant, Persona, Rating
from modelhub.demo import Demo
from tests.browser.walk import PERSONA, Keyboard, Pointer, sideways_scroll, walk
from tests.tools.processes import ProjectProcess

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("worker")]
PHONE = {"width": 390, "height": 844}
WRITTEN, GIVEN = 2, 4


def assert_study_is_complete(participant: Participant) -> None:
    """Every part is finished, every question has one answer, and both personas are what was typed."""
    participant.refresh_from_db()
    assert participant.completed_at
    finished = participant.assignments.filter(state=Assignment.State.COMPLETED)
    assert finished.count() == WRITTEN + GIVEN
    per_part = sum(1 if aspect.kind == Aspect.Kind.COMPARISON else 2 for aspect in participant.study.aspects.all())
    ratings = Rating.objects.filter(slot__assignment__participant=participant)
    assert ratings.count() == per_part * (WRITTEN + GIVEN)
    assert not ratings.filter(superseded_by__isnull=False).exists()
    texts = Persona.objects.filter(author=participant).values_list("text", flat=True)
    assert list(texts) == [PERSONA] * WRITTEN
    assert participant.events.filter(kind=Event.Kind.ASSIGNMENT_COMPLETED).count() == WRITTEN + GIVEN


def assert_done_page(page: Page, participant: Participant) -> None:
    expect(page.get_by_text(participant.completion_code)).to_be_visible()


def test_the_study_is_taken_on_a_desktop(page: Page, participant: Participant) -> None:
    page.goto(f"/p/{participant.token}/")
    steps = walk(Pointer(page))
    assert steps[:3] == ["consent", "instructions", "practice"]
    assert steps.count("write") == WRITTEN
    assert_study_is_complete(participant)
    assert_done_page(page, participant)


@pytest.mark.browser_context_args(viewport=PHONE, has_touch=True, is_mobile=True)
def test_the_study_is_taken_on_a_phone_without_scrolling_sideways(page: Page, participant: Participant) -> None:
    page.goto(f"/p/{participant.token}/")
    wider: dict[str, int] = {}
    walk(Pointer(page), on_page=lambda step: wider.update({step: sideways_scroll(page)}))
    assert_study_is_complete(participant)
    assert {step: pixels for step, pixels in wider.items() if pixels} == {}


@pytest.mark.browser_context_args(java_script_enabled=False)
def test_the_study_is_taken_without_javascript(page: Page, participant: Participant) -> None:
    page.goto(f"/p/{participant.token}/")
    walk(Pointer(page, saves=False))
    assert_study_is_complete(participant)
    assert_done_page(page, participant)


def test_the_study_is_taken_with_the_keyboard_alone(page: Page, participant: Participant) -> None:
    page.goto(f"/p/{participant.token}/")
    walk(Keyboard(page))
    assert_study_is_complete(participant)
    assert_done_page(page, participant)


def test_an_open_link_leads_to_a_personal_one(page: Page, demo: Demo) -> None:
    page.goto(f"/join/{demo.link.token}/")
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("button", name="agree to take part")).to_be_visible()
    (joined,) = Participant.objects.filter(open_link=demo.link)
    assert page.url.endswith(f"/p/{joined.token}/")


def test_the_page_recovers_when_worker_and_server_come_back_late(
    page: Page, participant: Participant, worker: ProjectProcess
) -> None:
    worker.kill9()
    page.goto(f"/p/{participant.token}/")
    walk(Pointer(page), until="wait")
    worker.start()
    Pointer(page).wait()
    assert page.locator("article.response").count() == 2


def test_no_answer_is_preselected_and_missing_ones_are_named(page: Page, participant: Participant) -> None:
    page.goto(f"/p/{participant.token}/")
    walk(Pointer(page), until="rate")
    assert page.locator("input:checked").count() == 0
    page.locator("[data-scale]").first.locator("label.option").first.click()
    page.get_by_role("button", name="Continue").click()
    scales = page.locator("[data-scale]").count()
    expect(page.locator("[data-missing] li:visible")).to_have_count(scales - 1)
    expect(page.locator("[data-scale]").nth(1).locator("input").first).to_be_focused()
