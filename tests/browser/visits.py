"""Opening a page as a first-time visitor: what it cost, and what would shut people out of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Request, Response

from tests.browser.walk import sideways_scroll
from tests.tools.gallery import Spot, open_spot

SIZES = {"desktop": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}
MAX_BYTES = 60_000
MAX_REQUESTS = 10
# Every control that a person can use needs a <label> element of its own, which is more than axe asks for.
UNLABELLED = """() => [...document.querySelectorAll("input, select, textarea")]
    .filter(control => !["hidden", "submit", "button"].includes(control.type) && !control.labels.length)
    .map(control => control.outerHTML)"""


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


def barriers(page: Page) -> list[str]:
    """Return axe's violations, controls without a label, and how far the page is wider than the window."""
    violations = Axe().run(page).response["violations"]
    found = [f"{violation['id']}: {node['html']}" for violation in violations for node in violation["nodes"]]
    found += [f"no label: {control}" for control in page.evaluate(UNLABELLED)]
    if wider := sideways_scroll(page):
        found.append(f"{wider} px wider than the window")
    return found
