"""Crowds of participants in processes of their own, and what they measured together."""

import contextlib
import multiprocessing
import resource
import signal
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.loading.crowd import REPLY_SECONDS, Crowd, Script
from benchmarks.loading.servers import ServerTrouble, processor_seconds
from benchmarks.loading.tally import Tally

Behaviour = Callable[[str, Sequence[str], Tally], Script]
WARM_UP_SECONDS = 2.0
WALK_SECONDS = 600.0
_START_SECONDS = 0.3  # from the word "go" to the first click
_MOST_ERRORS = 3  # kinds of errors that are named


@dataclass(frozen=True)
class Load:
    """Who clicks on what: one list of links for each participant, who hand over to one another within it."""

    behaviour: Behaviour
    port: int
    links: Sequence[Sequence[str]]
    seconds: float
    warm_up: float = WARM_UP_SECONDS
    processes: int = 1
    at_once: int = 8  # participants that walk in side by side


@dataclass(frozen=True)
class Measured:
    """What came of a load. Milliseconds are of what was done within the window, processor times those of the window."""

    seconds: float
    tally: Tally
    server_cpu: dict[str, float]  # seconds, by name of the tree of processes
    ready: int  # participants who stood where the measuring began

    @property
    def done(self) -> int:
        """How much was done within the window."""
        return sum(map(len, self.tally.seconds.values()))

    @property
    def rate(self) -> float:
        """How much a second."""
        return self.done / self.seconds

    def percentile(self, percent: int) -> float:
        """Return a percentile of the times, in milliseconds."""
        times = [took for kind in self.tally.seconds.values() for took in kind]
        if len(times) < 2:
            return float("nan")
        return statistics.quantiles(times, n=100, method="inclusive")[percent - 1] * 1000

    def cpu_each(self, tree: str | None = None) -> float:
        """Return milliseconds of processor time for each thing done, in one tree of the server or in all."""
        used = sum(self.server_cpu.values()) if tree is None else self.server_cpu[tree]
        return used * 1000 / max(self.done, 1)

    @property
    def cores(self) -> float:
        """How many cores the server kept busy."""
        return sum(self.server_cpu.values()) / self.seconds

    @property
    def generator_cpu(self) -> float:
        """Milliseconds of processor time that the participants took for each request."""
        return self.tally.cpu * 1000 / max(self.tally.requests, 1)

    @property
    def errors(self) -> str:
        """How many errors there were, and the most frequent kinds."""
        if not self.tally.errors:
            return "0"
        kinds = ", ".join(f"{count} × {kind}" for kind, count in self.tally.errors.most_common(_MOST_ERRORS))
        return f"{self.tally.errors.total()} ({kinds})"


def measure(load: Load, trees: dict[str, list[int]]) -> Measured:
    """Let everybody walk in and click; `trees` are the server's first processes, by name."""
    shares = [load.links[number :: load.processes] for number in range(load.processes)]
    with _processes(load, [share for share in shares if share]) as pipes:
        ready = sum(_hear(pipe, WALK_SECONDS + 30) for pipe in pipes)
        begin = time.monotonic() + _START_SECONDS + load.warm_up
        end = begin + load.seconds
        for pipe in pipes:
            pipe.send((begin, end))
        before = _cpu_at(begin, trees)
        after = _cpu_at(end, trees)
        tally = Tally()
        for pipe in pipes:
            tally.add(_hear(pipe, REPLY_SECONDS + 30))
    used = {name: after[name] - before[name] for name in trees}
    return Measured(seconds=load.seconds, tally=tally, server_cpu=used, ready=ready)


def _cpu_at(moment: float, trees: dict[str, list[int]]) -> dict[str, float]:
    time.sleep(max(0.0, moment - time.monotonic()))
    return {name: processor_seconds(roots) for name, roots in trees.items()}


@contextlib.contextmanager
def _processes(load: Load, shares: Sequence[Sequence[Sequence[str]]]) -> Iterator[list[Connection]]:
    context = multiprocessing.get_context("spawn")
    pipes, processes = [], []
    try:
        for share in shares:
            ours, theirs = context.Pipe()
            process = context.Process(target=_click, args=(load, share, theirs), daemon=True)
            process.start()
            theirs.close()
            pipes.append(ours)
            processes.append(process)
        yield pipes
    finally:
        for process in processes:
            process.terminate()
            process.join(10)


def _hear(pipe: Connection, seconds: float) -> Any:
    try:
        said = pipe.recv() if pipe.poll(seconds) else "It has said nothing in time."
    except EOFError:
        said = "It has ended."
    if isinstance(said, str):
        raise ServerTrouble(f"A process of participants failed: {said}")
    return said


def _click(load: Load, links: Sequence[Sequence[str]], pipe: Connection) -> None:
    """Run one crowd: say how many stand ready, hear when to begin and to end, and say what came of it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is dealt with by the process that has started this one
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    tally = Tally()
    host = f"127.0.0.1:{load.port}"
    crowd = Crowd(("127.0.0.1", load.port), (load.behaviour(host, mine, tally) for mine in links), tally)
    try:
        crowd.walk_in(at_once=load.at_once, seconds=WALK_SECONDS)
        pipe.send(len(crowd.ready))
        crowd.run(*pipe.recv())
        pipe.send(tally)
    except (TimeoutError, OSError) as error:
        pipe.send(f"{type(error).__name__}: {error}")
    except EOFError:
        pass  # who has started this one is gone
