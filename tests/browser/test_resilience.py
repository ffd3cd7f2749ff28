"""What a participant has done is never lost silently: a dead server, a second tab, a reload."""

import io
import re
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Route, expect

from annotation.models import Output, Participant, Persona, Rating, Study
from annotation.services.entrance import Terms
from annotation.services.openlinks import open_link_create
from annotation.services.participants import participant_create
from tests.browser.walk import Pointer, walk
from tests.factories import make_study
from tests.tools.processes import Server

pytestmark = pytest.mark.browser
SAVED = re.compile(r"Saved at \d\d:\d\d")
# The page tries again after 1, 2, 4, … 15 seconds.
RETRIED_MS = 40_000


@pytest.fixture
def study(server: Server) -> Study:
    return make_study(given_items=2, given_per_participant=2, practice=1)


@pytest.fixture
def rating_page(page: Page, study: Study) -> Page:
    """A rating page with nothing answered."""
    participant = participant_create(study=study)
    page.goto(f"/p/{participant.token}/")
    walk(Pointer(page), until="rate")
    return page


@pytest.fixture
def writer() -> Participant:
    """Somebody who will write a persona."""
    study = make_study(slug="writing", given_items=0, written_items=2, written_per_participant=1, practice=1)
    return participant_create(study=study)


def scale(page: Page, number: int = 0) -> Locator:
    return page.locator("[data-scale]").nth(number)


def answer(scale: Locator, value: int) -> None:
    scale.locator("label.option").nth(value - 1).click()


def state(scale: Locator) -> Locator:
    return scale.locator("[data-save-state]")


def test_an_answer_given_while_the_server_is_down_is_kept_said_to_be_unsaved_and_saved_once(
    rating_page: Page, server: Server
) -> None:
    server.kill9()
    answer(scale(rating_page), 4)
    expect(state(scale(rating_page))).to_contain_text("Not saved yet")
    assert scale(rating_page).locator("input:checked").get_attribute("value") == "4"
    assert not Rating.objects.exists()

    server.restart()
    expect(state(scale(rating_page))).to_have_text(SAVED, timeout=RETRIED_MS)
    (rating,) = Rating.objects.all()
    assert (rating.value, rating.version) == (4, 1)


def test_an_answer_whose_reply_was_lost_is_sent_again_and_saved_once(rating_page: Page) -> None:
    keys: list[str] = []

    def lose_the_first_reply(route: Route) -> None:
        keys.extend(re.findall(r"client_key=([0-9a-f-]+)", route.request.post_data or ""))
        reply = route.fetch()
        if len(keys) == 1:
            route.abort()
        else:
            route.fulfill(response=reply)

    rating_page.route("**/answers/**", lose_the_first_reply)
    answer(scale(rating_page), 2)
    expect(state(scale(rating_page))).to_have_text(SAVED, timeout=RETRIED_MS)
    assert len(set(keys)) == 1
    assert len(keys) >= 2
    assert Rating.objects.count() == 1


def test_an_answer_given_offline_survives_a_closed_tab(
    rating_page: Page, context: BrowserContext, server: Server
) -> None:
    server.kill9()
    answer(scale(rating_page), 5)
    expect(state(scale(rating_page))).to_contain_text("Not saved yet")
    address = rating_page.url
    rating_page.close(run_before_unload=False)

    server.restart()
    later = context.new_page()
    later.goto(address)
    expect(state(scale(later))).to_have_text(SAVED, timeout=RETRIED_MS)
    assert [rating.value for rating in Rating.objects.all()] == [5]


def test_continue_waits_for_answers_on_their_way(rating_page: Page) -> None:
    for number in range(rating_page.locator("[data-scale]").count()):
        answer(scale(rating_page, number), 3)
    with rating_page.expect_navigation():
        rating_page.get_by_role("button", name="Continue").click()
    assert Rating.objects.filter(superseded_by__isnull=True).count() == 4
    assert not Rating.objects.exclude(version=1).exists()


@pytest.mark.parametrize(("choice", "kept"), [("Keep what is saved", 1), ("Use my answer here", 5)])
def test_two_tabs_that_disagree_are_told_and_choose(
    rating_page: Page, context: BrowserContext, choice: str, kept: int
) -> None:
    second = context.new_page()
    second.goto(rating_page.url)
    answer(scale(rating_page), 1)
    expect(state(scale(rating_page))).to_have_text(SAVED)

    answer(scale(second), 5)
    conflict = scale(second).get_by_role("alert")
    expect(conflict).to_contain_text("Another tab or device answered")
    assert Rating.objects.get().value == 1

    conflict.get_by_role("button", name=choice).click()
    expect(conflict).to_have_count(0)
    expect(scale(second).locator(f"[type=radio][value='{kept}']")).to_be_checked()
    if kept == 5:
        expect(state(scale(second))).to_have_text(SAVED)
    assert Rating.objects.get(superseded_by__isnull=True).value == kept
    assert Rating.objects.count() == (2 if kept == 5 else 1)  # the superseded answer is history, not gone


def test_changing_ones_mind_keeps_the_history(rating_page: Page) -> None:
    for value in (2, 4):
        answer(scale(rating_page), value)
        expect(state(scale(rating_page))).to_have_text(SAVED)
        with rating_page.expect_navigation():
            rating_page.reload()
        expect(scale(rating_page).locator(f"[type=radio][value='{value}']")).to_be_checked()
    assert sorted(Rating.objects.values_list("version", "value")) == [(1, 2), (2, 4)]


def test_a_persona_draft_survives_a_reload(page: Page, server: Server, writer: Participant) -> None:
    page.goto(f"/p/{writer.token}/")
    walk(Pointer(page), until="write")
    page.get_by_label("Your persona").press_sequentially("The user is a sailor\nand prefers “plain” words 🙂")
    expect(page.locator("[data-save-state]")).to_contain_text("Draft saved at")
    page.reload()
    text = "The user is a sailor\nand prefers “plain” words 🙂"
    expect(page.get_by_label("Your persona")).to_have_value(text)
    assert Persona.objects.get(author=writer).text == text


def test_a_persona_draft_survives_a_dead_server_and_a_closed_tab(
    page: Page, context: BrowserContext, server: Server, writer: Participant
) -> None:
    page.goto(f"/p/{writer.token}/")
    walk(Pointer(page), until="write")
    server.kill9()
    page.get_by_label("Your persona").press_sequentially("The user is a night owl")
    expect(page.locator("[data-save-state]")).to_contain_text("Not saved yet")
    page.close(run_before_unload=False)

    server.restart()
    later = context.new_page()
    later.goto(f"/p/{writer.token}/")
    expect(later.get_by_label("Your persona")).to_have_value("The user is a night owl")
    expect(later.locator("[data-save-state]")).to_contain_text("Draft saved at", timeout=RETRIED_MS)
    assert Persona.objects.get(author=writer).text == "The user is a night owl"


@pytest.mark.parametrize(
    ("choice", "kept"), [("Keep mine", "from the second tab"), ("Use the other text", "from the first tab")]
)
def test_two_tabs_with_different_drafts_are_told_and_choose(
    page: Page, context: BrowserContext, server: Server, writer: Participant, choice: str, kept: str
) -> None:
    page.goto(f"/p/{writer.token}/")
    walk(Pointer(page), until="write")
    second = context.new_page()
    second.goto(page.url)
    page.get_by_label("Your persona").press_sequentially("from the first tab")
    expect(page.locator("[data-save-state]")).to_contain_text("Draft saved at")
    second.get_by_label("Your persona").press_sequentially("from the second tab")
    expect(second.get_by_role("alert")).to_contain_text("from the first tab")
    assert Persona.objects.get(author=writer).text == "from the first tab"

    second.get_by_role("button", name=choice).click()
    expect(second.locator("[data-save-state]")).to_contain_text("Draft saved at")
    expect(second.get_by_label("Your persona")).to_have_value(kept)
    assert Persona.objects.get(author=writer).text == kept


def test_a_persona_sent_from_an_expired_page_is_kept(
    page: Page, context: BrowserContext, server: Server, writer: Participant
) -> None:
    page.goto(f"/p/{writer.token}/")
    walk(Pointer(page), until="write")
    text = "The user is a diver\nand prefers short answers 🙂"
    context.clear_cookies()
    page.get_by_label("Your persona").press_sequentially(text)
    expect(page.locator("[data-save-state]")).to_contain_text("Reload this page: your text is kept")
    page.get_by_role("button", name="Use this persona").click()
    expect(page.get_by_role("heading")).to_have_text("This page has expired")
    assert Persona.objects.get(author=writer).text == ""

    page.goto(f"/p/{writer.token}/")
    expect(page.get_by_label("Your persona")).to_have_value(text)
    expect(page.locator("[data-save-state]")).to_contain_text("Draft saved at")
    page.get_by_role("button", name="Use this persona").click()
    expect(page.locator("main[data-step=wait]")).to_be_attached()
    assert Persona.objects.get(author=writer).text == text
    assert page.evaluate("Object.keys(localStorage)") == []


def test_a_text_kept_offline_does_not_overwrite_what_another_device_saved_since(
    page: Page, browser: Browser, browser_context_args: dict[str, Any], server: Server, writer: Participant
) -> None:
    page.goto(f"/p/{writer.token}/")
    walk(Pointer(page), until="write")
    page.route("**/draft/", lambda route: route.abort())
    page.get_by_label("Your persona").press_sequentially("typed on the phone")
    expect(page.locator("[data-save-state]")).to_contain_text("Not saved yet")
    other = browser.new_context(**browser_context_args).new_page()
    other.goto(page.url)
    other.get_by_label("Your persona").press_sequentially("typed on the laptop")
    expect(other.locator("[data-save-state]")).to_contain_text("Draft saved at")

    page.unroute("**/draft/")
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("typed on the laptop")
    expect(page.get_by_label("Your persona")).to_have_value("typed on the phone")
    assert Persona.objects.get(author=writer).text == "typed on the laptop"


def test_a_second_click_sends_nothing_while_the_answer_is_on_its_way(page: Page, study: Study) -> None:
    link = open_link_create(study=study, terms=Terms(cap=5), user=None)
    page.goto(f"/join/{link.token}/")
    held: list[Route] = []
    page.route(re.compile("/join/"), lambda route: held.append(route))
    box = page.get_by_role("button", name="Start").bounding_box()
    assert box
    with page.expect_request(re.compile("/join/")):
        page.mouse.click(box["x"] + 5, box["y"] + 5)
    page.mouse.click(box["x"] + 5, box["y"] + 5)
    held[0].continue_()
    expect(page.locator("main")).to_have_attribute("data-step", "consent")
    assert len(held) == 1
    assert Participant.objects.count() == 1


def test_a_page_without_responses_leads_on_by_itself_when_they_are_made_again(
    page: Page, server: Server, writer: Participant
) -> None:
    page.goto(f"/p/{writer.token}/")
    walk(Pointer(page), until="wait")
    Output.objects.update(state="failed", error="The model is gone.")
    expect(page.locator("main[data-step=failed]")).to_be_attached(timeout=RETRIED_MS)
    expect(page.locator("main")).not_to_contain_text("The model is gone")
    call_command("retry_outputs", writer.study.slug, stdout=io.StringIO())
    expect(page.locator("main[data-step=wait]")).to_be_attached(timeout=RETRIED_MS)
    Output.objects.update(state="ready", text="A fitting answer.", ready_at=timezone.now())
    expect(page.locator("main[data-step=rate]")).to_be_attached(timeout=RETRIED_MS)
