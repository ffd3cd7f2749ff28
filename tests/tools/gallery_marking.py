"""The rating page of a study in which passages are marked."""

from typing import Any

from playwright.sync_api import Locator, Page

from annotation.services import participants as services
from tests.annotation.asking import make_marking_study
from tests.tools.spots import Spot, path_of

# Selects from where one text begins to where another, behind it, ends.
_SELECT = """(pane, [start, end]) => {
  const nodes = document.createTreeWalker(pane, NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  for (let begun = false; nodes.nextNode(); ) {
    const { currentNode: node } = nodes;
    const from = begun ? -1 : node.data.indexOf(start);
    if (from >= 0) range.setStart(node, from);
    begun ||= from >= 0;
    const at = begun ? node.data.indexOf(end, Math.max(from, 0)) : -1;
    if (at < 0) continue;
    range.setEnd(node, at + end.length);
    break;
  }
  getSelection().removeAllRanges();
  getSelection().addRange(range);
}"""


def select(response: Locator, start: str, end: str) -> None:
    """Select words of a response as a pointer does."""
    response.locator(".response-text").evaluate(_SELECT, [start, end])
    response.get_by_text("Selected: ").wait_for()


def marking_spots() -> list[Spot]:
    """Return the page untouched, and with passages that have their reasons or lack them."""
    study = make_marking_study(practice=[])

    def spot(name: str, act: Any = None) -> Spot:
        participant = services.participant_create(study=study)
        services.participant_consent(participant=participant)
        services.participant_instructed(participant=participant)
        return Spot(name, path_of(participant), act=act)

    return [spot("mark"), spot("mark-some", act=_mark_some)]


def _mark_some(page: Page) -> None:
    response = page.locator("[data-response]", has_text="Sleep")
    if page.locator("[data-switch]").is_visible():
        letter = response.get_attribute("data-response") or "A"
        page.locator("[data-switch] button").nth("AB".index(letter)).click()
    for number, words in enumerate(("bed ", "milk", "Sleep")):
        select(response, words, words)
        response.get_by_role("button", name="Mark the selected passage").click()
        if number < 2:
            row = response.locator("[data-passage]").nth(number)
            row.get_by_label("Kind of passage").select_option("Tone")
            row.get_by_label("Why did you mark it?").fill("Nobody with a baby goes to bed early.")
    response.get_by_text("Not saved yet").wait_for()
