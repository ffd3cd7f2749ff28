"""Chips and texts added to an answer are saved as safely as the answers: a dead server, a reload, a second tab."""

from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, Route, expect

from annotation.models import Followup, Slot
from tests.annotation.controls import Worker, open_work
from tests.browser.test_resilience import RETRIED_MS, SAVED
from tests.browser.walk import Pointer, step_of
from tests.tools.processes import Server

pytestmark = pytest.mark.browser
TEXT = "It ignores “the nurse”\nand is far too long 🙂"


@pytest.fixture
def rating_page(page: Page, server: Server, tmp_path: Path) -> Page:
    """A rating page that asks for more than its scales, with nothing answered."""
    page.goto(Worker(open_work(tmp_path)).begin().base)
    assert step_of(page) == "rate"
    return page


def added(page: Page) -> Locator:
    return page.locator(".followup").first


def state(page: Page) -> Locator:
    return added(page).locator("[data-save-state]")


def field(page: Page) -> Locator:
    return added(page).locator("textarea")


def chip(page: Page, name: str = "Well written") -> Locator:
    return added(page).get_by_label(name)


def answer_all(page: Page) -> None:
    for scale in page.locator("[data-scale]").all():
        scale.locator("label.option").nth(2).click()


def test_what_is_added_while_the_server_is_down_is_said_to_be_unsaved_and_saved_later(
    rating_page: Page, server: Server
) -> None:
    server.kill9()
    chip(rating_page).check()
    field(rating_page).press_sequentially(TEXT)
    expect(state(rating_page)).to_contain_text("Not saved yet. Your remark is kept here")
    expect(state(rating_page)).to_have_attribute("role", "status")
    assert not Followup.objects.exists()

    server.restart()
    expect(state(rating_page)).to_have_text(SAVED, timeout=RETRIED_MS)
    (followup,) = Followup.objects.all()
    assert (followup.chips, followup.text) == (["Well written"], TEXT)


def test_an_answer_of_500_is_tried_again_until_it_is_saved(rating_page: Page) -> None:
    statuses = [500, 502]

    def fail_at_first(route: Route) -> None:
        if statuses:
            route.fulfill(status=statuses.pop(), body="broken")
        else:
            route.continue_()

    rating_page.route("**/reasons/**", fail_at_first)
    chip(rating_page).check()
    expect(state(rating_page)).to_contain_text("Not saved yet")
    expect(state(rating_page)).to_have_text(SAVED, timeout=RETRIED_MS)
    assert Followup.objects.get().chips == ["Well written"]


def test_an_addition_whose_reply_was_lost_is_sent_again_and_what_follows_it_is_saved(rating_page: Page) -> None:
    lost: list[str] = []

    def lose_the_first_reply(route: Route) -> None:
        if lost:
            return route.continue_()
        lost.append(route.request.url)
        route.fetch()
        route.abort()
        return None

    rating_page.route("**/reasons/**", lose_the_first_reply)
    chip(rating_page).check()
    expect(state(rating_page)).to_contain_text("Not saved yet")
    chip(rating_page, "Wrong facts").check()
    expect(state(rating_page)).to_have_text(SAVED, timeout=RETRIED_MS)
    assert rating_page.get_by_role("alert").count() == 0
    assert Followup.objects.get().chips == ["Wrong facts", "Well written"]


def test_a_text_typed_offline_survives_a_closed_tab(rating_page: Page, context: BrowserContext, server: Server) -> None:
    server.kill9()
    field(rating_page).press_sequentially(TEXT)
    address = rating_page.url
    rating_page.close(run_before_unload=False)  # before anything was sent

    server.restart()
    later = context.new_page()
    later.goto(address)
    expect(field(later)).to_have_value(TEXT)
    expect(state(later)).to_have_text(SAVED, timeout=RETRIED_MS)
    assert Followup.objects.get().text == TEXT
    assert later.evaluate("Object.keys(localStorage)") == []


def test_continue_says_what_it_waits_for_and_goes_on_by_itself(rating_page: Page, server: Server) -> None:
    answer_all(rating_page)
    for scale in rating_page.locator("[data-scale]").all():
        expect(scale.locator("[data-save-state]")).to_have_text(SAVED)
    server.kill9()
    field(rating_page).press_sequentially(TEXT)
    Pointer(rating_page).button("Continue").click()
    expect(rating_page.locator("[data-missing-title]")).to_contain_text("Not saved yet")

    server.restart()
    with rating_page.expect_navigation(timeout=RETRIED_MS):
        pass
    assert Followup.objects.get().text == TEXT


@pytest.mark.parametrize(("choice", "kept"), [("Keep mine", "second"), ("Use what is saved", "first")])
def test_two_tabs_that_add_different_things_are_told_and_choose(
    rating_page: Page, context: BrowserContext, choice: str, kept: str
) -> None:
    second = context.new_page()
    second.goto(rating_page.url)
    field(rating_page).press_sequentially("first")
    expect(state(rating_page)).to_have_text(SAVED)

    field(second).press_sequentially("second")
    conflict = added(second).get_by_role("alert")
    expect(conflict).to_contain_text("What is saved:first")
    expect(field(second)).to_have_value("second")
    answer_all(second)
    Pointer(second).button("Continue").click()
    expect(conflict.get_by_role("button", name="Keep mine")).to_be_focused()
    assert Followup.objects.get().text == "first"

    conflict.get_by_role("button", name=choice).click()
    expect(conflict).to_have_count(0)
    expect(state(second)).to_have_text(SAVED)
    expect(field(second)).to_have_value(kept)
    assert Followup.objects.get().text == kept


def test_what_a_reload_leaves_behind_does_not_overwrite_what_another_device_has_saved(rating_page: Page) -> None:
    rating_page.route("**/reasons/**", lambda route: route.abort())
    field(rating_page).press_sequentially("typed on the phone")
    expect(state(rating_page)).to_contain_text("Not saved yet")
    Followup.objects.create(slot=Slot.objects.get(kind="output", position=1), chips=[], text="typed on the laptop")
    rating_page.unroute("**/reasons/**")
    rating_page.on("dialog", lambda dialog: dialog.accept())
    rating_page.reload()
    expect(added(rating_page).get_by_role("alert")).to_contain_text("typed on the laptop")
    expect(field(rating_page)).to_have_value("typed on the phone")
    assert Followup.objects.get().text == "typed on the laptop"


def test_an_expired_page_says_to_reload_and_keeps_what_was_added(rating_page: Page, context: BrowserContext) -> None:
    context.clear_cookies()
    field(rating_page).press_sequentially(TEXT)
    expect(state(rating_page)).to_contain_text("Reload this page: your remark is kept")
    rating_page.on("dialog", lambda dialog: dialog.accept())
    rating_page.reload()
    expect(field(rating_page)).to_have_value(TEXT)
    expect(state(rating_page)).to_have_text(SAVED)
    assert Followup.objects.get().text == TEXT
