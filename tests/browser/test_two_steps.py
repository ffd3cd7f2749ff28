"""A page whose persona is shown in a second step, in a browser: by pointer, on a phone, by keyboard, with no script."""

import re

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from annotation.models import Assignment, Persona, Rating, Study
from annotation.services.participants import participant_create
from tests.annotation.stepping import make_two_step_study
from tests.browser.test_reading import DESK, PHONE, open_task
from tests.browser.test_resilience import SAVED
from tests.browser.walk import Keyboard, leave, sideways_scroll, turn_to, walk

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("server")]
SHOW, FIXED = "Show the persona and go on", "Answered before the persona was shown"


@pytest.fixture
def study(server: object) -> Study:
    study = make_two_step_study(given_items=1, given_per_participant=1)
    Persona.objects.filter(item__study=study).update(text="The user collects zeppelins and prefers drawings.")
    return study


def answer_all(page: Page, option: int = 2) -> None:
    for scale in page.locator("[data-scale]").all():
        turn_to(page, scale)
        scale.locator("label.option").nth(option).click()


@pytest.mark.parametrize("size", [DESK, PHONE])
def test_the_persona_comes_with_the_second_step_and_the_first_is_over(
    page: Page, study: Study, size: dict[str, int]
) -> None:
    open_task(page, study, size)
    assert "zeppelins" not in page.content()
    assert sideways_scroll(page) == 0
    page.get_by_role("button", name=SHOW).click()  # refused by the page itself: nothing has been answered
    expect(page.locator("[data-missing] li:not([hidden])")).to_have_count(3)
    expect(page.locator(".is-missing")).to_have_count(3)
    answer_all(page)
    leave(page, page.get_by_role("button", name=SHOW).click)
    expect(page.locator(".persona")).to_contain_text("zeppelins")
    expect(page.locator("#persona-title")).to_be_focused()
    expect(page.get_by_text(FIXED)).to_have_count(3)
    expect(page.locator(".fixed-answer").last).to_have_text("Tie")
    assert sideways_scroll(page) == 0
    page.go_back()
    expect(page.locator(".persona")).to_contain_text("zeppelins")
    page.goto(page.url)
    answer_all(page)
    leave(page, page.get_by_role("button", name="Continue").click)
    expect(page.locator("main")).to_have_attribute("data-step", "done")
    assert Rating.objects.filter(superseded_by=None).count() == 5


def test_a_tab_that_is_still_in_the_first_step_is_told_that_its_answers_are_fixed(
    page: Page, context: BrowserContext, study: Study
) -> None:
    open_task(page, study)
    other = context.new_page()
    other.goto(page.url)
    answer_all(page)
    leave(page, page.get_by_role("button", name=SHOW).click)
    first = other.locator("[data-scale]").first
    first.locator("label.option").nth(4).click()
    expect(first.locator("[data-save-state]")).to_have_text(re.compile("Not saved. The persona has been shown"))
    expect(first.locator("label.option").nth(2).locator("input")).to_be_checked()
    assert set(Rating.objects.values_list("value", flat=True)) == {3}
    other.reload()
    expect(other.get_by_text(FIXED)).to_have_count(3)


def test_the_keyboard_alone_goes_through_both_steps_of_practice_and_work(page: Page, server: object) -> None:
    study = make_two_step_study(practice=1, given_items=2, given_per_participant=2)
    page.goto(f"/p/{participant_create(study=study).token}/")
    assert walk(Keyboard(page)) == ["consent", "instructions", *["practice"] * 2, *["rate"] * 4]
    assert Rating.objects.count() == 2 * 5
    assert not Assignment.objects.filter(persona_shown_at=None).exists()


@pytest.mark.browser_context_args(java_script_enabled=False)
def test_without_a_script_the_button_takes_what_the_form_holds(page: Page, study: Study) -> None:
    open_task(page, study)
    page.locator("[data-scale]").first.locator("label.option").nth(1).click()
    leave(page, page.get_by_role("button", name=SHOW).click)
    expect(page.locator("[data-missing] li:visible")).to_have_count(2)
    assert "zeppelins" not in page.content()
    expect(page.locator("[data-scale]").first.locator("[data-save-state]")).to_have_text(SAVED)
    answer_all(page)
    leave(page, page.get_by_role("button", name=SHOW).click)
    expect(page.locator(".persona")).to_contain_text("zeppelins")
    answer_all(page)
    leave(page, page.get_by_role("button", name="Continue").click)
    expect(page.locator("main")).to_have_attribute("data-step", "done")
