"""How soon a fault of the model server is told, and how soon everything goes on once it is over."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import httpx
import psycopg

from benchmarks.loading.site import Model, Site
from benchmarks.loading.writers import Waits, Writer

# Killed, or told to fail in one of these ways; see tests/tools/standin.py.
FAULTS = ("killed", "mute", "hang", "503", "429", "500", "cut", "garbage", "empty", "other")
WRITERS = 4  # who send while it fails
PATIENCE = 300.0  # seconds for anything to happen
_TOLD = "at the moment."


@dataclass(frozen=True)
class Fault:
    """One fault: seconds until a waiting participant and the researcher are told, and from its end to the responses."""

    name: str
    participant: float
    researcher: float
    goes_on: float


async def faults(host: str, made: Site, model: Model, links: Sequence[str]) -> list[Fault]:
    """Let one fault after the other happen to a server that has just answered."""
    groups = [links[number * WRITERS : (number + 1) * WRITERS] for number in range(len(FAULTS))]
    return [await _fault(name, host, made, model, group) for name, group in zip(FAULTS, groups, strict=True)]


async def _fault(name: str, host: str, made: Site, model: Model, links: Sequence[str]) -> Fault:
    writers, waits = [Writer(host, link) for link in links], Waits()
    await asyncio.gather(*(writer.walk_to_writing() for writer in writers))
    if name == "killed":
        assert model.server
        model.server.__exit__()
    else:
        await _tell(model, name)
    started = time.monotonic()
    writing = [asyncio.create_task(writer.write(waits)) for writer in writers]
    looking = Writer(host, links[0])
    participant, researcher = await asyncio.gather(
        _until(started, lambda: looking.says(_TOLD)), _until(started, lambda: _alerted(made))
    )
    ended = time.monotonic()
    if name == "killed":
        assert model.server
        model.server.__enter__()
    else:
        await _tell(model, "ok")
    await asyncio.gather(*writing)
    assert len(waits.seen) == len(writers), waits.problems
    goes_on = time.monotonic() - ended
    await _until(time.monotonic(), lambda: _calm(made))
    return Fault(name, participant, researcher, goes_on)


async def _tell(model: Model, mode: str) -> None:
    async with httpx.AsyncClient() as client:
        await client.post(model.url.removesuffix("/v1") + "/told", json={"mode": mode})


async def _until(started: float, holds: Callable[[], Awaitable[bool]]) -> float:
    while not await holds():
        assert time.monotonic() - started < PATIENCE, "It was never told."
        await asyncio.sleep(0.1)
    return time.monotonic() - started


async def _alerted(made: Site) -> bool:
    return await asyncio.to_thread(_troubles, made) > 0


async def _calm(made: Site) -> bool:
    return await asyncio.to_thread(_troubles, made) == 0


def _troubles(made: Site) -> int:
    with psycopg.connect(made.environment["DATABASE_URL"]) as connection:
        row = connection.execute("SELECT COUNT(*) FROM annotation_armtrouble").fetchone()
    return row[0] if row else 0
