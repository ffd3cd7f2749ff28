"""What a browser keeps, or refuses to keep, never stands between an answer and the server."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from annotation.models import Participant, Persona, Rating, Study
from annotation.services.participants import participant_create
from tests.browser.test_resilience import RETRIED_MS, SAVED, answer, scale, state
from tests.browser.walk import Pointer, walk
from tests.factories import make_study
from tests.tools.processes import Server

pytestmark = pytest.mark.browser
REFUSALS = {
    "switched off": "Object.defineProperty(window, 'localStorage', {get() {throw new DOMException('', 'no')}})",
    "missing": "Object.defineProperty(window, 'localStorage', {value: null})",
    "full": "Storage.prototype.setItem = () => {throw new DOMException('', 'QuotaExceededError')}",
    "somebody else's": "Storage.prototype.getItem = () => '{not ours'",
}
# Nothing else can be asked of a page that is about to go.
TELL_WHEN_SAVED = """
new MutationObserver(() => /aved at/.test(document.body.innerText) && console.log("It says saved"))
  .observe(document.body, {subtree: true, childList: true, characterData: true})
"""
TEXT = "The user is a sailor and prefers plain words."


@pytest.fixture
def rater(server: Server) -> Participant:
    return participant_create(study=make_study(given_items=2, given_per_participant=2, practice=1))


@pytest.fixture
def writing(server: Server) -> Study:
    return make_study(slug="writing", given_items=0, written_items=2, written_per_participant=1, practice=1)


@pytest.mark.parametrize("refusal", REFUSALS)
def test_answers_are_saved_in_a_browser_that_keeps_nothing(page: Page, rater: Participant, refusal: str) -> None:
    page.add_init_script(REFUSALS[refusal])
    page.goto(f"/p/{rater.token}/")
    walk(Pointer(page), until="rate")
    answer(scale(page), 4)
    expect(state(scale(page))).to_have_text(SAVED)
    assert Rating.objects.get().value == 4
    Pointer(page).rate()
    expect(page.locator("main")).to_have_attribute("data-step", "rate")


@pytest.mark.parametrize("refusal", REFUSALS)
def test_personas_are_saved_and_sent_in_a_browser_that_keeps_nothing(page: Page, writing: Study, refusal: str) -> None:
    page.add_init_script(REFUSALS[refusal])
    page.goto(f"/p/{participant_create(study=writing).token}/")
    walk(Pointer(page), until="write")
    page.get_by_label("Your persona").press_sequentially(TEXT)
    expect(page.locator("[data-save-state]")).to_contain_text("Draft saved at")
    page.get_by_role("button", name="Use this persona").click()
    expect(page.locator("main[data-step=wait]")).to_be_attached()
    assert Persona.objects.get().text == TEXT


@pytest.mark.parametrize("reply", ["", "{", "<html>"])
def test_a_reply_that_is_cut_short_is_asked_for_again(page: Page, rater: Participant, reply: str) -> None:
    page.goto(f"/p/{rater.token}/")
    walk(Pointer(page), until="rate")
    cut: list[Route] = []

    def cut_the_first(route: Route) -> None:
        cut.append(route)
        if len(cut) > 1:
            return route.continue_()
        return route.fulfill(response=route.fetch(), body=reply)

    page.route("**/answers/**", cut_the_first)
    answer(scale(page), 2)
    expect(state(scale(page))).to_have_text(SAVED, timeout=RETRIED_MS)
    assert Rating.objects.get().version == 1


def reload_while_a_save_arrives(page: Page, address: str, act: Callable[[], None]) -> None:
    """Reload: the page is made before what `act` sends is saved, and the old page still hears that it was."""
    held: list[Route] = []
    page.evaluate(TELL_WHEN_SAVED)
    page.route(address, lambda route: held.append(route), times=1)
    with page.expect_request(address):
        act()

    def page_made_before(route: Route) -> None:
        made = route.fetch()
        with page.expect_console_message(lambda message: message.text == "It says saved"):
            held[0].fulfill(response=held[0].fetch())
        route.fulfill(response=made)

    page.route(page.url, page_made_before)
    page.reload()
    page.unroute_all()


def test_an_answer_saved_while_its_page_is_reloaded_still_stands_there(page: Page, rater: Participant) -> None:
    page.goto(f"/p/{rater.token}/")
    walk(Pointer(page), until="rate")
    reload_while_a_save_arrives(page, "**/answers/**", lambda: answer(scale(page), 4))
    expect(state(scale(page))).to_have_text(SAVED)
    assert scale(page).locator("input:checked").get_attribute("value") == "4"
    assert Rating.objects.get().version == 1


def test_a_text_saved_while_its_page_is_reloaded_still_stands_there(page: Page, writing: Study) -> None:
    page.goto(f"/p/{participant_create(study=writing).token}/")
    walk(Pointer(page), until="write")
    box = page.get_by_label("Your persona")
    reload_while_a_save_arrives(page, "**/draft/", lambda: box.fill(TEXT))
    expect(box).to_have_value(TEXT)
    expect(page.locator("[data-save-state]")).to_contain_text("Draft saved at")
    assert Persona.objects.get().text == TEXT
