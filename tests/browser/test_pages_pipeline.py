"""The analysts' pages of the pipeline in a real browser: what holds for every page, and a renewing list."""

import json

import pytest
from playwright.sync_api import Browser, expect

from modelhub.models import Run
from modelhub.runs.lifecycle import run_heartbeat
from tests.browser.visits import EVERY_SIZE, faults_of, visit
from tests.tools.gallery import session_of
from tests.tools.gallery_pipeline import pipeline_spots
from tests.tools.processes import Server
from tests.tools.spots import Spot

pytestmark = pytest.mark.browser


@pytest.fixture
def spots(server: Server) -> list[Spot]:
    return pipeline_spots()


@pytest.mark.parametrize("size", EVERY_SIZE)
def test_the_pages_of_the_pipeline_are_accessible_and_light(
    browser: Browser, server: Server, spots: list[Spot], size: str
) -> None:
    found = faults_of(browser, server.base_url, spots, session_of(), size)
    assert not found, json.dumps(found, indent=2)


def test_the_list_of_runs_renews_itself_while_one_of_them_runs(
    browser: Browser, server: Server, spots: list[Spot]
) -> None:
    spot = next(spot for spot in spots if spot.name == "runs")
    with visit(browser, server.base_url, spot, session_of()) as seen:
        expect(seen.page.locator("#live")).to_contain_text("258 of 600")
        run_heartbeat(run=Run.objects.get(total=600, done=256), done=64)
        expect(seen.page.locator("#live")).to_contain_text("322 of 600", timeout=20_000)
