"""Words that no line can hold, three responses and scripts of both directions, on a phone."""

import pytest
from playwright.sync_api import Locator, Page, expect

from annotation.models import Output, Study
from annotation.services.participants import participant_create
from tests.browser.walk import sideways_scroll
from tests.factories import make_study
from tests.tools.processes import Server

pytestmark = pytest.mark.browser
PHONE = {"width": 390, "height": 844}
LONG = "Donaudampfschifffahrtsgesellschaftskapitän" * 6
ARABIC = "المستخدم ممرضة وتفضل الإجابات القصيرة 🙂"


@pytest.fixture
def study(server: Server) -> Study:
    study = make_study(arms=3, given_items=1, written_items=1, given_per_participant=1, written_per_participant=1)
    study.title = f"On {LONG}"
    study.consent = study.instructions = f"About {LONG}, see https://example.org/{LONG} or `{LONG}`"
    study.content_warning = f"Has {LONG}"
    study.contact = f"{LONG}@example.org"
    study.save()
    study.items.update(prompt=f"What is {LONG}?", warning=f"Has {LONG}")
    study.aspects.update(name=LONG[:60], question=f"Fits {LONG}?", question_for_others=f"Fits {LONG}?")
    study.aspects.update(labels=[f"{LONG[:40]} {n}" for n in range(1, 6)])
    Output.objects.update(text=f"{LONG}\n\n{ARABIC}\n{LONG}")
    return study


def fits(page: Page) -> bool:
    return sideways_scroll(page) == 0


def direction(text: Locator) -> str:
    return str(text.evaluate("element => getComputedStyle(element).direction"))


def test_no_word_is_too_long_for_a_phone(page: Page, study: Study) -> None:
    participant = participant_create(study=study)
    page.set_viewport_size({"width": PHONE["width"], "height": PHONE["height"]})
    page.goto(f"/p/{participant.token}/")
    wide = []
    for button in ("agree to take part", "Start", "Show it", "Use this persona"):
        step = page.locator("main").get_attribute("data-step")
        if step == "write":
            page.get_by_label("Your persona").fill(f"{ARABIC} {LONG}")
            expect(page.locator("[data-save-state]")).to_contain_text("Draft saved at")
            assert direction(page.get_by_label("Your persona")) == "rtl"
        if not fits(page):
            wide.append(step)
        with page.expect_navigation():
            page.get_by_role("button", name=button).click()
    Output.objects.update(state="ready", ready_at=study.opened_at, text=f"{ARABIC} {LONG}")
    page.goto(f"/p/{participant.token}/")
    expect(page.locator("main")).to_have_attribute("data-step", "rate")
    expect(page.locator(".response")).to_have_count(3)
    assert {direction(text) for text in page.locator(".response-text").all()} == {"rtl"}
    assert direction(page.locator(".persona .turn-text")) == "rtl"
    assert direction(page.locator(".asked .turn-text")) == "ltr"
    page.get_by_role("button", name="Continue").click()  # names everything that is missing
    if not fits(page):
        wide.append("rate")
    clipped = page.evaluate(
        "() => [...document.querySelectorAll('main *, header *, footer *')]"
        ".filter(e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.className || e.tagName)"
    )
    assert (wide, clipped) == ([], [])
