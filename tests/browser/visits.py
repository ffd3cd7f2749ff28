"""Opening a page as a first-time visitor: what it cost, and what would shut people out of it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Request, Response, ViewportSize

from tests.browser.walk import sideways_scroll
from tests.tools.spots import Spot, open_spot

SIZES: dict[str, ViewportSize] = {
    "desktop": {"width": 1280, "height": 900},
    "phone": {"width": 390, "height": 844},
}
# Quickly, each page is opened on a desktop and then made as narrow as a phone; opened on a phone it is much the same.
EVERY_SIZE = ("desktop", pytest.param("phone", marks=pytest.mark.slow))
MAX_BYTES = 60_000
MAX_REQUESTS = 10
# Every control that a person can use needs a <label> element of its own, which is more than axe asks for.
UNLABELLED = """() => [...document.querySelectorAll("input, select, textarea")]
    .filter(control => !["hidden", "submit", "button"].includes(control.type) && !control.labels.length)
    .map(control => control.outerHTML)"""


def faults_of(browser: Browser, base_url: str, spots: Sequence[Spot], session: str, size: str) -> dict[str, list[str]]:
    """Open every page once in a window of this size; return all that is wrong with it, by the page's name.

    That is: an answer other than the page, what it weighs and asks others for, policies it lacks, what shuts people
    out, and how far it is wider than its window or a phone's.
    """
    found = {}
    for spot in spots:
        with visit(browser, base_url, spot, session, viewport=SIZES[size]) as seen:
            problems = cost(seen) + foreign(seen, base_url)
            if spot.body is None:
                problems += unprotected(seen.document(), spot.status)
            if spot.act:
                spot.act(seen.page)
            problems += barriers(seen.page) + sideways(seen.page)
            seen.page.set_viewport_size(SIZES["phone"])
            problems += sideways(seen.page)
        if problems:
            found[spot.name] = problems
    return found


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


def cost(seen: Visit) -> list[str]:
    """Return how far a page is over what it may weigh and ask for."""
    size, count = seen.transferred(), len(seen.finished)
    return [f"{size} bytes in {count} requests"] if size > MAX_BYTES or count > MAX_REQUESTS else []


def foreign(seen: Visit, base_url: str) -> list[str]:
    """Return what a page asks others for."""
    urls = [request.url for request in seen.finished]
    return [f"asks for {url}" for url in urls if not url.startswith(base_url)]


def unprotected(answer: Response, status: int) -> list[str]:
    """Return what a page lacks that keeps secret links from other sites, and a status other than this."""
    problems = [f"status {answer.status}"] if answer.status != status else []
    if not answer.headers.get("content-security-policy", "").startswith("default-src 'self';"):
        problems.append("no content security policy")
    if answer.headers.get("referrer-policy") != "same-origin":
        problems.append("no referrer policy")
    return problems


def barriers(page: Page) -> list[str]:
    """Return axe's violations and controls without a label."""
    violations = Axe().run(page).response["violations"]
    found = [f"{violation['id']}: {node['html']}" for violation in violations for node in violation["nodes"]]
    return found + [f"no label: {control}" for control in page.evaluate(UNLABELLED)]


def sideways(page: Page) -> list[str]:
    """Return how far the page is wider than its window."""
    wider, window = sideways_scroll(page), page.viewport_size
    return [f"{wider} px wider than a window of {window['width']} px"] if wider and window else []
