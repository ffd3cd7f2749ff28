"""The pages of controls and persona assessments in a real browser: axe, labels, width; keyboard; and no script."""

import json

import pytest
from playwright.sync_api import Browser

from annotation.models import Followup
from tests.browser.visits import SIZES, barriers, visit
from tests.tools.gallery import Spot
from tests.tools.gallery_assessment import assessment_spots
from tests.tools.gallery_controls import control_spots
from tests.tools.processes import Server

pytestmark = pytest.mark.browser


@pytest.fixture
def spots(server: Server) -> list[Spot]:
    return [*control_spots(), *assessment_spots()]


@pytest.mark.parametrize("size", SIZES)
def test_axe_finds_no_violation_on_any_page_of_controls_and_assessments(
    browser: Browser, server: Server, spots: list[Spot], size: str
) -> None:
    found = {}
    for spot in spots:
        with visit(browser, server.base_url, spot, "", viewport=SIZES[size]) as seen:
            if spot.act:
                spot.act(seen.page)
            if problems := barriers(seen.page):
                found[spot.name] = problems
    assert not found, json.dumps(found, indent=2)


def test_a_reason_is_saved_as_it_is_ticked(browser: Browser, server: Server, spots: list[Spot]) -> None:
    spot = next(spot for spot in spots if spot.name == "rate-reasons")
    with visit(browser, server.base_url, spot, "") as seen:
        assert spot.act
        spot.act(seen.page)
    assert Followup.objects.get().chips == ["Well written"]
