"""What judges say of two systems' outputs, as win rates: by what was compared, and brought together. No database here.

The unit is a pair of outputs, that of the base and that of the test for one prompt. It is won or lost if both orders
agree, a tie if they do not, and invalid, which is counted apart, if an answer is missing or cannot be read.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from annotation.errors import ServiceError
from modelhub.pipeline_results.averages import JudgedPairs, average_of
from modelhub.results.judge import AverageShares, Harm, JudgedComparison, JudgedResult, MetricRates
from modelhub.stats.adjusted import clustered_share
from modelhub.stats.winrate import METRICS, Verdict, pair_outcomes, win_rates

NO_PERSONA = "none"
SAME, WITHOUT, OTHER = "same_persona", "without_persona", "other_persona"


@dataclass(frozen=True, order=True)
class Matched:
    """What one row of the results is about. Systems by name; `base_source` and `source` are those of their personas.

    `inferred_by` names what inferred these personas; empty where they were not inferred.
    """

    dataset: str
    split: str
    base: str
    base_source: str
    test: str
    source: str
    judge: str
    rubric: str
    inferred_by: str = ""


@dataclass(frozen=True)
class Comparison:
    """What is compared on whatever data sets and sources there are; `kind` is SAME, WITHOUT or OTHER.

    `inferred_by` names what inferred the personas where several have done so for one data set and source, else empty.
    """

    kind: str
    base: str
    test: str
    split: str
    judge: str
    rubric: str
    inferred_by: str = ""


@dataclass(frozen=True)
class JudgedRow:
    """One verdict: `unit` is any id of the two outputs, `pair` of the preference pair; None is unreadable."""

    matched: Matched
    unit: str
    pair: int
    metric: str
    order: str
    verdict: str | None


@dataclass(frozen=True)
class JudgedRates:
    """A row of the results, with the outcomes that it was counted from."""

    result: JudgedResult
    judged: JudgedPairs = field(repr=False)


def judged_report(rows: Iterable[JudgedRow], excluded: Mapping[Matched, int] | None = None) -> list[JudgedRates]:
    """Return win rates and Delta-PQ of everything that was compared, in order; intervals are over preference pairs.

    `excluded` counts the units that are left out since an output of theirs is excluded.
    """
    found: defaultdict[Matched, list[JudgedRow]] = defaultdict(list)
    for row in rows:
        found[row.matched].append(row)
    left_out = excluded or {}
    return [_compared(matched, found.get(matched, []), left_out.get(matched, 0))
            for matched in sorted({*found, *left_out})]  # fmt: skip


def outcomes_of(rows: Iterable[JudgedRow]) -> dict[str, dict[str, str]]:
    """Return metric -> unit -> outcome, as `pair_outcomes` does, of the rows of one `Matched`."""
    return pair_outcomes(Verdict(row.unit, row.metric, row.order, row.verdict) for row in rows)


def comparisons(report: Sequence[JudgedRates], names: Mapping[str, str] | None = None) -> list[JudgedComparison]:
    """Return the rows of the report by what they compare, each comparison with the mean of its rows.

    `names` are what systems go by, by their own name: systems trained on different data sets can so be rows of one
    comparison. Where several systems have inferred the personas of one data set and source, each has a comparison of
    its own: a mean over both would count the data set twice.

    Raises:
        ServiceError: two rows of a comparison are about the same data set and source.
    """
    called = names or {}
    found: defaultdict[Comparison, list[JudgedRates]] = defaultdict(list)
    for row in report:
        about = matched_of(row.result)
        base, test = (called.get(name, name) for name in (about.base, about.test))
        found[comparison_of(replace(about, base=base, test=test))].append(row)
    for one, rows in found.items():
        _check_names(one, rows)
    parted = [part for one, rows in found.items() for part in _by_inferrer(one, rows)]
    return [
        JudgedComparison(
            **vars(one), rows=[row.result for row in rows], average=average_of([row.judged for row in rows])
        )
        for one, rows in parted
    ]


def matched_of(row: JudgedResult) -> Matched:
    """Return what a row of the results is about."""
    return Matched(**{name: getattr(row, name) for name in Matched.__dataclass_fields__})


def comparison_of(matched: Matched) -> Comparison:
    """Return the comparison that a row of the results belongs to."""
    kind = WITHOUT if matched.base_source == NO_PERSONA else OTHER
    return Comparison(
        SAME if matched.base_source == matched.source else kind,
        matched.base, matched.test, matched.split, matched.judge, matched.rubric,
    )  # fmt: skip


def _by_inferrer(one: Comparison, rows: Sequence[JudgedRates]) -> list[tuple[Comparison, list[JudgedRates]]]:
    """Return the comparison as it is, or in parts if several systems have inferred personas of the same kind."""
    if len({(row.result.dataset, row.result.base_source, row.result.source) for row in rows}) == len(rows):
        return [(one, list(rows))]
    names = sorted({row.result.inferred_by for row in rows})
    return [(replace(one, inferred_by=name), [row for row in rows if row.result.inferred_by == name]) for name in names]


def metric_shares(metric: MetricRates) -> tuple[float, float, float] | None:
    """Return the shares of win, tie (of both kinds) and loss among valid units; None where there are none."""
    if not metric.n:
        return None
    ties = metric.tie_order + metric.tie_genuine
    return metric.win / metric.n, ties / metric.n, metric.loss / metric.n


def average_shares(average: AverageShares) -> tuple[float, float, float] | None:
    """Return the mean shares of win, tie and loss; None where no row has any."""
    shares = (average.win, average.tie, average.loss)
    return None if None in shares else shares  # type: ignore[return-value]


def _compared(matched: Matched, rows: Sequence[JudgedRow], excluded: int) -> JudgedRates:
    outcomes = outcomes_of(rows)
    pairs = {row.unit: str(row.pair) for row in rows}
    result = JudgedResult(
        **vars(matched),
        **dict(win_rates(outcomes, pairs)),
        pairs=len(set(pairs.values())),
        units=len(pairs),
        excluded=excluded,
        worse=_worse(outcomes, pairs) if _is_generic(matched) else None,
    )
    return JudgedRates(result, JudgedPairs(matched.dataset, outcomes, pairs))


def _is_generic(matched: Matched) -> bool:
    """Return whether the base is a generic arm, of whichever system: given no persona where the test is given one."""
    return matched.base_source == NO_PERSONA != matched.source


def _worse(outcomes: Mapping[str, Mapping[str, str]], pairs: Mapping[str, str]) -> dict[str, Harm]:
    """Return by metric the share of valid units where personalization made things worse: the generic output wins.

    The interval is Wilson's, clustered by preference pair.
    """
    found = {}
    for metric in METRICS:
        valid = {unit: outcome for unit, outcome in outcomes.get(metric, {}).items() if outcome != "invalid"}
        share = clustered_share([int(outcome == "loss") for outcome in valid.values()], [pairs[unit] for unit in valid])
        found[metric] = Harm(
            n=share["n"], count=share["correct"], share=share["share"], ci=share["ci"], reason=share["reason"]
        )
    return found


def _check_names(one: Comparison, rows: Sequence[JudgedRates]) -> None:
    seen: dict[tuple[str, ...], JudgedResult] = {}
    for row in (rates.result for rates in rows):
        about = (row.dataset, row.base_source, row.source, row.inferred_by)
        if first := seen.get(about):
            both = " and ".join(f"{each.base} with {each.test}" for each in (first, row))
            raise ServiceError(
                f"{row.dataset}, {row.source}: {both} would both be rows of {one.base} with {one.test}; give "
                "systems that answered the same pairs names of their own."
            )
        seen[about] = row
