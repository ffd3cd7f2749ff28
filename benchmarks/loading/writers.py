"""People who write personas: over HTTP, as their browsers do, from the link to the page that shows the responses."""

import asyncio
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx

_STEP = re.compile(r'data-step="(\w+)"')
_TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')
_FIELD = r'name="{}" value="([^"]*)"'
_PERSONA = re.compile(r'action="([^"]+/persona/)"')
_WAIT = re.compile(r'hx-get="([^"]+/wait/)" hx-trigger="every (\d+)s"')
PATIENCE = 400.0  # seconds, after which a writer has waited in vain


@dataclass
class Waits:
    """Seconds from sending a persona to seeing both responses; and what went wrong, by what it was."""

    seen: list[float] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class Writer:
    """One participant."""

    def __init__(self, host: str, link: str) -> None:
        self.link = link
        self.browser = httpx.AsyncClient(base_url=host, timeout=60, follow_redirects=True)
        self.page = ""

    async def walk_to_writing(self) -> None:
        """Agree, read, and stand before the empty box."""
        for _ in range(6):
            self.page = (await self.browser.get(self.link)).text
            step = self._found(_STEP)
            if step == "write":
                return
            await self.browser.post(f"{self.link}{step}/", data={**self._token(), "answer": "agree"})
        raise AssertionError(f"The writing page did not come; the last step was {self._found(_STEP)}.")

    async def write(self, waits: Waits) -> bool:
        """Send a persona and wait for the responses; False if they did not come."""
        started = time.monotonic()
        fields = {name: self._found(re.compile(_FIELD.format(name))) for name in ("version", "tab")}
        text = {"text": "The user is in a hurry and prefers short answers."}
        self.page = (await self.browser.post(self._found(_PERSONA), data={**self._token(), **fields, **text})).text
        while time.monotonic() - started < PATIENCE:
            step = self._found(_STEP)
            if step == "rate":
                waits.seen.append(time.monotonic() - started)
                return True
            if step != "wait":
                waits.problems.append(f"step {step}")
                return False
            await self._poll()
        waits.problems.append("nothing came")
        return False

    async def says(self, text: str) -> bool:
        """Load the page and look for a text on it."""
        return text in (await self.browser.get(self.link)).text

    async def _poll(self) -> None:
        """Ask as the waiting page does until it leads on."""
        url, period = self._found(_WAIT), self._found(_WAIT, 2)
        while True:
            await asyncio.sleep(float(period))
            reply = await self.browser.get(url, headers={"HX-Request": "true"})
            if "HX-Redirect" in reply.headers:
                break
            if found := _WAIT.search(reply.text):
                period = found[2]
        self.page = (await self.browser.get(self.link)).text

    def _token(self) -> dict[str, str]:
        return {"csrfmiddlewaretoken": self._found(_TOKEN)}

    def _found(self, pattern: re.Pattern[str], group: int = 1) -> str:
        match = pattern.search(self.page)
        assert match, f"There is no {pattern.pattern} on the page:\n{self.page[:500]}"
        return match[group]


async def all_at_once(host: str, links: Sequence[str]) -> Waits:
    """Let everybody stand before the box, and send at the same moment."""
    writers, waits = [Writer(host, link) for link in links], Waits()
    for group in range(0, len(writers), 25):
        await asyncio.gather(*(writer.walk_to_writing() for writer in writers[group : group + 25]))
    await asyncio.gather(*(writer.write(waits) for writer in writers))
    return waits


async def one_after_the_other(host: str, links: Sequence[str], *, per_second: float) -> Waits:
    """Let everybody stand before the box, and send at a steady rate."""
    writers, waits = [Writer(host, link) for link in links], Waits()
    for group in range(0, len(writers), 25):
        await asyncio.gather(*(writer.walk_to_writing() for writer in writers[group : group + 25]))

    async def later(writer: Writer, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await writer.write(waits)

    await asyncio.gather(*(later(writer, number / per_second) for number, writer in enumerate(writers)))
    return waits
