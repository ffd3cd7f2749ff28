"""The rating page of a study that asks in every way there is, and of one that asks in two steps."""

from typing import Any

from playwright.sync_api import Page

from annotation.services import participants as services
from tests.annotation.asking import make_asking_study
from tests.annotation.stepping import make_two_step_study
from tests.annotation.walking import Walker
from tests.tools.spots import Spot, path_of

_REMARK = {"chips": ["Too long"], "text": "Why did you rate it so?", "required": True}


def asking_spots() -> list[Spot]:
    """Return the page untouched, with everything missing, and half answered."""
    study = make_asking_study(practice=[], followup=_REMARK)

    def spot(name: str, act: Any = None) -> Spot:
        participant = services.participant_create(study=study)
        services.participant_consent(participant=participant)
        services.participant_instructed(participant=participant)
        return Spot(name, path_of(participant), act=act)

    spots = [spot("ask"), spot("ask-missing", act=_continue_at_once), spot("ask-half", act=_answer_some)]
    return [*spots, *_step_spots()]


def _step_spots() -> list[Spot]:
    """Return both steps of a page whose persona is shown in the second."""
    study, found = make_two_step_study(slug="two-steps"), []
    for name, act in (("steps-first", None), ("steps-missing", _continue_at_once), ("steps-second", None)):
        walker = Walker(study).begin()
        if name == "steps-second":
            walker.post(f"parts/{walker.assignment.key}/show-persona/", **walker.answers())
        found.append(Spot(name, path_of(walker.participant), act=act))
    return found


def _continue_at_once(page: Page) -> None:
    page.locator("[data-continue]").click()
    page.locator(".is-missing").first.wait_for()


def _answer_some(page: Page) -> None:
    page.locator(".slider [type=range]").first.press("ArrowRight")
    page.locator("[data-scale$='-fit']").first.locator("label.option").first.click()
    page.locator("[data-scale$='-lacking']").first.wait_for()
    places = page.locator("[data-scale$='-order'] [data-place]")
    for place, letter in enumerate("BA"):
        places.nth(place).locator("label.option", has_text=letter).click()
    page.locator("[data-scale$='-order'] [data-save-state]").get_by_text("Saved at").wait_for()
