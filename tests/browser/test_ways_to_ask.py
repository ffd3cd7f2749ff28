"""Sliders and orders in a browser: by pointer, by keyboard, without a script, in two tabs."""

import json

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from annotation.models import Rating, Study
from tests.annotation.asking import make_asking_study
from tests.browser.test_reading import DESK, open_task
from tests.browser.test_resilience import SAVED
from tests.browser.visits import EVERY_SIZE, faults_of
from tests.browser.walk import sideways_scroll
from tests.tools.gallery_asking import asking_spots
from tests.tools.processes import Server

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("server")]


@pytest.fixture
def study(server: object) -> Study:
    return make_asking_study(practice=[])


def slider(page: Page) -> Locator:
    return page.locator(".slider").first


def question(page: Page, key: str) -> Locator:
    return page.locator(f"[data-scale$='-{key}']").first


def place(page: Page, key: str, number: int) -> Locator:
    return question(page, key).locator("[data-place]").nth(number - 1)


def give(page: Page, key: str, number: int, letter: str) -> None:
    place(page, key, number).locator("label.option", has_text=letter).click()


def chosen(page: Page, key: str) -> list[str]:
    """Return the letters by place."""
    places = question(page, key).locator("[data-place]").all()
    return [one.locator("label.option:has(:checked)").inner_text().strip() if one.locator(":checked").count() else ""
            for one in places]  # fmt: skip


def standing(key: str) -> list[int]:
    found = Rating.objects.filter(aspect__key=key, superseded_by__isnull=True)
    return list(found.order_by("position").values_list("value", flat=True))


def test_a_slider_has_no_answer_until_it_is_touched_and_then_the_one_that_is_shown(page: Page, study: Study) -> None:
    open_task(page, study)
    thumb, number = slider(page).locator("[type=range]"), slider(page).locator("[type=number]")
    expect(number).to_have_value("")
    expect(thumb).to_have_class("slider-range is-unset")
    expect(thumb).to_have_attribute("aria-valuetext", "not answered yet")
    box = thumb.bounding_box()
    assert box
    page.mouse.click(
        box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    )  # where it rests: an answer all the same
    expect(question(page, "quality").locator("[data-save-state]")).to_have_text(SAVED)
    expect(number).to_have_value("50")
    assert standing("quality") == [50]
    thumb.press("ArrowRight")
    thumb.press("ArrowRight")
    expect(number).to_have_value("52")
    with page.expect_response(lambda reply: "value=7&" in f"{reply.request.post_data}&"):
        number.fill("7")
    expect(thumb).to_have_value("7")
    assert standing("quality") == [7]
    number.fill("700")  # no answer, and what is saved stands
    expect(page.locator("[data-missing] li:visible", has_text="Quality")).to_have_count(3)
    assert standing("quality") == [7]
    page.reload()
    expect(number).to_have_value("7")


def test_who_takes_a_place_leaves_their_own_to_whom_it_was(page: Page, study: Study) -> None:
    open_task(page, study)
    give(page, "order", 1, "B")
    give(page, "order", 3, "A")
    expect(question(page, "order").locator("[data-save-state]")).to_have_text(SAVED)
    assert chosen(page, "order") == ["B", "C", "A"]  # the last one left took the last place
    give(page, "order", 1, "A")
    expect(place(page, "order", 3).locator("label.option", has_text="B").locator("input")).to_be_checked()
    assert chosen(page, "order") == ["A", "C", "B"]
    page.wait_for_load_state("networkidle")
    assert standing("order") == [2]
    give(page, "extremes", 1, "C")
    give(page, "extremes", 2, "C")
    expect(place(page, "extremes", 1).locator(":checked")).to_have_count(0)  # it had no other to get
    assert standing("extremes") == []
    page.reload()
    assert chosen(page, "order") == ["A", "C", "B"]


def test_the_keyboard_alone_answers_everything_and_goes_on(page: Page, study: Study) -> None:
    open_task(page, study)
    for control in page.locator(".slider [type=range]").all():
        control.press("ArrowLeft")
    for scale in page.locator("[data-scale$='-fit']").all():
        scale.locator("input[type=radio]").first.press("4")
    page.locator("[data-scale$='-order'] input[type=radio]").first.press("3")
    page.keyboard.press("1")  # the focus is in the second place now
    expect(question(page, "order").locator("[data-save-state]")).to_have_text(SAVED)
    assert chosen(page, "order") == ["C", "A", "B"]
    page.locator("[data-scale$='-extremes'] input[type=radio]").first.press("2")
    page.keyboard.press("3")
    expect(page.locator("[data-missing-title]")).to_have_text("Everything is answered.")
    with page.expect_navigation():
        page.get_by_role("button", name="Continue").press("Enter")
    assert (standing("order"), standing("extremes"), standing("quality")) == ([5], [4], [49, 49, 49])


@pytest.mark.browser_context_args(java_script_enabled=False)
def test_without_a_script_a_number_and_a_table_of_places_do(page: Page, study: Study) -> None:
    open_task(page, study)
    expect(page.locator("[type=range]")).to_have_count(0)
    for box in page.locator(".slider [type=number]").all():
        box.fill("81")
    for scale in page.locator("[data-scale$='-fit']").all():
        scale.locator("label.option").nth(3).click()
    for number, letter in ((1, "C"), (2, "B"), (3, "C")):
        give(page, "order", number, letter)
    give(page, "extremes", 1, "A")
    give(page, "extremes", 2, "B")
    page.get_by_role("button", name="Continue").click()
    expect(page.locator("[data-missing] li:visible")).to_have_text(["All responses: Order"])
    assert chosen(page, "order") == ["C", "B", "C"]
    give(page, "order", 3, "A")
    page.get_by_role("button", name="Continue").click()
    assert (standing("order"), standing("extremes"), standing("quality")) == ([6], [1], [81, 81, 81])


def test_another_tab_that_ranked_otherwise_is_told_in_letters(
    page: Page, context: BrowserContext, study: Study
) -> None:
    open_task(page, study)
    other = context.new_page()
    other.goto(page.url)
    for tab, letters in ((other, "AB"), (page, "CB")):
        for number, letter in enumerate(letters, start=1):
            give(tab, "order", number, letter)
        if tab is other:
            expect(question(tab, "order").locator("[data-save-state]")).to_have_text(SAVED)
    conflict = question(page, "order").locator(".conflict")
    expect(conflict).to_contain_text("answered “A > B > C”, which is saved. Here you chose “C > B > A”.")
    conflict.get_by_role("button", name="Use my answer here").click()
    expect(question(page, "order").locator("[data-save-state]")).to_have_text(SAVED)
    assert standing("order") == [6]


@pytest.mark.parametrize("size", [DESK, {"width": 320, "height": 256}])
def test_nothing_is_wider_than_the_window(page: Page, study: Study, size: dict[str, int]) -> None:
    open_task(page, study, size)
    assert sideways_scroll(page) == 0


@pytest.mark.parametrize("size", EVERY_SIZE)
def test_the_page_is_accessible_light_and_asks_nobody_else(browser: Browser, server: Server, size: str) -> None:
    found = faults_of(browser, server.base_url, asking_spots(), "", size)
    assert not found, json.dumps(found, indent=2)


def test_a_question_comes_and_goes_with_the_answer_that_leads_to_it(page: Page, study: Study) -> None:
    open_task(page, study)
    fit, lacking = question(page, "fit"), question(page, "lacking")
    expect(lacking).to_be_hidden()
    fit.locator("label.option").nth(1).click()
    expect(lacking).to_be_visible()
    expect(page.locator("[data-missing] li:visible", has_text="What is missing")).to_have_count(1)
    lacking.locator("label.option").nth(2).click()
    expect(lacking.locator("[data-save-state]")).to_have_text(SAVED)
    with page.expect_response(lambda reply: "-fit" in reply.url or reply.url.endswith("/fit/")):
        fit.locator("label.option").nth(4).click()
    expect(lacking).to_be_hidden()
    assert standing("lacking") == []
    fit.locator("label.option").nth(0).click()
    expect(lacking.locator(":checked")).to_have_count(0)
    lacking.locator("label.option").nth(0).click()
    expect(lacking.locator("[data-save-state]")).to_have_text(SAVED)
    assert standing("lacking") == [1]
