"""Passages marked in a browser: selected by pointer and by touch, typed, kept over a reload, told apart in two tabs."""

import json

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from annotation.models import Passage, Rating, Study
from tests.annotation.asking import MARKED_TEXTS, make_marking_study
from tests.browser.test_reading import DESK, PHONE, open_task
from tests.browser.test_resilience import SAVED
from tests.browser.visits import EVERY_SIZE, faults_of
from tests.browser.walk import sideways_scroll
from tests.tools.gallery_marking import marking_spots, select
from tests.tools.processes import Server

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("server")]
MARKDOWN = MARKED_TEXTS[0]


@pytest.fixture
def study(server: object) -> Study:
    return make_marking_study(practice=[])


def response(page: Page) -> Locator:
    return page.locator("[data-response]", has_text="Sleep")


def passages(page: Page) -> Locator:
    return response(page).locator("[data-passage]")


def state(page: Page) -> Locator:
    return response(page).locator("[data-scale$='-unfit'] [data-save-state]")


def mark(page: Page, start: str, end: str) -> None:
    """Select and mark; on a telephone there is a second button, which is in sight wherever the words stand."""
    select(response(page), start, end)
    near = page.locator(".mark-near:visible")
    here = response(page).get_by_role("button", name="Mark the selected passage")
    (near if near.count() else here).click()


def copied(page: Page, number: int) -> Locator:
    """Return the field that a passage is copied into; a label around it would read it along."""
    return passages(page).nth(number).locator("textarea[name$='.text']")


def explain(page: Page, number: int, label: str, reason: str) -> None:
    row = passages(page).nth(number)
    row.get_by_label("Kind of passage").select_option(label)
    row.get_by_label("Why did you mark it?").fill(reason)


def highlighted(page: Page) -> list[str]:
    return page.evaluate("[...CSS.highlights.get('passages')].map(String)")


def standing() -> list[tuple[str, str, str]]:
    found = Passage.objects.filter(rating__superseded_by__isnull=True)
    assert all(MARKDOWN[one.start : one.end] == one.text for one in found)
    return list(found.values_list("text", "label", "reason"))


def turn_to(page: Page) -> None:
    """On a telephone one response is shown at a time."""
    if page.locator("[data-switch]").is_visible():
        page.locator("[data-switch]").get_by_role("button").nth(
            int(response(page).get_attribute("data-response") == "B")
        ).click()


@pytest.mark.parametrize("size", [DESK, PHONE])
def test_selected_words_are_marked_where_they_stand_and_listed_with_their_reason(
    page: Page, study: Study, size: dict[str, int]
) -> None:
    open_task(page, study, size)
    turn_to(page)
    mark(page, "bed ", ", and")
    expect(passages(page).locator("blockquote")).to_have_text("bed early, and")
    expect(state(page)).to_have_text("Not saved yet: fill in what is missing for each passage.")
    assert highlighted(page) == ["bed early, and"]
    page.reload()  # nothing is lost before it is complete
    turn_to(page)
    expect(passages(page)).to_have_count(1)
    explain(page, 0, "Tone", "Babies wake up.")
    expect(state(page)).to_have_text(SAVED)
    assert standing() == [("bed **early**, and", "tone", "Babies wake up.")]
    mark(page, "milk", "milk")
    explain(page, 1, "Length", "Too short.")
    expect(state(page)).to_have_text(SAVED)
    page.reload()
    turn_to(page)
    assert highlighted(page) == ["bed early, and", "milk"]
    passages(page).nth(0).get_by_role("button", name="Remove").click()
    expect(state(page)).to_have_text(SAVED)
    page.wait_for_load_state("networkidle")
    assert standing() == [("milk", "length", "Too short.")]
    assert sideways_scroll(page) == 0


def test_the_keyboard_alone_types_a_passage_and_says_that_there_is_nothing(page: Page, study: Study) -> None:
    open_task(page, study)
    for scale in page.locator("[data-scale$='-fit']").all():
        scale.locator("input[type=radio]").first.press("4")
    response(page).get_by_role("button", name="Type a passage").press("Enter")
    page.keyboard.type("early")  # the field has the focus
    explain(page, 0, "Tone", "Babies wake up.")
    expect(state(page)).to_contain_text("stands in the response 2 times; say which of them, 1 for the first.")
    passages(page).get_by_label("Which of them").fill("2")
    expect(state(page)).to_have_text(SAVED)
    expect(passages(page).locator("blockquote")).to_have_text("early")
    assert Passage.objects.get().start == MARKDOWN.rindex("early")
    other = page.locator("[data-response]").filter(has_not_text="Sleep")
    expect(page.locator("[data-missing] li:visible")).to_have_count(1)
    other.get_by_label("Nothing to mark").press("Space")
    with page.expect_navigation():
        page.get_by_role("button", name="Continue").press("Enter")
    assert sorted(Rating.objects.filter(aspect__key="unfit").values_list("value", flat=True))[-2:] == [0, 1]


@pytest.mark.browser_context_args(java_script_enabled=False)
def test_without_a_script_passages_are_copied_into_a_field_one_after_another(page: Page, study: Study) -> None:
    open_task(page, study)
    for scale in page.locator("[data-scale$='-fit']").all():
        scale.locator("label.option").first.click()
    page.locator("[data-response]").filter(has_not_text="Sleep").get_by_text("Nothing to mark").click()
    copied(page, 0).fill("Sleep 🦊")
    explain(page, 0, "Content", "No fox.")
    response(page).get_by_role("button", name="Save, and mark another").click()
    copied(page, 1).fill("no such words")
    explain(page, 1, "Content", "Not there.")
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("alert").first).to_contain_text("“no such words” does not stand in the response like that")
    copied(page, 1).fill("")
    passages(page).nth(1).get_by_label("Why did you mark it?").fill("")
    page.get_by_role("button", name="Continue").click()
    assert standing() == [("Sleep 🦊", "content", "No fox.")]


def test_another_tab_that_marked_otherwise_is_shown_and_what_was_typed_here_stays(
    page: Page, context: BrowserContext, study: Study
) -> None:
    open_task(page, study)
    other = context.new_page()
    other.goto(page.url)
    mark(other, "milk", "milk")
    explain(other, 0, "Tone", "Cold.")
    expect(state(other)).to_have_text(SAVED)
    mark(page, "Sleep", "🦊")
    explain(page, 0, "Tone", "No fox.")
    conflict = response(page).locator(".conflict")
    expect(conflict).to_contain_text("“milk”: Cold.")
    assert standing() == [("milk", "tone", "Cold.")]
    expect(passages(page).get_by_label("Why did you mark it?")).to_have_value("No fox.")
    conflict.get_by_role("button", name="Keep mine").click()
    expect(state(page)).to_have_text(SAVED)
    assert standing() == [("Sleep 🦊", "tone", "No fox.")]


@pytest.mark.parametrize("size", EVERY_SIZE)
def test_the_page_is_accessible_light_and_asks_nobody_else(browser: Browser, server: Server, size: str) -> None:
    found = faults_of(browser, server.base_url, marking_spots(), "", size)
    assert not found, json.dumps(found, indent=2)
