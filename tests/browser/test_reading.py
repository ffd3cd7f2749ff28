"""Reading what is rated: long beside short, one response at a time on a phone, Markdown, and conversations."""

import json

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from annotation.models import Output, Study
from annotation.services.participants import participant_create
from tests.browser.walk import sideways_scroll
from tests.factories import make_study

pytestmark = pytest.mark.browser
DESK, TABLET, PHONE = ({"width": w, "height": h} for w, h in ((1440, 900), (768, 1024), (390, 844)))
ZOOMED = {"width": 320, "height": 256}  # 1,280 by 1,024 at 400 %
LONG = "# A plan\n\n" + "\n\n".join(f"Paragraph {n} of a long answer, with **many** words in it." for n in range(150))
SHORT = "No."
HOSTILE = (
    "<script>window.hit = 1</script> <img src=x onerror='window.hit = 1'> ![x](https://evil.example/x.png) "
    "[go](https://evil.example) [js](javascript:window.hit=1) $\\href{javascript:window.hit=1}{x}$\n\n"
    "```\nconst wide = '" + "x" * 300 + "';\n```\n\n| a | b |\n|---|--:|\n| 1 | 2 |\n\n$$\\frac{a}{b}$$"
)
IN_VIEW = """([inner, above, below]) => {
    const box = inner.getBoundingClientRect();
    return box.top >= above.getBoundingClientRect().bottom && box.bottom <= below.getBoundingClientRect().top;
}"""


def study_of(*texts: str, prompt: str = "How do I start?", arms: int = 2, markdown: bool = True) -> Study:
    study = make_study(given_items=1, given_per_participant=1, arms=arms)
    study.formats = {"responses": "markdown"} if markdown else {}
    study.save()
    study.items.update(prompt=prompt)
    for number, text in enumerate(texts, start=1):
        Output.objects.filter(arm__study=study, arm__ordinal=number).update(text=text)
    return study


def open_task(page: Page, study: Study, size: dict[str, int] = DESK) -> None:
    """Open the first part to rate."""
    page.set_viewport_size({"width": size["width"], "height": size["height"]})
    page.goto(f"/p/{participant_create(study=study).token}/")
    for button in ("agree to take part", "Start"):
        with page.expect_navigation():
            page.get_by_role("button", name=button).click()
    expect(page.locator("main")).to_have_attribute("data-step", "rate")


def response(page: Page, text: str) -> Locator:
    return page.locator("[data-response]").filter(has=page.locator(".response-text", has_text=text))


def is_in_view(page: Page, element: Locator) -> bool:
    """Whether an element stands, whole, between what sticks to the top of the window and to its bottom."""
    handles = [element, page.locator("[data-context]"), page.locator("[data-bottom-bar]")]
    return bool(page.evaluate(IN_VIEW, [handle.element_handle() for handle in handles]))


@pytest.mark.usefixtures("server")
def test_a_long_response_scrolls_by_itself_with_all_scales_in_view(page: Page) -> None:
    open_task(page, study_of(LONG, SHORT))
    assert page.evaluate("document.documentElement.scrollHeight") < 2 * DESK["height"]
    assert all(is_in_view(page, scale) for scale in page.locator("[data-scale]").all())
    pane, more = response(page, "A plan").locator(".pane"), response(page, "A plan").locator(".more")
    expect(more).to_be_visible()
    expect(response(page, SHORT).locator(".more")).to_be_hidden()
    tops = {round(scale.bounding_box()["y"]) for scale in page.locator("[data-scale]").all()}  # type: ignore[index]
    assert len(tops) == 2  # those of one question stand beside each other
    pane.focus()
    page.keyboard.press("End")
    expect(more).to_be_hidden()
    page.keyboard.press("Tab")  # out of the pane again
    expect(response(page, "A plan").locator("[data-scale] input").first).to_be_focused()
    assert response(page, SHORT).locator(".pane").get_attribute("tabindex") is None


@pytest.mark.usefixtures("server")
def test_a_tablet_shows_both_beside_each_other(page: Page) -> None:
    open_task(page, study_of(LONG, SHORT), TABLET)
    boxes = [box.bounding_box() for box in page.locator("[data-response]").all()]
    assert boxes[0] and boxes[1] and boxes[0]["y"] == boxes[1]["y"]
    assert sideways_scroll(page) == 0
    expect(page.locator("[data-switch]")).to_be_hidden()


@pytest.mark.usefixtures("server")
def test_a_phone_shows_one_response_at_a_time_each_where_it_was_left(page: Page) -> None:
    open_task(page, study_of(LONG, LONG.replace("A plan", "Another")), PHONE)
    letters = page.locator("[data-switch] button")
    shown = page.locator("[data-response]:visible")
    expect(shown).to_have_count(1)
    page.evaluate("scrollTo(0, 3000)")
    place = page.evaluate("scrollY")
    assert page.locator(".persona").bounding_box()["y"] == 0  # type: ignore[index]
    letters.nth(1).dispatch_event("click")  # a real one scrolls first, as if the bar were not in view
    expect(page.get_by_role("heading", name="Response B")).to_be_in_viewport()
    letters.nth(0).dispatch_event("click")
    assert page.evaluate("scrollY") == place
    expect(shown).to_have_attribute("data-response", "A")
    for scale in shown.locator("[data-scale]").all():
        scale.locator("label.option").first.click()
    expect(letters.nth(0)).to_have_accessible_name("Response A: all answered")
    expect(letters.nth(1)).to_have_accessible_name("Response B: 2 still to answer")
    page.get_by_role("button", name="Continue").click()  # brings up what is missing
    expect(shown).to_have_attribute("data-response", "B")
    expect(shown.locator("[data-scale] input").first).to_be_focused()
    assert sideways_scroll(page) == 0


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("arms", [2, 5])
def test_nothing_is_cut_off_in_a_window_that_is_zoomed_to_a_few_lines(page: Page, arms: int) -> None:
    open_task(page, study_of(LONG, HOSTILE, arms=arms), ZOOMED)
    assert sideways_scroll(page) == 0
    for letter in page.locator("[data-switch] button").all():
        letter.click()
        scale = page.locator("[data-response]:visible [data-scale]").last
        scale.locator("label.option").last.click()
        expect(scale.locator("[data-save-state]")).to_contain_text("Saved at")
        assert sideways_scroll(page) == 0


@pytest.mark.usefixtures("server")
@pytest.mark.browser_context_args(java_script_enabled=False)
def test_without_javascript_a_phone_shows_all_responses_and_their_raw_texts(page: Page) -> None:
    open_task(page, study_of(LONG, "Take **care**."), PHONE)
    expect(page.locator("[data-response]:visible")).to_have_count(2)
    raw = response(page, "Take care.").locator("details.raw")
    raw.locator("summary").click()
    expect(raw.locator("pre")).to_have_text("Take **care**.")


@pytest.mark.usefixtures("server")
def test_what_is_hostile_in_a_response_does_nothing_and_formulas_are_drawn(page: Page) -> None:
    open_task(page, study_of(HOSTILE, HOSTILE))  # the browser asks nobody else: conftest.py watches
    assert page.evaluate("window.hit") is None
    texts = page.locator(".response-text")
    assert texts.nth(0).inner_html() == texts.nth(1).inner_html()
    expect(texts.nth(0).locator("a, img, script")).to_have_count(0)
    expect(texts.nth(0)).to_contain_text("<script>window.hit = 1</script>")
    assert texts.nth(0).locator("mfrac").bounding_box()["height"] > 20  # type: ignore[index]
    code = texts.nth(0).locator("pre")
    assert code.evaluate("element => element.scrollWidth > element.clientWidth")
    assert sideways_scroll(page) == 0


@pytest.mark.usefixtures("server")
def test_the_raw_text_of_a_response_can_be_copied(page: Page, context: BrowserContext) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    open_task(page, study_of("Take **care** of $x$.", SHORT))
    button = response(page, "Take care").get_by_role("button", name="Copy the raw text")
    button.click()
    expect(response(page, "Take care").get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == "Take **care** of $x$."


@pytest.mark.usefixtures("server")
def test_a_conversation_names_who_speaks_and_its_end_is_announced(page: Page) -> None:
    turns = "\n\n".join(f"Human: Question {n}?\n\nAssistant: Answer {n}." for n in range(12))
    open_task(page, study_of(SHORT, SHORT, prompt=f"{turns}\n\nHuman: And now?"))
    asked = page.locator(".asked")
    assert json.dumps(asked.locator(".turn-speaker").all_text_contents()).count("User") == 13
    expect(asked.locator(".more")).to_be_visible()
    asked.get_by_text("And now?").scroll_into_view_if_needed()
    expect(asked.locator(".more")).to_be_hidden()
    expect(page.locator(".persona .turn-text")).to_be_in_viewport()


@pytest.mark.usefixtures("server")
def test_right_to_left_and_left_to_right_stand_each_on_their_side(page: Page) -> None:
    open_task(page, study_of("## مرحبا\n\nاقرأ `code`.\n\nHello", SHORT))
    text = response(page, "Hello").locator(".response-text")
    directions = text.locator("h3, p").evaluate_all("all => all.map(one => getComputedStyle(one).direction)")
    assert directions == ["rtl", "rtl", "ltr"]
