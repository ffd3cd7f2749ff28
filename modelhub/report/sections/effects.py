"""What a study found, one effect per question, in one form whatever was asked."""

from collections.abc import Iterator
from dataclasses import dataclass

from modelhub.report.sections.names import Names, why
from modelhub.results.base import Interval
from modelhub.results.comparison import PairedReport, WinRates
from modelhub.results.report import PopulationResults, Results
from modelhub.stats.numbers import decimal, interval, reason

LEVEL = 0.05
POINTS, SHARES, NET_WINS = "points", "percentage points", "net wins"


@dataclass(frozen=True)
class FoundEffect:
    """A difference on one question: `most` is the largest possible one, `margins` what was tested at a margin.

    `value` and `ci` are in `unit`; percentage points are parts of one here, and a hundred times as much when written.
    `p` is adjusted after Holm where the question is in the declared family.
    """

    question: str
    value: float | None
    ci: Interval | None
    unit: str
    most: float
    n: int
    of: str
    p: float | None
    is_adjusted: bool
    family: str
    generalises_over: tuple[str, ...]
    reason: str | None
    warnings: tuple[str, ...]
    margins: PairedReport | None = None

    @property
    def is_confirmatory(self) -> bool:
        """Whether the study file declared it."""
        return self.family == "confirmatory"

    @property
    def is_shown(self) -> bool:
        """Whether the test rejects that there is no difference."""
        return self.p is not None and self.p <= LEVEL

    def written(self, value: float, *, sign: bool = True) -> str:
        """Return a value in the effect's unit: `+0.43`, or `+12.5` for percentage points."""
        return decimal(100 * value, digits=1, sign=sign) if self.unit == SHARES else decimal(value, sign=sign)

    @property
    def words(self) -> str:
        """The effect with its interval: `+0.43 points, 95 % CI [+0.10, +0.76]`."""
        if self.value is None:
            return "undefined"
        scale, digits = (100, 1) if self.unit == SHARES else (1, 2)
        unit = self.unit if self.unit != NET_WINS else "net wins per pair"
        spread = interval([scale * limit for limit in self.ci], digits=digits, sign=True) if self.ci else None
        return f"{self.written(self.value)} {unit}, " + (f"95 % CI {spread}" if spread else "no interval")


def effects_of(results: Results, population: str) -> list[FoundEffect]:
    """Return the effects of the main contrast over all answers, confirmatory ones first."""
    names, body = Names.of(results), results.analysis[population]
    return sorted([*_rated(body, names), *_compared(body, names), *_assessed(body, names)],
                  key=lambda effect: not effect.is_confirmatory)  # fmt: skip


def _rated(body: PopulationResults, names: Names) -> Iterator[FoundEffect]:
    pooled = body.strata.get("")
    for key, report in (pooled.comparisons if pooled else {}).items():
        yield FoundEffect(
            question=names.question(key), value=report.mean_difference, ci=report.ci, unit=POINTS,
            most=names.span(key), n=report.n_participants, of="participant",
            p=report.headline_p if report.holm_p is None else report.holm_p, is_adjusted=report.holm_p is not None,
            family=report.family, generalises_over=tuple(report.generalises_over),
            reason=why(report, "mean_difference") or why(report, "ci"), warnings=tuple(report.warnings), margins=report,
        )  # fmt: skip


def _compared(body: PopulationResults, names: Names) -> Iterator[FoundEffect]:
    pooled = body.strata.get("")
    for key, wins in (pooled.win_rates.aspects if pooled else {}).items():
        if wins.source == "comparison":
            yield _wins(names.question(key), wins)


def _wins(question: str, wins: WinRates) -> FoundEffect:
    return FoundEffect(
        question=question, value=wins.net_win_mean, ci=wins.net_win_ci, unit=NET_WINS, most=1.0, n=wins.participants,
        of="participant", p=wins.headline_p if wins.holm_p is None else wins.holm_p,
        is_adjusted=wins.holm_p is not None, family=wins.family, generalises_over=tuple(wins.generalises_over),
        reason=why(wins, "net_win_mean") or why(wins, "net_win_ci"), warnings=tuple(wins.warnings),
    )  # fmt: skip


def _assessed(body: PopulationResults, names: Names) -> Iterator[FoundEffect]:
    for key, found in (body.persona.aspects if body.persona else {}).items():
        report, is_share = found.comparison, found.measure == "share"
        yield FoundEffect(
            question=names.question(key), value=report.mean_difference, ci=report.ci,
            unit=SHARES if is_share else POINTS, most=1.0 if is_share else names.span(key), n=report.n_participants,
            of="preference pair", p=report.headline_p if report.holm_p is None else report.holm_p,
            is_adjusted=report.holm_p is not None, family=report.family,
            generalises_over=tuple(report.generalises_over), reason=why(report, "mean_difference") or why(report, "ci"),
            warnings=tuple(report.warnings), margins=report,
        )  # fmt: skip


def not_compared(results: Results) -> list[str]:
    """Return a sentence for every rated question that has no mean to compare: its categories have no order."""
    return [
        f"{question.name}: {reason('no_mean_of_categories')}, by system, and no test compares them."
        for question in results.study.questions
        if question.kind == "rating" and question.level == "nominal" and question.maximum - question.minimum > 1
    ]
