"""How many clicks the web server carries, beside Potato and oTree: `python -m benchmarks.load`; see docs/benchmarks.md.

    python -m benchmarks.load --systems ours-sqlite --levels 16 64 --seconds 5 --skip-sizing
"""

import argparse
import sys
import time
from pathlib import Path

from benchmarks.loading import empty
from benchmarks.loading.generator import WARM_UP_SECONDS, Load, Measured, measure
from benchmarks.loading.servers import ServerTrouble, WebServer, free_port
from benchmarks.loading.systems import Ours, System, Wanted, reserve
from tests.tools.leftovers import interrupt_on_sigterm, make_folder

LEVELS = {"save": (1, 16, 64, 256), "submit": (1, 16, 64)}


def main() -> int:
    options = arguments()
    interrupt_on_sigterm()
    folder = make_folder("personaeval-load-")
    say(ceiling(folder, options))
    from benchmarks.loading.otree import Otree
    from benchmarks.loading.potato import Potato

    for system in [{"potato": Potato, "otree": Otree}[n]() if n in ("potato", "otree") else Ours(n.removeprefix("ours-")) for n in options.systems]:
        place = folder / system.name
        place.mkdir()
        run(system, place, options)
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    systems = ("ours-sqlite", "ours-postgresql", "potato", "otree")
    parser.add_argument("--systems", nargs="+", choices=systems, default=list(systems))
    parser.add_argument("--measures", nargs="+", choices=list(LEVELS), default=list(LEVELS))
    parser.add_argument("--levels", nargs="+", type=int)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--generators", type=int, default=1)
    return parser.parse_args()


def ceiling(folder: Path, options: argparse.Namespace) -> str:
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.loading.empty", str(port)]
    with WebServer(command, port=port, folder=folder, environment={}) as server:
        found = measure(
            Load(empty.clicks, port, [["/"]] * 64, seconds=options.seconds, processes=options.generators),
            {"web": [server.pid]},
        )
    return f"empty: {found.rate('save'):.0f}/s, generator {found.generator_cpu:.4f} ms, server {found.cpu_each('save'):.4f}"


def run(system: System, folder: Path, options: argparse.Namespace) -> None:
    loads = {
        f"{what}-{level}": (what, level)
        for what in options.measures if what in system.behaviours
        for level in (options.levels or LEVELS[what])
    }
    total = options.seconds + WARM_UP_SECONDS
    wanted = {
        name: Wanted(level, reserve(level, total, 300) if what == "submit" else 0)
        for name, (what, level) in loads.items()
    }
    start = time.monotonic()
    with system.prepared(folder, wanted) as links, system.serving() as running:
        print(f"prepared in {time.monotonic() - start:.1f} s", file=sys.stderr)
        for name, (what, level) in loads.items():
            load = Load(system.behaviours[what], running.port, links[name], options.seconds, processes=options.generators)
            found = measure(load, running.trees)
            say(row(system, what, level, found) + " | " + system.check(name, found.tally.acknowledged))


def row(system: System, what: str, level: int, found: Measured) -> str:
    p = [f"{found.percentile(what, n):.1f}" for n in (50, 95, 99)]
    trees = ", ".join(f"{t} {found.cpu_each(what, t):.2f}" for t in found.server_cpu)
    return (f"{system.name} {what} {level}: {found.rate(what):.1f}/s p50/95/99 {'/'.join(p)} ms; cpu {found.cpu_each(what):.2f} ({trees}); "
            f"errors {found.errors}, cut {found.tally.cut}, reconnects {found.tally.reconnected}, gen {found.generator_cpu:.3f} ms")


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
