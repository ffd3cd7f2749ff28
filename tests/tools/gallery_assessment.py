"""The pages of persona assessments: scales alone, yes or no, and a pick beside both responses."""

import tempfile
from pathlib import Path
from typing import Any

from django.urls import reverse
from playwright.sync_api import Page

from annotation.services import participants as services
from tests.annotation.test_persona_assessment import open_study
from tests.tools.spots import Spot

ITEM = {
    "id": "evenings",
    "prompt": "I have two free evenings next week. How should I spend them?",
    "persona": "The user is a gardener who gets up early and prefers quiet, practical suggestions over exciting ones.",
}
YES_NO = {
    "name": "persona_assessment",
    "scales": dict.fromkeys(("plausibility", "applicability", "harm", "overfitting"), "yes_no"),
}


def assessment_spots() -> list[Spot]:
    """Return the pages of three studies made for them."""
    responses = {"preset": "persona_assessment_with_pick", "show_responses": True}
    return [
        _spot("assess"),
        _spot("assess-missing", act=_continue_at_once),
        _spot("assess-yes-no", preset=YES_NO),
        _spot("assess-pick", act=_pick_the_left, **responses),
    ]


def _spot(name: str, act: Any = None, **changes: Any) -> Spot:
    design = {"given_personas_per_participant": 1, "raters_per_item": 3, "seed": 5}
    with tempfile.TemporaryDirectory() as folder:
        study = open_study(
            Path(folder), slug=f"gallery-{name}", title="Are these descriptions right?", design=design, items=[ITEM],
            **changes,
        )  # fmt: skip
    participant = services.participant_create(study=study)
    services.participant_consent(participant=participant)
    services.participant_instructed(participant=participant)
    return Spot(name, reverse("annotation:participant", args=[participant.token]), act=act)


def _continue_at_once(page: Page) -> None:
    page.locator("[data-continue]").click()
    page.locator("fieldset.is-missing").first.wait_for()


def _pick_the_left(page: Page) -> None:
    scale = page.locator("[data-scale]").last
    scale.locator("label.option").first.click()
    scale.locator("[data-save-state]").get_by_text("Saved at").wait_for()
