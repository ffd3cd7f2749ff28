"""A persona assessment in a real browser, on a phone and at a desk."""

from pathlib import Path

import pytest
from django.urls import reverse
from playwright.sync_api import Page

from annotation.models import Rating
from annotation.services.participants import participant_create
from tests.annotation.test_persona_assessment import PRACTICE, RESPONSES, open_study
from tests.browser.walk import Keyboard, Pointer, sideways_scroll, walk
from tests.tools.processes import Server

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize("width", [1280, 390])
def test_an_assessment_with_a_pick_fits_the_window_and_is_finished(
    page: Page, server: Server, tmp_path: Path, width: int
) -> None:
    practice = [{**PRACTICE, "responses": RESPONSES}]
    study = open_study(tmp_path, preset="persona_assessment_with_pick", show_responses=True, practice=practice)
    link = reverse("annotation:participant", args=[participant_create(study=study).token])
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(server.base_url + link)

    def fits(step: str) -> None:
        assert sideways_scroll(page) == 0, step

    steps = walk(Pointer(page), on_page=fits)
    assert steps == ["consent", "instructions", "practice", "rate", "rate"]
    assert Rating.objects.count() == 2 * 5


def test_an_assessment_can_be_taken_by_keyboard_alone(page: Page, server: Server, tmp_path: Path) -> None:
    study = open_study(tmp_path, preset="persona_assessment_with_pick", show_responses=True)
    page.goto(server.base_url + reverse("annotation:participant", args=[participant_create(study=study).token]))
    assert walk(Keyboard(page)) == ["consent", "instructions", "rate", "rate"]
    assert Rating.objects.count() == 2 * 5


def test_an_assessment_is_answered_with_yes_and_no_on_a_phone(page: Page, server: Server, tmp_path: Path) -> None:
    scales = dict.fromkeys(("plausibility", "applicability", "harm", "overfitting"), "yes_no")
    study = open_study(tmp_path, preset={"name": "persona_assessment", "scales": scales}, practice=[PRACTICE])
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(server.base_url + reverse("annotation:participant", args=[participant_create(study=study).token]))
    assert walk(Pointer(page)) == ["consent", "instructions", "practice", "rate", "rate"]
    assert sorted(Rating.objects.values_list("value", flat=True)) == [1] * 4 + [2] * 4
