"""Participants of this project's own pages: they follow their link and click as the pages' scripts and forms do."""

import re
import secrets
import time
import zlib
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

from benchmarks.loading import task
from benchmarks.loading.crowd import READY, Script
from benchmarks.loading.tally import Tally
from benchmarks.loading.wire import Browser, Reply, encode_form, with_body

Walk = Generator[bytes | float | None, Reply, "RatingPage | None"]
THINK_SECONDS = 5.0
CLICKS_PER_REPORT = 3  # the page reports its time every 15 seconds
_STEP = re.compile(r'data-step="(\w+)"')
_TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')
_SCALE = re.compile(r'data-scale="([^"]+)"[^>]*data-url="([^"]+)"')
_HIDDEN = re.compile(r'name="((?:version|key)-[\w-]+)" value="([^"]+)"')
_CHOSEN = re.compile(r'type="radio" name="([^"]+)" value="(\d)" checked')
_FORM = re.compile(r'action="([^"]+)" data-rating-form data-visit="([^"]+)"[^>]*data-time-url="([^"]+)"')
_VERSION = re.compile(rb'"version": ?(\d+)')


@dataclass
class Scale:
    """One question: where its answers go, and the version that the next one names."""

    head: bytes  # of the POST, up to the length of its body
    start: bytes  # of the body, up to the value
    name: str
    value: int = 0
    version: int = 0


@dataclass
class RatingPage:
    """A rating page as its scripts see it."""

    browser: Browser
    token: str
    action: str
    hidden: dict[str, str]
    time_url: str
    visit: str
    scales: list[Scale]
    prefix: str = field(default_factory=lambda: secrets.token_hex(10))  # of the keys of this page's clicks
    clicks: int = 0

    @property
    def key(self) -> str:
        """The part of the study that this page is."""
        return self.action.rstrip("/").split("/")[-2]


def read_page(browser: Browser, text: str) -> RatingPage | None:
    """Read a page as its scripts do; None for a page without scales."""
    form, token = _FORM.search(text), _TOKEN.search(text)
    if not form or not token:
        return None
    start = encode_form({"csrfmiddlewaretoken": token[1]}) + b"&version="
    hidden, chosen = dict(_HIDDEN.findall(text)), dict(_CHOSEN.findall(text))
    scales = [
        Scale(
            browser.head_of_post(url, accept="application/json"), start, name,
            value=int(chosen.get(name, 0)), version=int(hidden[f"version-{name}"]),
        )
        for name, url in _SCALE.findall(text)
    ]  # fmt: skip
    return RatingPage(browser, token[1], form[1], hidden, form[3], form[2], scales)


def walk_to_scales(browser: Browser, link: str) -> Walk:
    """Follow the link, agree, read the instructions, and return the first rating page; None if it does not come."""
    for _ in range(6):
        reply = browser.keep((yield browser.get(link)))
        text, step = reply.text, _STEP.search(reply.text)
        if step and step[1] == "rate":
            return read_page(browser, text)
        token = _TOKEN.search(text)
        if reply.status != 200 or not step or step[1] not in ("consent", "instructions") or not token:
            return None
        fields = {"csrfmiddlewaretoken": token[1], "answer": "agree"}
        browser.keep((yield browser.post(f"{link}{step[1]}/", fields)))
    return None


def save(page: RatingPage, tally: Tally, since: float | None = None) -> Generator[bytes, Reply, bool]:
    """Answer one question anew, as a click does. False where the participant cannot go on."""
    scale = page.scales[page.clicks % len(page.scales)]
    page.clicks += 1
    value = scale.value % 5 + 1
    key = f"{page.prefix}{page.clicks:012x}"
    body = b"%b%d&client_key=%b&value=%d" % (scale.start, scale.version, key.encode(), value)
    since = since or time.monotonic()
    reply = yield with_body(scale.head, body)
    saved = _VERSION.search(reply.body) if reply.status == 200 else None
    if not saved:
        tally.failed(f"save: status {reply.status}")
        return reply.status != 0
    tally.took("save", since)
    scale.value, scale.version = value, int(saved[1])
    tally.acknowledged[key] = [value, scale.version]
    return True


def go_on(page: RatingPage, link: str, tally: Tally, since: float | None = None) -> Walk:
    """Send the whole form and follow the redirect: "Continue". Returns the next page, None after the last."""
    since = since or time.monotonic()
    values = {scale.name: scale.value or page.clicks % 5 + 1 for scale in page.scales}
    versions = {f"version-{scale.name}": scale.version for scale in page.scales}
    fields = {"csrfmiddlewaretoken": page.token, **page.hidden, **versions, **values}
    reply = page.browser.keep((yield page.browser.post(page.action, fields)))
    if reply.status != 302:
        tally.failed(f"continue: status {reply.status}")
        return page if reply.status else None
    tally.acknowledged[page.key] = sorted(values.values())
    for scale in page.scales:
        if not scale.value:  # an answer that the form has brought: stored by the key that stands on the page
            tally.acknowledged[page.hidden[f"key-{scale.name}"].replace("-", "")] = [values[scale.name], 1]
    reply = page.browser.keep((yield page.browser.get(reply.location)))
    if reply.status != 200:
        tally.failed(f"next page: status {reply.status}")
        return None
    tally.took("submit", since)
    return read_page(page.browser, reply.text)


def saves(host: str, links: Sequence[str], tally: Tally) -> Script:
    """Work up to a rating page of one's own, and save one answer after the other there."""
    page = yield from walk_to_scales(Browser(host), links[0])
    for _ in range(task.stands_on(zlib.crc32(links[0].encode()))):
        page = page and (yield from go_on(page, links[0], tally))
    if page is None:
        tally.failed("no rating page")
        return
    yield READY
    while (yield from save(page, tally)):
        pass


def submits(host: str, links: Sequence[str], tally: Tally) -> Script:
    """Fill page after page; whoever has finished hands over to the next link."""
    for number, link in enumerate(links):
        page = yield from walk_to_scales(Browser(host), link)
        if page is None:
            tally.failed("no rating page")
            return
        if not number:
            yield READY
        while page is not None:
            page.clicks += 1
            page = yield from go_on(page, link, tally)
    tally.failed("no link left")


def thoughtful(host: str, links: Sequence[str], tally: Tally) -> Script:
    """Click every five seconds, with a phase of one's own: four answers, "Continue", and so on."""
    for number, link in enumerate(links):
        page = yield from walk_to_scales(Browser(host), link)
        if page is None:
            tally.failed("no rating page")
            return
        if not number:
            yield READY
            due = time.monotonic() + secrets.randbelow(1000) / 1000 * THINK_SECONDS
            clicks = secrets.randbelow(CLICKS_PER_REPORT)
            # Somewhere within the page, else everybody would continue in the same five seconds.
            page.clicks = secrets.randbelow(len(page.scales) + 1)
        while page is not None:
            yield due
            # The time counts from the click, also where the answer before it was late.
            if page.clicks < len(page.scales):
                if not (yield from save(page, tally, due)):
                    return
            else:
                page = yield from go_on(page, link, tally, due)
            due, clicks = due + THINK_SECONDS, clicks + 1
            if page is not None and clicks % CLICKS_PER_REPORT == 0:
                yield _report(page, clicks)


def _report(page: RatingPage, clicks: int) -> bytes:
    seconds = clicks * THINK_SECONDS
    fields = {"csrfmiddlewaretoken": page.token, "visit": page.visit, "phase": "rate"}
    return page.browser.post(page.time_url, {**fields, "focused_ms": int(seconds * 1000), "idle_ms": 0})
