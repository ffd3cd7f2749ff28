"""The writing page with questions: fresh, with a sentence in the box, over a text of one's own, and with a proposal."""

from playwright.sync_api import Page, expect

from tests.annotation.eliciting import Writer, make_eliciting_study
from tests.tools.spots import Spot

NEEDS = "I want something to do after a long day. I have two small children."


def elicitation_spots() -> list[Spot]:
    """Return the pages of a study made for them."""
    study = make_eliciting_study(slug="gallery-elicitation", written=4, propose_after=2)
    fresh, put, asked, wrong, offered = (Writer(study).begin() for _ in range(5))
    for text in ("The user is a cook and prefers calm evenings.", "I am a nurse and prefer calm words."):
        offered.send("persona", offered.form(text))
        offered.rate()
        offered.get()
    return [
        Spot("elicitation", fresh.base),
        Spot("elicitation-put", put.base, act=put_together),
        Spot("elicitation-asked", asked.base, act=_put_together_over_a_text),
        Spot("elicitation-nothing", wrong.base, act=_put_nothing_together),
        Spot("elicitation-proposal", offered.base),
    ]


def put_together(page: Page) -> None:
    """Answer two questions and press the button."""
    page.get_by_label("What do you want to get out").fill(NEEDS)
    page.get_by_label("A short answer that can be used at once").check()
    page.get_by_role("button", name="Put together").click()
    expect(page.get_by_text("It stands in the box below")).to_be_visible()


def _put_together_over_a_text(page: Page) -> None:
    page.get_by_label("Your persona").fill("The user is tired.")
    page.get_by_label("What do you want to get out").fill(NEEDS)
    page.get_by_role("button", name="Put together").click()
    expect(page.get_by_text("holds a text of your own")).to_be_visible()


def _put_nothing_together(page: Page) -> None:
    page.get_by_role("button", name="Put together").click()
    expect(page.get_by_role("alert")).to_contain_text("Answer at least one")
