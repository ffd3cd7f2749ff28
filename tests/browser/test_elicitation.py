"""Questions and proposals on the writing page in a real browser: put together, edited, accepted, and nothing lost."""

import json
import re

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from annotation.models import ElicitationAnswer, Persona, PersonaProposal
from tests.annotation.eliciting import Writer, make_eliciting_study
from tests.browser.visits import EVERY_SIZE, faults_of
from tests.browser.walk import leave, step_of
from tests.tools.gallery_elicitation import NEEDS, elicitation_spots, put_together
from tests.tools.processes import Server

pytestmark = pytest.mark.browser
SENTENCE = (
    "The user wants something to do after a long day and prefers a short answer that can be used at once. "
    "They have two small children."
)
PROPOSED = re.compile("The user is a nurse and prefers calm words, shorter answers")


@pytest.fixture
def writer(server: Server) -> Writer:
    """Somebody in front of the questions."""
    return Writer(make_eliciting_study(written=4, propose_after=2)).begin()


@pytest.fixture
def offered(writer: Writer) -> Writer:
    """Somebody to whom a persona is proposed."""
    for text in ("The user is a cook.", "I am a nurse and prefer calm words."):
        writer.send("persona", writer.form(text))
        writer.rate()
        writer.get()
    return writer


@pytest.mark.parametrize("size", EVERY_SIZE)
def test_the_pages_with_questions_are_accessible_and_light(browser: Browser, server: Server, size: str) -> None:
    found = faults_of(browser, server.base_url, elicitation_spots(), "", size)
    assert not found, json.dumps(found, indent=2)


def test_answers_are_put_together_without_a_page_load_then_edited_and_used(page: Page, writer: Writer) -> None:
    page.goto(writer.base)
    page.evaluate("window.isTheSamePage = true")
    put_together(page)
    box = page.get_by_label("Your persona")
    expect(box).to_have_value(SENTENCE)
    expect(box).to_be_focused()
    expect(page.locator("#draft [data-save-state]")).to_contain_text("Draft saved at")
    assert page.evaluate("window.isTheSamePage")
    page.keyboard.press("End")
    page.keyboard.type(" They are tired.")
    leave(page, page.get_by_role("button", name="Use this persona").click)
    persona = Persona.objects.get(submitted_at__isnull=False)
    assert (persona.text, persona.written_as) == (f"{SENTENCE} They are tired.", "elicited_edited")
    assert ElicitationAnswer.objects.get(key="needs").text == NEEDS
    assert page.evaluate("Object.keys(localStorage)") == []


@pytest.mark.parametrize(("choice", "stays"), [("Replace it", False), ("Keep what is there", True)])
def test_a_text_of_ones_own_is_replaced_only_when_one_chooses_so(
    page: Page, writer: Writer, choice: str, stays: bool
) -> None:
    page.goto(writer.base)
    box = page.get_by_label("Your persona")
    box.fill("I am a sailor.")
    page.get_by_label("What do you want to get out").fill(NEEDS)
    page.get_by_role("button", name="Put together").click()
    expect(page.get_by_text("holds a text of your own")).to_be_visible()
    expect(box).to_have_value("I am a sailor.")
    page.get_by_role("button", name=choice).click()
    expect(page.get_by_text("holds a text of your own")).to_have_count(0)
    expect(box).to_have_value("I am a sailor." if stays else re.compile("^The user wants something to do"))


def test_answers_survive_a_reload_and_a_dead_server(page: Page, writer: Writer, server: Server) -> None:
    page.goto(writer.base)
    page.get_by_label("An answer with reasons and examples").check()
    state = page.locator("[data-elicitation] [data-save-state]")
    expect(state).to_contain_text("Saved at")
    server.kill9()
    page.get_by_label("What should the answer leave out").fill("jargon")
    expect(state).to_contain_text("Not saved yet")
    server.restart()
    page.reload()
    expect(page.get_by_label("What should the answer leave out")).to_have_value("jargon")
    expect(page.get_by_label("An answer with reasons and examples")).to_be_checked()
    expect(state).to_contain_text("Saved at", timeout=40_000)
    assert dict(ElicitationAnswer.objects.exclude(text="").values_list("key", "text")) == {
        "detail": "an answer with reasons and examples", "boundaries": "jargon",
    }  # fmt: skip


@pytest.mark.parametrize(("choice", "kept"), [("Keep mine", "from here"), ("Use what is saved", "from elsewhere")])
def test_two_tabs_with_different_answers_are_told_and_choose(
    page: Page, context: BrowserContext, writer: Writer, choice: str, kept: str
) -> None:
    question = "What should the answer leave out"
    page.goto(writer.base)
    other = context.new_page()
    other.goto(writer.base)
    other.get_by_label(question).fill("from elsewhere")
    expect(other.locator("[data-elicitation] [data-save-state]")).to_contain_text("Saved at")
    page.get_by_label(question).fill("from here")
    conflict = page.get_by_role("alert")
    expect(conflict).to_contain_text("from elsewhere")
    conflict.get_by_role("button", name=choice).click()
    expect(page.locator("[data-elicitation] [data-save-state]")).to_contain_text("Saved at")
    expect(page.get_by_label(question)).to_have_value(kept)
    assert ElicitationAnswer.objects.get(key="boundaries").text == kept


def test_enter_on_a_choice_puts_together_and_never_accepts(page: Page, offered: Writer) -> None:
    page.goto(offered.base)
    page.get_by_label("An answer with reasons and examples").check()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Your persona")).to_have_value("The user prefers an answer with reasons and examples.")
    assert PersonaProposal.objects.get().decision == ""


def test_a_proposal_is_edited_in_the_box(page: Page, offered: Writer) -> None:
    page.goto(offered.base)
    page.get_by_role("button", name="Edit", exact=True).click()
    expect(page.get_by_label("Your persona")).to_have_value(PROPOSED)
    expect(page.get_by_text("From your answers so far")).to_have_count(0)
    expect(page.locator("#draft [data-save-state]")).to_contain_text("Draft saved at")
    assert PersonaProposal.objects.get().decision == "edited"
    assert offered.persona.written_as == "proposed"


def test_a_refused_proposal_goes_away(page: Page, offered: Writer) -> None:
    page.goto(offered.base)
    page.get_by_role("button", name="Refuse").click()
    expect(page.get_by_text("From your answers so far")).to_have_count(0)
    expect(page.get_by_label("Your persona")).to_have_value("")
    assert PersonaProposal.objects.get().decision == "refused"


def test_an_accepted_proposal_is_used_at_once(page: Page, offered: Writer) -> None:
    page.goto(offered.base)
    leave(page, page.get_by_role("button", name="Accept").click)
    assert step_of(page) == "wait"
    assert PersonaProposal.objects.get().decision == "accepted"


@pytest.mark.browser_context_args(java_script_enabled=False)
def test_without_javascript_everything_goes_by_forms(page: Page, writer: Writer) -> None:
    page.goto(writer.base)
    page.get_by_label("What do you want to get out").fill(NEEDS)
    leave(page, page.get_by_role("button", name="Put together").click)
    box = page.get_by_label("Your persona")
    expect(box).to_have_value(re.compile("^The user wants something to do"))
    box.fill("The user is tired.")
    page.get_by_label("What should the answer leave out").fill("noise")
    leave(page, page.get_by_role("button", name="Put together").click)
    expect(page.get_by_text("holds a text of your own")).to_be_visible()
    expect(box).to_have_value("The user is tired.")
    expect(page.get_by_label("What should the answer leave out")).to_have_value("noise")
    leave(page, page.get_by_role("button", name="Replace it").click)
    expect(box).to_have_value(re.compile("does not want noise"))
    leave(page, page.get_by_role("button", name="Use this persona").click)
    assert Persona.objects.get(submitted_at__isnull=False).written_as == "elicited"
