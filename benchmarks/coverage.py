"""How often intervals cover, tests reject a true null, and margins are shown wrongly, by design; and power.

    python -m benchmarks.coverage [--simulations 2000] [--only NAME ...]

Studies are simulated and go through the functions that stand behind the report. `t` is the interval over participants
alone, as it was before prompts counted as a sample; `rejects` is the share of true nulls that the headline p rejects.
What is true of a design is found by simulating it with very many participants and prompts.
"""

import argparse
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from tqdm import tqdm

from modelhub.results.base import Interval
from modelhub.results.comparison import PairedReport
from modelhub.stats.adjusted import adjusted_mean
from modelhub.stats.crossed import Cells, mean_spread
from modelhub.stats.effects import PairedRating
from modelhub.stats.interaction import interaction
from modelhub.stats.paired import paired_report
from modelhub.stats.ratings import FloatArray, IntArray
from modelhub.stats.wins import PreferredSystem, win_rates_of

MARGIN = 0.4
SLOPE = 0.02  # points per word
WORDS = 12.0  # SD of the difference in words


@dataclass(frozen=True)
class Simulated:
    """A design: who rates which prompts, what varies, and how it is rated. Standard deviations are in points."""

    name: str
    people: int
    prompts: int
    sharing: str = "own"  # own, shared or pool; of a pool, `unbalanced` people rate 1 to `prompts`
    pool: int = 0
    unbalanced: bool = False
    sd_people: float = 0.4
    sd_prompts: float = 0.6
    sd_rest: float = 1.2
    middle: float = 3.0  # of the scale from 1 to 5; near its end, ratings pile up there
    coarse: float = 1.0  # points within which a difference is not told: ties
    difference: float = 0.0


DESIGNS = (
    Simulated("8 people, 18 own prompts", 8, 18),
    Simulated("20 people, 10 own prompts", 20, 10),
    Simulated("40 people, 3 own prompts", 40, 3),
    Simulated("20 people, own, unbalanced", 20, 10, unbalanced=True),
    Simulated("20 people, own, heavy ties", 20, 10, coarse=2.5),
    Simulated("20 people, own, ceiling", 20, 10, middle=4.6),
    Simulated("8 people, 18 shared", 8, 18, "shared"),
    Simulated("20 people, 10 shared", 20, 10, "shared"),
    Simulated("40 people, 10 shared", 40, 10, "shared"),
    Simulated("40 people, 6 shared, only prompts vary", 40, 6, "shared", sd_people=0.0),
    Simulated("30 people, 5 shared", 30, 5, "shared"),
    Simulated("100 people, 20 shared", 100, 20, "shared"),
    Simulated("20 people, 10 shared, prompts alike", 20, 10, "shared", sd_prompts=0.0),
    Simulated("20 people, 10 shared, people alike", 20, 10, "shared", sd_people=0.0),
    Simulated("20 people, 10 shared, heavy ties", 20, 10, "shared", coarse=2.5),
    Simulated("20 people, 10 shared, ceiling", 20, 10, "shared", middle=4.6),
    Simulated("30 people, 10 of a pool of 40", 30, 10, "pool", 40),
    Simulated("20 people, 6 of a pool of 12", 20, 6, "pool", 12),
    Simulated("40 people, 3 of a pool of 6", 40, 3, "pool", 6),
    Simulated("30 people, 10 of a pool of 1,000", 30, 10, "pool", 1000),
    Simulated("20 people, 1 to 10 of a pool of 20", 20, 10, "pool", 20, unbalanced=True),
    Simulated("12 people, 1 to 6 of a pool of 8", 12, 6, "pool", 8, unbalanced=True),
    Simulated("20 people, 6 of 12, heavy ties", 20, 6, "pool", 12, coarse=2.5),
    Simulated("20 people, 6 of 12, ceiling", 20, 6, "pool", 12, middle=4.6),
)


@dataclass(frozen=True)
class SimulatedStudy:
    """One simulated study, an entry per pair."""

    person: IntArray
    prompt: IntArray
    base: IntArray
    test: IntArray
    words: FloatArray

    @property
    def pairs(self) -> list[PairedRating]:
        """The pairs as the statistics take them."""
        rows = zip(self.person.tolist(), self.prompt.tolist(), self.base.tolist(), self.test.tolist(), strict=True)
        return [PairedRating(f"p{p}", f"i{i}", base=Fraction(base), test=Fraction(test)) for p, i, base, test in rows]

    @property
    def difference(self) -> IntArray:
        """Test minus base."""
        return self.test - self.base


def draw(design: Simulated, rng: np.random.Generator) -> SimulatedStudy:
    """Return one study of this design."""
    person, prompt = _cells(design, rng)
    words = rng.normal(0, WORDS, len(person)).round()
    true = (
        design.difference
        + rng.normal(0, design.sd_people, design.people)[person]
        + rng.normal(0, design.sd_prompts, int(prompt.max()) + 1)[prompt]
        + rng.normal(0, design.sd_rest, len(person))
        + SLOPE * words
    )
    true = np.where(np.abs(true) < design.coarse / 2, 0.0, true)
    middle = design.middle + rng.normal(0, 0.7, len(person))
    base, test = (np.clip(np.rint(middle + sign * true / 2), 1, 5).astype(np.int64) for sign in (-1, 1))
    return SimulatedStudy(person, prompt, base, test, words)


def _cells(design: Simulated, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
    shape = (design.people, design.prompts)
    person = np.repeat(np.arange(design.people), design.prompts)
    if design.sharing == "shared":
        prompt = np.tile(np.arange(design.prompts), design.people)
    elif design.sharing == "pool":
        prompt = rng.random((design.people, design.pool)).argsort(axis=1)[:, : design.prompts].ravel()
    else:
        prompt = np.arange(design.people * design.prompts)
    kept = np.ones(shape, dtype=bool)
    if design.unbalanced:
        kept = np.arange(design.prompts) < rng.integers(1, design.prompts + 1, (design.people, 1))
    return person[kept.ravel()], prompt[kept.ravel()]


@dataclass(frozen=True)
class Truth:
    """What is true of a design, of people and prompts without number."""

    difference: float
    at_equal_length: float
    net_win: float
    win_share: float
    superiority: float


def truth(design: Simulated) -> Truth:
    """Return what is true of a design, to about .003."""
    many = replace(design, people=400_000, prompts=1, sharing="own", unbalanced=False)
    study = draw(many, np.random.default_rng(99))
    found = study.difference
    won, lost = float((found > 0).mean()), float((found < 0).mean())
    intercept = float(np.polyfit(study.words, found, 1)[1])
    return Truth(float(found.mean()), intercept, won - lost, won / (won + lost), won + (1 - won - lost) / 2)


def simulate(design: Simulated, simulations: int, *, seed: int = 0) -> dict[str, float]:
    """Return the shares of `simulations` studies in which each interval covers, and each test claims something."""
    rng, true = np.random.default_rng(seed), truth(design)
    counts: Counter[str] = Counter()
    for _ in range(simulations):
        study = draw(design, rng)
        pairs = study.pairs
        report = paired_report(pairs, span=4.0)
        before = paired_report(pairs, prompts_fixed=True)
        counts.update(name for name, holds in _claims(study, report, before, true) if holds)
    return {name: counts[name] / simulations for name in COLUMNS}


COLUMNS = ("t", "mean", "length", "net win", "win share", "superiority", "standardized", "rejects", "t not inferior",
           "not inferior", "interaction", "power", "t power")  # fmt: skip


def _claims(
    study: SimulatedStudy, report: PairedReport, before: PairedReport, true: Truth
) -> Iterator[tuple[str, bool]]:
    people, prompts = ([str(name) for name in names.tolist()] for names in (study.person, study.prompt))
    line = adjusted_mean(people, study.difference.tolist(), study.words.tolist(), prompts=prompts, span=4.0)
    sides = np.select([study.difference > 0, study.difference < 0], ["test", "base"], "tie").tolist()
    wins = win_rates_of(
        [PreferredSystem(*one) for one in zip(people, prompts, sides, strict=True)], "ratings",
        prompts_fixed=False, seed=0,
    )  # fmt: skip
    yield "t", _covers(before.ci, true.difference)
    yield "mean", _covers(report.ci, true.difference)
    yield "length", _covers(line.ci, true.at_equal_length)
    yield "net win", _covers(wins.net_win_ci, true.net_win)
    yield "win share", _covers(wins.win_share_ci, true.win_share)
    yield "superiority", _covers(report.p_superiority_ci, true.superiority)
    yield "standardized", _covers(report.standardized_ci, 0.0)
    yield "rejects", report.headline_p is not None and report.headline_p <= 0.05
    halves = [str(prompt % 2) for prompt in study.prompt.tolist()]
    found = interaction(study.pairs, halves)
    yield "interaction", found.p is not None and found.p <= 0.05
    # The worst case that is still inferior: lower by the whole margin.
    lower = study.difference.astype(np.float64) - true.difference - MARGIN
    for name, shared in (("not inferior", prompts), ("t not inferior", None)):
        spread = mean_spread(Cells(people, shared), lower)
        bounds = spread.interval(confidence=0.90) if spread else None
        yield name, bounds is not None and bounds[0] > -MARGIN
    higher = [pair._replace(test=pair.test + Fraction(1, 2)) for pair in study.pairs]
    for name, fixed in (("power", False), ("t power", True)):
        p = paired_report(higher, prompts_fixed=fixed).headline_p
        yield name, p is not None and p <= 0.05


def _covers(ci: Interval | None, true: float) -> bool:
    return ci is not None and ci[0] <= true <= ci[1]


def main() -> None:
    """Print one row per design as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--simulations", type=int, default=2000)
    parser.add_argument("--only", nargs="+", default=[])
    options = parser.parse_args()
    chosen = [design for design in DESIGNS if not options.only or design.name in options.only]
    rows: list[tuple[str, dict[str, Any]]] = []
    for design in tqdm(chosen, disable=None, unit="design"):
        rows.append((design.name, simulate(design, options.simulations)))
    print(f"| design | {' | '.join(COLUMNS)} |\n|---|{'---|' * len(COLUMNS)}")
    for name, found in rows:
        print(f"| {name} | {' | '.join(f'{found[column]:.3f}'.removeprefix('0') for column in COLUMNS)} |")


if __name__ == "__main__":
    main()
