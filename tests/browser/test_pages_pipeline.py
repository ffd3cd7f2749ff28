"""The analysts' pages of the pipeline in a real browser: axe, labels, width, weight; and a list that renews itself."""

import json

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from modelhub.models import Run
from modelhub.runs import run_heartbeat
from tests.browser.test_every_page import MAX_BYTES, MAX_REQUESTS, SIZES, UNLABELLED, visit
from tests.browser.walk import sideways_scroll
from tests.tools.gallery import Spot, session_of
from tests.tools.gallery_pipeline import pipeline_spots
from tests.tools.processes import Server

pytestmark = pytest.mark.browser


@pytest.fixture
def spots(server: Server) -> list[Spot]:
    return pipeline_spots()


@pytest.mark.parametrize("size", SIZES)
def test_the_pages_of_the_pipeline_are_accessible_and_light(
    browser: Browser, server: Server, spots: list[Spot], size: str
) -> None:
    session, found = session_of(), {}
    for spot in spots:
        with visit(browser, server.base_url, spot, session, viewport=SIZES[size]) as seen:
            assert seen.document().status == 200, spot.name
            transferred, requests = seen.transferred(), len(seen.finished)
            if spot.act:
                spot.act(seen.page)
            violations = Axe().run(seen.page).response["violations"]
            problems = [f"{violation['id']}: {node['html']}" for violation in violations for node in violation["nodes"]]
            problems += [f"no label: {control}" for control in seen.page.evaluate(UNLABELLED)]
            if wider := sideways_scroll(seen.page):
                problems.append(f"{wider} px wider than the window")
            if transferred > MAX_BYTES or requests > MAX_REQUESTS:
                problems.append(f"{transferred} bytes in {requests} requests")
            if problems:
                found[spot.name] = problems
    assert not found, json.dumps(found, indent=2)


def test_the_list_of_runs_renews_itself_while_one_of_them_runs(
    browser: Browser, server: Server, spots: list[Spot]
) -> None:
    spot = next(spot for spot in spots if spot.name == "runs")
    with visit(browser, server.base_url, spot, session_of()) as seen:
        expect(seen.page.locator("#live")).to_contain_text("258 of 600")
        run_heartbeat(run=Run.objects.get(total=600, done=256), done=64)
        expect(seen.page.locator("#live")).to_contain_text("322 of 600", timeout=20_000)
