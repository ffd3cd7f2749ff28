"""What holds for every page there is: accessible, light, self-contained, and readable on a phone."""

import json

import pytest
from playwright.sync_api import Browser

from modelhub.demo import Demo
from tests.browser.visits import SIZES, barriers, cost, visit
from tests.tools.gallery import Spot, gallery, people_take_the_demonstration, session_of
from tests.tools.processes import Server

pytestmark = pytest.mark.browser


@pytest.fixture
def spots(demo: Demo, server: Server) -> list[Spot]:
    people_take_the_demonstration(demo, server.base_url, 2)
    return gallery(demo)


@pytest.mark.parametrize("size", SIZES)
def test_axe_finds_no_violation_on_any_page(browser: Browser, server: Server, spots: list[Spot], size: str) -> None:
    session, found = session_of(), {}
    for spot in spots:
        with visit(browser, server.base_url, spot, session, viewport=SIZES[size]) as seen:
            if spot.act:
                spot.act(seen.page)
            if problems := barriers(seen.page):
                found[spot.name] = problems
    assert not found, json.dumps(found, indent=2)


def test_every_page_is_light_asks_nobody_else_and_carries_the_policies_that_protect_links(
    browser: Browser, server: Server, spots: list[Spot]
) -> None:
    session, found = session_of(), {}
    for spot in spots:
        with visit(browser, server.base_url, spot, session) as seen:
            assert seen.finished, spot.name
            urls = [request.url for request in seen.finished]
            problems = cost(seen) + [f"asks for {url}" for url in urls if not url.startswith(server.base_url)]
            if spot.body is None:
                problems += unprotected(seen.document().headers)
            if problems:
                found[spot.name] = problems
    assert not found, json.dumps(found, indent=2)


def unprotected(headers: dict[str, str]) -> list[str]:
    """Return what the headers of a page lack that keeps secret links from other sites."""
    problems = []
    if not headers.get("content-security-policy", "").startswith("default-src 'self';"):
        problems.append("no content security policy")
    if headers.get("referrer-policy") != "same-origin":
        problems.append("no referrer policy")
    return problems


def test_static_files_arrive_compressed_and_may_be_kept(browser: Browser, server: Server, spots: list[Spot]) -> None:
    rate = next(spot for spot in spots if spot.name == "rate")
    with visit(browser, server.base_url, rate, "") as seen:
        answers = [request.response() for request in seen.finished]
        static = [
            answer for answer in answers if answer and "/static/" in answer.url and not answer.url.endswith(".svg")
        ]
        assert len(static) >= 4
        assert {answer.headers.get("content-encoding") for answer in static} == {"gzip"}
        assert all("immutable" in answer.headers["cache-control"] for answer in static)
        page = seen.document().headers
        assert (page["content-encoding"], page["cache-control"]) == ("gzip", "no-store")
