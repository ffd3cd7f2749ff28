"""What holds for every page there is: accessible, light, self-contained, and readable on a phone."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Request, Response

from modelhub.demo import Demo
from tests.browser.walk import sideways_scroll
from tests.tools.gallery import Spot, gallery, open_spot, people_take_the_demonstration, session_of
from tests.tools.processes import Server

pytestmark = pytest.mark.browser
SIZES = {"desktop": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}
MAX_BYTES = 60_000
MAX_REQUESTS = 10
# Every control that a person can use needs a <label> element of its own, which is more than axe asks for.
UNLABELLED = """() => [...document.querySelectorAll("input, select, textarea")]
    .filter(control => !["hidden", "submit", "button"].includes(control.type) && !control.labels.length)
    .map(control => control.outerHTML)"""


@pytest.fixture
def spots(demo: Demo, server: Server) -> list[Spot]:
    people_take_the_demonstration(demo, server.base_url, 2)
    return gallery(demo)


class Visit:
    """A page and what it cost to show it."""

    page: Page

    def __init__(self) -> None:
        self.finished: list[Request] = []

    def watch(self, page: Page) -> None:
        page.on("requestfinished", lambda request: self.finished.append(request))

    def transferred(self) -> int:
        """Bytes received so far: headers and compressed bodies."""
        sizes = [request.sizes() for request in self.finished]
        return sum(size["responseHeadersSize"] + size["responseBodySize"] for size in sizes)

    def document(self) -> Response:
        """The answer that holds the page itself."""
        request = next(request for request in self.finished if request.is_navigation_request())
        response = request.response()
        assert response
        return response


@contextmanager
def visit(browser: Browser, base_url: str, spot: Spot, session: str, **context_args: Any) -> Iterator[Visit]:
    """Open a page for the first time, counting what it asks for."""
    seen = Visit()
    with open_spot(browser, base_url, spot, session, watch=seen.watch, **context_args) as seen.page:
        yield seen


@pytest.mark.parametrize("size", SIZES)
def test_axe_finds_no_violation_on_any_page(browser: Browser, server: Server, spots: list[Spot], size: str) -> None:
    session, found = session_of(), {}
    for spot in spots:
        with visit(browser, server.base_url, spot, session, viewport=SIZES[size]) as seen:
            if spot.act:
                spot.act(seen.page)
            report = Axe().run(seen.page)
            problems = [
                f"{violation['id']}: {node['html']}"
                for violation in report.response["violations"]
                for node in violation["nodes"]
            ]
            problems += [f"no label: {control}" for control in seen.page.evaluate(UNLABELLED)]
            if wider := sideways_scroll(seen.page):
                problems.append(f"{wider} px wider than the window")
            if problems:
                found[spot.name] = problems
    assert not found, json.dumps(found, indent=2)


def test_every_page_is_light_and_asks_nobody_else(browser: Browser, server: Server, spots: list[Spot]) -> None:
    session, heavy, many, foreign = session_of(), {}, {}, {}
    for spot in spots:
        with visit(browser, server.base_url, spot, session) as seen:
            if (size := seen.transferred()) > MAX_BYTES:
                heavy[spot.name] = size
            if len(seen.finished) > MAX_REQUESTS:
                many[spot.name] = len(seen.finished)
            assert seen.finished, spot.name
            others = [request.url for request in seen.finished if not request.url.startswith(server.base_url)]
            if others:
                foreign[spot.name] = others
    assert (heavy, many, foreign) == ({}, {}, {})


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


def test_pages_carry_the_policies_that_protect_links(browser: Browser, server: Server, spots: list[Spot]) -> None:
    for spot in spots:
        if spot.body is None:
            with visit(browser, server.base_url, spot, session_of()) as seen:
                headers = seen.document().headers
                assert headers["content-security-policy"].startswith("default-src 'self';"), spot.name
                assert headers["referrer-policy"] == "same-origin", spot.name
