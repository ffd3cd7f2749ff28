"""Rows a second of the stages that ask a model server, beside a client that does nothing else.

    python -m benchmarks.batches --pairs 1000 20000
    python -m benchmarks.batches --pairs 1000 --project ../older/checkout
    python -m tests.tools.postgres python -m benchmarks.batches --pairs 1000 20000

A server that costs next to nothing answers every request after --seconds. A plain asynchronous client (aiohttp, in a
process of its own) sends it as many requests of the same length, as many at once, reads the answers and drops them.
Then `infer_personas`, `generate` for two systems and `judge` do their work on made-up pairs, with all that they render,
read and store. Printed are rows a second of the run itself (from its beginning to its end), the share of the client's,
the largest memory of the command, and the size of the database. See docs/benchmarks.md.
"""

import argparse
import asyncio
import json
import os
import platform
import random
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.loading.servers import ROOT, WebServer, free_port, run_quietly
from tests.tools.leftovers import interrupt_on_sigterm, make_folder

AT_ONCE = 64
_LONG = 3600.0  # seconds for one command
_WORDS = ("how", "can", "I", "sleep", "well", "when", "neighbours", "sing", "all", "night", "and", "dogs", "bark")


@dataclass(frozen=True)
class Done:
    """What one command did."""

    stage: str
    rows: int
    seconds: float
    memory_mb: float
    processor_seconds: float

    @property
    def rate(self) -> float:
        return self.rows / self.seconds


class Place:
    """A database of its own, in which a checkout of the project works."""

    def __init__(self, project: Path, folder: Path) -> None:
        self.project = project
        self.environment = {"VAR_DIR": str(folder / "var"), "PYTHONPATH": ""}
        self.folder = folder

    def manage(self, *arguments: str) -> str:
        """Run a command and return what it says."""
        command = [sys.executable, "manage.py", *arguments]
        return run_quietly(command, folder=self.project, environment=self.environment, seconds=_LONG)

    def measured(self, stage: str, *arguments: str) -> Done:
        """Run a stage and return what it did; its own time is that of its runs."""
        log = (self.folder / "stage.log").open("ab")
        environment = {**os.environ, **self.environment}
        command = [sys.executable, "manage.py", stage, *arguments]
        os.chdir(self.project)
        pid = os.posix_spawn(
            sys.executable, command, environment,
            file_actions=[(os.POSIX_SPAWN_DUP2, log.fileno(), 1), (os.POSIX_SPAWN_DUP2, log.fileno(), 2)],
        )  # fmt: skip
        _, status, used = os.wait4(pid, 0)
        if status:
            raise SystemExit(f"{stage} failed: {(self.folder / 'stage.log').read_text()[-2000:]}")
        rows, seconds = json.loads(self._ask(_RUNS.format(stage=stage)))
        return Done(stage, rows, seconds, used.ru_maxrss / 1024, used.ru_utime + used.ru_stime)

    def size_mb(self) -> float:
        """Return the size of the database."""
        return float(self._ask(_SIZE)) / 1e6

    def _ask(self, code: str) -> str:
        return self.manage("shell", "--no-imports", "--command", code).strip().splitlines()[-1]


_RUNS = """
import json
from modelhub.models import Run
runs = list(Run.objects.filter(stage="{stage}"))
print(json.dumps([sum(r.done for r in runs), sum((r.finished_at - r.started_at).total_seconds() for r in runs)]))
"""
_SIZE = """
from django.db import connection
cursor = connection.cursor()
sqlite = connection.vendor == "sqlite"
if sqlite: cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
cursor.execute("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()" if sqlite
               else "SELECT pg_database_size(current_database())")
print(cursor.fetchone()[0])
"""


def main() -> int:
    """Measure and print."""
    options = arguments()
    interrupt_on_sigterm()
    print(f"Python {platform.python_version()}, project {options.project.name}, answers after {options.seconds:g} s")
    print("| pairs | stage | rows | rows/s | of the client's | client's rows/s | memory | processor | database |")
    print("|---:|---|---:|---:|---:|---:|---:|---:|---:|")
    for count in options.pairs:
        folder = make_folder("personaeval-batches-")
        with fast_server(folder, options.seconds) as url:
            measure(Place(options.project.resolve(), folder), count, url, options.at_once)
    return 0


def arguments() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, nargs="+", default=[1000, 20000])
    parser.add_argument("--seconds", type=float, default=0.03, help="that an answer takes (default: 0.03)")
    parser.add_argument("--at-once", type=int, default=AT_ONCE, help="requests under way (default: 64)")
    parser.add_argument("--project", type=Path, default=ROOT, help="another checkout to measure")
    return parser.parse_args()


def measure(place: Place, count: int, url: str, at_once: int) -> None:
    """Print a line for each stage on so many pairs."""
    place.manage("migrate", "--verbosity", "0")
    if "DATABASE_URL" in os.environ:
        place.manage("flush", "--no-input", "--verbosity", "0")
    place.manage("import_preferences", str(pairs_file(place.folder, count)), "--dataset", "BeaverTails")
    for name, model, style in [
        ("inferrer", "model", "none"), ("dpo", "model", "first_person"), ("pt-dpo", "model", "field"),
        ("judge", "judge", "none"),
    ]:  # fmt: skip
        place.manage(
            "register_system", name, "--engine", "openai", "--endpoint", url, "--model", model,
            "--persona-style", style, "--options", json.dumps({"concurrency": at_once}),
        )  # fmt: skip
    chosen = ("--dataset", "BeaverTails", "--split", "test")
    stages = {
        "infer_personas": ("--dataset", "BeaverTails", "--system", "inferrer"),
        "generate": (*chosen, "--system", "dpo", "pt-dpo", "--persona", "gold_chosen"),
        "judge": (*chosen, "--base", "dpo", "--test", "pt-dpo", "--persona", "gold_chosen", "--judge", "judge",
                  "--metric", "personalization"),
    }  # fmt: skip
    for stage, given in stages.items():
        client = min(count * 2, 20000) / asyncio.run(drain(url, min(count * 2, 20000), LENGTHS[stage], at_once))
        done = place.measured(stage, *given)
        print(
            f"| {count:,} | {stage} | {done.rows:,} | {done.rate:,.0f} | {done.rate / client:.0%} | {client:,.0f} | "
            f"{done.memory_mb:.0f} MB | {done.processor_seconds:.1f} s | {place.size_mb():.0f} MB |",
            flush=True,
        )


LENGTHS = {"infer_personas": 4800, "generate": 300, "judge": 1800}
"""Of the prompts of each stage, in characters."""


def pairs_file(folder: Path, count: int) -> Path:
    """Write so many made-up pairs of the length of real ones."""
    source, path = random.Random(1), folder / "test.jsonl"

    def text(words: int) -> str:
        return " ".join(source.choices(_WORDS, k=words))

    with path.open("w") as file:
        for number in range(count):
            row = {"prompt": f"{number} {text(15)}?", "chosen": f"{text(70)}.", "rejected": f"{text(60)}."}
            file.write(json.dumps(row) + "\n")
    return path


@contextmanager
def fast_server(folder: Path, seconds: float) -> Iterator[str]:
    """Run the server; yields its endpoint."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.loading.fastserver", str(port), str(seconds)]
    with WebServer(command, port=port, folder=folder, environment={}):
        yield f"http://127.0.0.1:{port}/v1"


async def drain(url: str, count: int, length: int, at_once: int) -> float:
    """Return the seconds in which a client of `at_once` connections gets so many answers and drops them."""
    import aiohttp

    body: Mapping[str, object] = {"model": "model", "prompt": "x" * length, "max_tokens": 200, "temperature": 0.0}
    left = iter(range(count))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def ask() -> None:
            for _ in left:
                content = json.dumps(body).encode()
                async with session.post(f"{url}/completions", data=content) as response:
                    assert json.loads(await response.read())["choices"]

        started = time.perf_counter()
        await asyncio.gather(*(ask() for _ in range(at_once)))
        return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())
