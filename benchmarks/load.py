"""How many clicks the web server carries, beside Potato and oTree: `python -m benchmarks.load`; see docs/benchmarks.md.

    python -m benchmarks.load --systems ours-sqlite --levels 16 64 --seconds 5 --skip-sizing

Installs Potato and oTree into environments of their own below var/peers the first time (0.6 GB). Tables go to standard
output, progress to standard error. Ends with 1 where a system that was asked for could not be measured.
"""

import argparse
import os
import platform
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg

from benchmarks.loading import empty, sizing
from benchmarks.loading.generator import WARM_UP_SECONDS, Load, Measured, measure
from benchmarks.loading.otree import Otree
from benchmarks.loading.potato import Potato
from benchmarks.loading.servers import ServerTrouble, WebServer, free_port
from benchmarks.loading.systems import Ours, Running, System, Wanted, reserve
from benchmarks.loading.table import Outcome, Results, report
from tests.tools.leftovers import interrupt_on_sigterm, make_folder

LEVELS = {"save": (1, 16, 64, 256), "submit": (1, 16, 64)}
SYSTEMS: dict[str, Callable[[], System]] = {
    "ours-sqlite": lambda: Ours("sqlite"),
    "ours-postgresql": lambda: Ours("postgresql"),
    "potato": Potato,
    "otree": Otree,
}
TROUBLE = (ServerTrouble, OSError, ImportError, subprocess.SubprocessError, psycopg.Error, sqlite3.Error)
PARTS_A_SECOND = 400.0  # more than any server finishes: nobody is left without a link


def main() -> int:
    """Measure and print."""
    options = arguments()
    interrupt_on_sigterm()
    folder, results = make_folder("personaeval-load-"), Results()
    try:
        print(surroundings(folder, options), flush=True)
        for number in range(options.rounds):
            for name in options.systems:
                measure_system(SYSTEMS[name](), folder / f"{name}-{number}", options, results)
        for name in () if options.skip_sizing else options.systems:
            size_system(SYSTEMS[name](), folder / f"{name}-sizing", options, results)
    except KeyboardInterrupt:
        say("Stopped; what was measured so far:")
    print(f"\n{report(results)}", flush=True)
    return 1 if results.failed else 0


def arguments() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--systems", nargs="+", choices=list(SYSTEMS), default=list(SYSTEMS))
    parser.add_argument("--measures", nargs="*", choices=list(LEVELS), default=list(LEVELS))
    parser.add_argument("--levels", nargs="+", type=int, help="numbers of annotators (default: 1 16 64, and 256 save)")
    parser.add_argument("--seconds", type=float, default=10, help="of each load, after a warm-up (default: 10)")
    parser.add_argument("--rounds", type=int, default=1, help="over all systems; tables show the middle one")
    parser.add_argument("--generators", type=int, default=1, help="processes of participants (default: 1)")
    parser.add_argument("--workers", type=int, help="our web server's WEB_CONCURRENCY (default: as deployed)")
    parser.add_argument("--skip-sizing", action="store_true", help="do not search what one process carries")
    parser.add_argument("--most", type=int, default=2000, help="participants that sizing goes up to (default: 2000)")
    return parser.parse_args()


def say(text: str) -> None:
    """Report progress."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def surroundings(folder: Path, options: argparse.Namespace) -> str:
    """Return what the numbers depend on: machine, disk, and what the participants themselves could do."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.loading.empty", str(port)]
    with WebServer(command, port=port, folder=folder, environment={}) as server:
        load = Load(empty.clicks, port, [["/"]] * 64, seconds=min(options.seconds, 5), processes=options.generators)
        found = measure(load, {"web": [server.pid]})
    return (
        f"{os.cpu_count()} cores, Python {platform.python_version()}, load average {os.getloadavg()[0]:.1f} before; "
        f"a write and fsync takes {_fsync_ms(folder):.2f} ms.\n"
        f"The participants alone, 64 on a server that does nothing ({options.generators} process): "
        f"{found.rate:,.0f} requests/s, {found.generator_cpu:.4f} ms of processor time each; errors {found.errors}."
    )


def _fsync_ms(folder: Path) -> float:
    """Return the median milliseconds of a small write that reaches the disk, where all systems keep their data."""
    times = []
    with (folder / "probe").open("wb") as file:
        for _ in range(50):
            start = time.perf_counter()
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
            times.append(time.perf_counter() - start)
    return statistics.median(times) * 1000


def measure_system(system: System, folder: Path, options: argparse.Namespace, results: Results) -> None:
    """Put one system under every load, and note what came of it or why nothing did."""
    loads = {
        f"{what}-{level}": (what, level)
        for what in options.measures
        if what in system.behaviours
        for level in options.levels or LEVELS[what]
    }
    for what in options.measures:
        text = f"{system.name} at {what}: {system.absent.get(what)}."
        if what in system.absent and text not in results.absent:
            results.absent.append(text)
    if not loads:
        return
    folder.mkdir()
    say(f"{system.name}: preparing")
    try:
        with (
            system.prepared(folder, {name: _wanted(*load, options.seconds) for name, load in loads.items()}) as links,
            system.serving(options.workers) as running,
        ):
            for name, (what, level) in loads.items():
                outcome = _outcome(system, running, name, what, links[name], options)
                results.outcomes.setdefault((system.name, what, level), []).append(outcome)
    except TROUBLE as error:
        results.failed.append(f"{system.name}: {error}")
        say(f"{system.name} failed: {error}")


def _wanted(what: str, level: int, seconds: float) -> Wanted:
    spare = reserve(level, seconds + WARM_UP_SECONDS, PARTS_A_SECOND) if what == "submit" else 0
    return Wanted(level, spare)


def _outcome(
    system: System, running: Running, name: str, what: str, links: list[list[str]], options: argparse.Namespace
) -> Outcome:
    load = Load(system.behaviours[what], running.port, links, options.seconds, processes=options.generators)
    measured = measure(load, running.trees)
    outcome = Outcome(measured, system.check(name, measured.tally.acknowledged))
    say(f"{system.name} {name}: {_brief(measured)}; {outcome.stored}")
    return outcome


def _brief(measured: Measured) -> str:
    return (
        f"{measured.rate:.1f}/s, p95 {measured.percentile(95):.0f} ms, CPU {measured.cpu_each():.2f} ms, "
        f"{measured.cores:.2f} cores, errors {measured.errors}"
    )


def size_system(system: System, folder: Path, options: argparse.Namespace, results: Results) -> None:
    """Search how many participants one worker process of our server carries."""
    if "sizing" not in system.behaviours:
        return
    folder.mkdir()
    try:
        with (
            system.prepared(folder, {"sizing": sizing.wanted(options.most)}) as links,
            system.serving(workers=1) as running,
        ):
            everybody = [link for person in links["sizing"] for link in person]
            for one in sizing.tries(system, running, everybody, options.seconds):
                results.sizing.setdefault(system.name, []).append(one)
                say(f"{system.name}, one process, {one.people} participants: {_brief(one.measured)}")
    except TROUBLE as error:
        results.failed.append(f"{system.name}, sizing: {error}")
        say(f"{system.name}, sizing, failed: {error}")


if __name__ == "__main__":
    sys.exit(main())
