"""How long writers wait for their responses, beside the model server's own time: `python -m benchmarks.live`.

    python -m benchmarks.live --scenarios burst slow --writers 50
    python -m benchmarks.live --project ../older/checkout --scenarios burst slow
    python -m benchmarks.live --scenarios served --endpoint http://127.0.0.1:8000/v1

PostgreSQL, gunicorn, one worker and a model server of known latency (tests/tools/standin.py), all on this machine;
writers go through the pages over HTTP. Each scenario has a site of its own. `served` asks a real server with two
models, such as `vllm serve --enable-lora`, after asking it as much at once without this project. See
docs/benchmarks.md.
"""

import argparse
import asyncio
import platform
import random
import statistics
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx

from benchmarks.loading.faults import FAULTS, faults
from benchmarks.loading.faults import WRITERS as FAULT_WRITERS
from benchmarks.loading.servers import ROOT, ServerTrouble
from benchmarks.loading.site import Model, Site, site, standing_in
from benchmarks.loading.writers import Waits, all_at_once, one_after_the_other
from tests.tools.leftovers import interrupt_on_sigterm, make_folder

# What was measured of an 8B model on one card: 4.1 s per answer, a tenth of the requests above 4.8.
SECONDS, SPREAD = 4.1, 0.55
RATE = 1.1  # personas a second: two hundred people who write one every three minutes
SETTLED_SECONDS = 8.0
BULK = 500  # personas of another study, with two outputs each


@dataclass(frozen=True)
class Outcome:
    """What one scenario showed; times in seconds."""

    scenario: str
    engine: Sequence[float]  # of the slower of two answers, which is what a persona needs at least
    seen: Sequence[float]  # by the participants
    stored: Sequence[float]  # from the request to both outputs in the database
    wanted: int
    problems: Sequence[str]


def main() -> int:
    """Measure and print."""
    options = arguments()
    interrupt_on_sigterm()
    print(f"Python {platform.python_version()}, one worker {' '.join(options.worker)}, project {options.project.name}")
    outcomes = []
    for name in options.scenarios:
        say(f"{name} …")
        folder = make_folder("personaeval-live-")
        try:
            with site(folder, project=options.project, worker_options=options.worker) as made:
                outcomes.append(SCENARIOS[name](made, folder, options))
        except ServerTrouble as trouble:
            print(f"{name}: {trouble}", file=sys.stderr)
        else:
            print(line(outcomes[-1]), flush=True)
    return 0 if len(outcomes) == len(options.scenarios) else 1


def arguments() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenarios", nargs="+", choices=list(SCENARIOS), default=STANDARD)
    parser.add_argument("--writers", type=int, default=50, help="who send at the same moment (default: 50)")
    parser.add_argument("--people", type=int, default=200, help="who send one after the other (default: 200)")
    parser.add_argument("--endpoint", help="of a real server, for the scenario served")
    parser.add_argument("--models", nargs=2, default=["dpo", "pt-dpo"], help="its two models (default: dpo pt-dpo)")
    parser.add_argument("--tokens", type=int, default=64, help="of each of its answers (default: 64)")
    parser.add_argument("--project", type=Path, default=ROOT, help="a checkout to measure instead of this one")
    parser.add_argument("--worker", nargs="*", default=[], help="options of run_worker, without their dashes")
    options = parser.parse_args()
    options.project = options.project.resolve()
    options.worker = [f"--{one}" if not one[0].isdigit() else one for one in options.worker]
    return options


def say(text: str) -> None:
    """Report progress."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def burst(made: Site, folder: Path, options: argparse.Namespace) -> Outcome:
    """Everybody sends at once, and the server has room for all."""
    return _burst("burst", made, folder, options)


def slow(made: Site, folder: Path, options: argparse.Namespace) -> Outcome:
    """The same, with one request in thirty that takes 45 s longer."""
    return _burst("slow", made, folder, options, "--slow-every", "30")


def sustained(made: Site, folder: Path, options: argparse.Namespace) -> Outcome:
    """Two hundred people write, 1.1 personas a second."""
    with standing_in(folder, *_latency()) as model:
        links = made.study("live", model, written=1, people=options.people)
        return _outcome(
            "sustained", made, lambda host: one_after_the_other(host, links, per_second=RATE), options.people
        )


def bulk(made: Site, folder: Path, options: argparse.Namespace) -> Outcome:
    """Writers come while another study has a thousand outputs in the queue, and the server is full with them."""
    with standing_in(folder, *_latency()) as model:
        made.study("bulk", model, given=BULK)
        links = made.study("live", model, written=1, people=20)
        return _outcome("bulk", made, lambda host: one_after_the_other(host, links, per_second=RATE), 20)


def failing(made: Site, folder: Path, options: argparse.Namespace) -> Outcome:
    """The server fails in every way, one after the other, while four people wait; printed by itself."""
    with standing_in(folder, "--seconds", "0.5") as model:
        links = made.study("live", model, written=1, people=len(FAULTS) * FAULT_WRITERS)
        with made.serving() as host, made.working():
            time.sleep(SETTLED_SECONDS)
            found = asyncio.run(faults(host, made, model, links))
    print("fault    | participant told after | alert after | responses after its end")
    for fault in found:
        print(f"{fault.name:8} | {fault.participant:.1f} s | {fault.researcher:.1f} s | {fault.goes_on:.1f} s")
    return Outcome("failing", [], [], made.made("live"), len(links), [])


def served(made: Site, folder: Path, options: argparse.Namespace) -> Outcome:
    """Everybody sends at once, to a real server."""
    decoding: dict[str, object] = {"max_new_tokens": options.tokens, "min_new_tokens": 0}
    more: dict[str, object] = {"extra_body": {"min_tokens": options.tokens}}
    first, second = options.models
    model = Model(options.endpoint, (first, second), decoding, more)
    own = asyncio.run(own_times(options.endpoint, options.models, count=options.writers, tokens=options.tokens))
    links = made.study("live", model, written=1, people=options.writers)
    outcome = _outcome("served", made, lambda host: all_at_once(host, links), options.writers)
    return replace(outcome, engine=own)


SCENARIOS: dict[str, Callable[[Site, Path, argparse.Namespace], Outcome]] = {
    "burst": burst, "slow": slow, "sustained": sustained, "bulk": bulk, "failing": failing, "served": served,
}  # fmt: skip
STANDARD = [name for name in SCENARIOS if name != "served"]


async def own_times(endpoint: str, models: Sequence[str], *, count: int, tokens: int) -> list[float]:
    """Return the seconds of the slower of two answers, one by each model, when so many pairs are asked at once."""
    prompt = "Prompt: How do I spend evening number 1?\nPersona: The user is in a hurry and prefers short answers.\n"

    async def pair(browser: httpx.AsyncClient) -> float:
        started = time.monotonic()
        body = {"prompt": f"{prompt}Response:", "max_tokens": tokens, "min_tokens": tokens, "temperature": 0}
        replies = [browser.post("completions", json={**body, "model": model}) for model in models]
        for reply in await asyncio.gather(*replies):
            reply.raise_for_status()
        return time.monotonic() - started

    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=f"{endpoint}/", timeout=600, limits=limits) as browser:
        await pair(browser)  # what is loaded at the first request is no part of it
        return sorted(await asyncio.gather(*(pair(browser) for _ in range(count))))


def _latency() -> list[str]:
    return ["--seconds", str(SECONDS), "--spread", str(SPREAD)]


def _burst(name: str, made: Site, folder: Path, options: argparse.Namespace, *more: str) -> Outcome:
    with standing_in(folder, *_latency(), *more) as model:
        links = made.study("live", model, written=1, people=options.writers)
        return _outcome(name, made, lambda host: all_at_once(host, links), options.writers)


def _outcome(name: str, made: Site, walk: Callable[[str], Coroutine[Any, Any, Waits]], wanted: int) -> Outcome:
    with made.serving() as host, made.working():
        time.sleep(SETTLED_SECONDS)  # as a worker that has run for a while
        waits = asyncio.run(walk(host))
    return Outcome(name, _engine_times(), sorted(waits.seen), made.made("live"), wanted, waits.problems)


def _engine_times() -> list[float]:
    """Return what the server needs for the slower of two answers, by simulation: nothing else is between them."""
    draw = random.Random(7)
    return sorted(max(draw.gauss(SECONDS, SPREAD), draw.gauss(SECONDS, SPREAD)) for _ in range(10_000))


def line(outcome: Outcome) -> str:
    """Return an outcome in words."""
    parts = [f"{outcome.scenario:10}", f"{len(outcome.seen)} of {outcome.wanted} served"]
    named = (("engine", outcome.engine), ("stored", outcome.stored), ("seen", outcome.seen))
    parts += [f"{name} p50 {_share(times, 50):.1f} p95 {_share(times, 95):.1f}" for name, times in named if times]
    if outcome.stored and outcome.engine:
        parts.append(f"stored/engine p50 {_share(outcome.stored, 50) / _share(outcome.engine, 50):.2f}")
    return " | ".join([*parts, *sorted(set(outcome.problems))])


def _share(times: Sequence[float], percent: int) -> float:
    return statistics.quantiles(times, n=100, method="inclusive")[percent - 1] if len(times) > 1 else times[0]


if __name__ == "__main__":
    sys.exit(main())
