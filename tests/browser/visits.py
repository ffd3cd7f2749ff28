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
    "zoomed": {"width": 320, "height": 256},  # 1,280 by 1,024 at 400 %
}
# Quickly, each page is opened on a desktop and then made as narrow as a phone; opened on a phone it is much the same.
EVERY_SIZE = ("desktop", pytest.param("phone", marks=pytest.mark.slow))
MAX_BYTES = 60_000
MAX_REQUESTS = 10
# Every control that a person can use needs a <label> element of its own, which is more than axe asks for.
MAX_STUCK = 0.25
STUCK = """() => [...document.querySelectorAll("body *")]
    .filter(element => ["sticky", "fixed"].includes(getComputedStyle(element).position))
    .reduce((height, element) => height + element.getBoundingClientRect().height, 0) / innerHeight"""
# Links within a sentence are as high as its lines; what is not shown cannot be missed.
SMALL_TARGETS = """() => [...document.querySelectorAll("a:not(.skip), button, select, textarea, summary, input")]
    .filter(target => target.checkVisibility({visibilityProperty: true}) && target.type !== "hidden")
    .filter(target => getComputedStyle(target).display !== "inline")
    .map(target => [target, (target.closest("label") ?? target).getBoundingClientRect()])
    .filter(([, box]) => box.width > 0 && (Math.round(box.height) < 24 || Math.round(box.width) < 24))
    .map(([target, box]) => `${Math.round(box.width)} × ${Math.round(box.height)}: ${target.outerHTML}`)"""
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
            problems += barriers(seen.page) + nameless(seen.page) + sideways(seen.page)
            problems += [f"dark: {fault}" for fault in faults_in_the_dark(seen.page)]
            for smaller in ("phone", "zoomed"):
                seen.page.set_viewport_size(SIZES[smaller])
                problems += sideways(seen.page)
            problems += stuck(seen.page)
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
    """Return axe's violations, controls without a label, and targets below 24 px."""
    violations = Axe().run(page, options={"rules": {"target-size": {"enabled": True}}}).response["violations"]
    found = [f"{violation['id']}: {node['html']}" for violation in violations for node in violation["nodes"]]
    found += [f"smaller than 24 px: {target}" for target in page.evaluate(SMALL_TARGETS)]
    return found + [f"no label: {control}" for control in page.evaluate(UNLABELLED)]


def faults_in_the_dark(page: Page) -> list[str]:
    """Return what cannot be read where the person's system is dark; the page is light again afterwards."""
    page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    contrast = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}
    violations = Axe().run(page, options=contrast).response["violations"]
    page.emulate_media(color_scheme="light")
    return [f"{violation['id']}: {node['html']}" for violation in violations for node in violation["nodes"]]


def nameless(page: Page) -> list[str]:
    """Return what can be focused and has no name or no role in the tree that a screen reader is given."""
    session = page.context.new_cdp_session(page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    session.detach()
    found = []
    for node in nodes:
        is_focusable = any(one["name"] == "focusable" and one["value"]["value"] for one in node.get("properties", []))
        role, name = node.get("role", {}).get("value", ""), node.get("name", {}).get("value", "")
        is_read = role in ("RootWebArea", "alert")  # what it holds is read out
        if is_focusable and not node["ignored"] and not is_read and (not name.strip() or role == "generic"):
            found.append(f"no name or role: {role} {name!r}")
    return found


def stuck(page: Page) -> list[str]:
    """Return how much of the window is taken by what stays there while one scrolls, if that is over a quarter."""
    share = page.evaluate(STUCK)
    return [f"what stays in view takes {share:.0%} of the window"] if share > MAX_STUCK else []


def sideways(page: Page) -> list[str]:
    """Return how far the page is wider than its window."""
    wider, window = sideways_scroll(page), page.viewport_size
    return [f"{wider} px wider than a window of {window['width']} px"] if wider and window else []
