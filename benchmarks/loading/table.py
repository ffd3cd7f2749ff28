"""What was measured, in Markdown: a table for each measure, the ratios to the other tools, and the aims."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from benchmarks.loading.generator import Measured
from benchmarks.loading.sizing import CLICKS_A_SECOND, LIMIT_MS, Try, largest

TITLES = {"save": "Autosaves", "submit": "Submit-and-next"}
UNITS = {"save": "saves/s", "submit": "pages/s"}
PEER = {"save": "potato", "submit": "otree"}
AIM_LEVEL = 64


@dataclass(frozen=True)
class Outcome:
    """One load on one system: what was measured, and what the look into its storage said."""

    measured: Measured
    stored: str


@dataclass
class Results:
    """Everything that a run has found."""

    outcomes: dict[tuple[str, str, int], list[Outcome]] = field(default_factory=dict)  # system, measure, annotators
    sizing: dict[str, list[Try]] = field(default_factory=dict)
    absent: list[str] = field(default_factory=list)  # what was left out, and why
    failed: list[str] = field(default_factory=list)

    def of(self, system: str, what: str, level: int) -> Measured | None:
        """Return the round of a load that was in the middle, by how much was done."""
        rounds = self.outcomes.get((system, what, level), [])
        ordered = sorted((one.measured for one in rounds), key=lambda measured: measured.rate)
        return ordered[len(ordered) // 2] if ordered else None

    def levels(self, what: str) -> list[int]:
        """Return the numbers of annotators that were measured."""
        return sorted({level for _, measure, level in self.outcomes if measure == what})

    def systems(self) -> list[str]:
        """Return the systems that were measured, in their order."""
        return list(dict.fromkeys(system for system, _, _ in self.outcomes))


def report(results: Results) -> str:
    """Return all tables."""
    parts = []
    for what, title in TITLES.items():
        if results.levels(what):
            parts += [f"### {title}", "\n".join(_rows(results, what))]
    for part in (_ratios(results), _sizing(results), _aims(results)):
        if lines := list(part):
            parts.append("\n".join(lines))
    parts += [f"Left out: {text}" for text in results.absent] + [f"**Failed:** {text}" for text in results.failed]
    return "\n\n".join(parts)


def _line(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def _rows(results: Results, what: str) -> Iterator[str]:
    heads = (
        "system", "annotators", UNITS[what], "p50 ms", "p95 ms", "p99 ms", "server CPU ms each", "generator CPU ms",
        "errors", "cut", "reconnected", "stored",
    )  # fmt: skip
    yield _line(*heads)
    yield "|---|" + "---:|" * 7 + "---|---:|---:|---|"
    for system in results.systems():
        for level in results.levels(what):
            measured = results.of(system, what, level)
            if measured is None:
                continue
            rounds = results.outcomes[system, what, level]
            stored = next(one.stored for one in rounds if one.measured is measured)
            yield _line(
                system, level, f"{measured.rate:.0f}", *(f"{measured.percentile(p):.0f}" for p in (50, 95, 99)),
                _cpu(measured), f"{measured.generator_cpu:.2f}", measured.errors, measured.tally.cut,
                measured.tally.reconnected, stored,
            )  # fmt: skip


def _cpu(measured: Measured) -> str:
    """Return the processor time of each thing done, and of the trees it is made of where there are several."""
    whole = f"{measured.cpu_each():.2f}"
    if len(measured.server_cpu) == 1:
        return whole
    return whole + " (" + ", ".join(f"{tree} {measured.cpu_each(tree):.2f}" for tree in measured.server_cpu) + ")"


def _pairs(results: Results, what: str) -> Iterator[tuple[str, str, int, Measured, Measured]]:
    """Yield each of our systems beside each other tool, at every level that both have."""
    systems = results.systems()
    for peer in (name for name in systems if not name.startswith("ours")):
        for ours in (name for name in systems if name.startswith("ours")):
            for level in results.levels(what):
                mine, theirs = results.of(ours, what, level), results.of(peer, what, level)
                if mine and theirs and mine.done and theirs.done:
                    yield ours, peer, level, mine, theirs


def _ratios(results: Results) -> Iterator[str]:
    rows = [
        _line(
            TITLES[what], f"{ours} / {peer}", level, f"{mine.cpu_each() / theirs.cpu_each():.2f}",
            f"{mine.rate / theirs.rate:.2f}", f"{mine.percentile(95) / theirs.percentile(95):.2f}",
        )
        for what in TITLES
        for ours, peer, level, mine, theirs in _pairs(results, what)
    ]  # fmt: skip
    if rows:
        yield "### Ratios\n"
        yield _line("", "", "annotators", "CPU each", "done a second", "p95")
        yield "|---|---|---:|---:|---:|---:|"
        yield from rows


def _sizing(results: Results) -> Iterator[str]:
    if not results.sizing:
        return
    yield f"### One worker process, a click every {1 / CLICKS_A_SECOND:.0f} s\n"
    yield _line("system", "participants", "clicks/s", "p50 ms", "p95 ms", "cores busy", "errors", "carried")
    yield "|---|---:|---:|---:|---:|---:|---|---|"
    for system, done in results.sizing.items():
        for one in sorted(done, key=lambda one: one.people):
            m, is_carried = one.measured, "yes" if one.is_carried else "no"
            cells = (f"{m.rate:.1f}", f"{m.percentile(50):.0f}", f"{m.percentile(95):.0f}", f"{m.cores:.2f}")
            yield _line(system, one.people, *cells, m.errors, is_carried)
    for system, done in results.sizing.items():
        best = largest(done)
        yield f"\n{system}: " + (_carried(best) if best else "none of these was carried.")


def _carried(best: Try) -> str:
    each = best.people / max(best.measured.cores, 0.01)
    return (
        f"one process carries {best.people} participants (p95 below {LIMIT_MS:.0f} ms) with "
        f"{best.measured.cores:.2f} cores: {each:.0f} participants for each core that is busy."
    )


def _aims(results: Results) -> Iterator[str]:
    rows = []
    for ours, peer, level, mine, theirs in _pairs(results, "save"):
        if peer == PEER["save"] and level == AIM_LEVEL:
            cpu, late = mine.cpu_each() / theirs.cpu_each(), mine.percentile(95) / theirs.percentile(95)
            rows.append((ours, "CPU for a save", "≤ 1/2 of Potato's (goal 1/3)", cpu, cpu <= 1 / 2))
            rows.append((ours, "saves/s", "≥ 3 × Potato's", rate := mine.rate / theirs.rate, rate >= 3))
            rows.append((ours, "p95 of a save", "≤ 1/5 of Potato's", late, late <= 1 / 5))
    for ours, peer, level, mine, theirs in _pairs(results, "submit"):
        if peer == PEER["submit"] and level == AIM_LEVEL:
            rows.append((ours, "pages/s", "≥ 3 × oTree's", rate := mine.rate / theirs.rate, rate >= 3))
    if rows:
        yield f"### Aims, at {AIM_LEVEL} annotators\n"
        yield _line("system", "what", "aim", "is", "reached")
        yield "|---|---|---|---:|---|"
        for ours, what, aim, value, is_reached in rows:
            yield _line(ours, what, aim, f"{value:.2f}", "yes" if is_reached else "no")
