"""The pages of controls and persona assessments in a real browser: what holds for every page, and a saved reason."""

import json

import pytest
from playwright.sync_api import Browser

from annotation.models import Followup
from tests.browser.visits import EVERY_SIZE, faults_of, visit
from tests.tools.gallery_assessment import assessment_spots
from tests.tools.gallery_controls import control_spots
from tests.tools.processes import Server

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("size", EVERY_SIZE)
def test_the_pages_of_controls_and_assessments_are_accessible_and_light(
    browser: Browser, server: Server, size: str
) -> None:
    found = faults_of(browser, server.base_url, [*control_spots(), *assessment_spots()], "", size)
    assert not found, json.dumps(found, indent=2)


def test_a_reason_is_saved_as_it_is_ticked(browser: Browser, server: Server) -> None:
    spot = next(spot for spot in control_spots() if spot.name == "rate-reasons")
    with visit(browser, server.base_url, spot, "") as seen:
        assert spot.act
        spot.act(seen.page)
    assert Followup.objects.get().chips == ["Well written"]
