"""What judges say of two systems' outputs, as win rates: by what was compared, and brought together. No database here.

The unit is a pair of outputs, that of the base and that of the test for one prompt. It is won or lost if both orders
agree, a tie if they do not, and invalid, which is counted apart, if an answer is missing or cannot be read.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from annotation.errors import ServiceError
from modelhub.stats.adjusted import clustered_share
from modelhub.stats.winrate import PERSONALIZATION, QUALITY, Verdict, pair_outcomes, win_rates

METRICS = (PERSONALIZATION, QUALITY)
NO_PERSONA = "none"
SAME, WITHOUT, OTHER = "same_persona", "without_persona", "other_persona"
SHARES = ("win", "tie", "loss")


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


def judged_report(
    rows: Iterable[JudgedRow], excluded: Mapping[Matched, int] | None = None, *, seed: int = 0
) -> list[dict[str, Any]]:
    """Return win rates and Delta-PQ of everything that was compared, in order.

    Keys: those of `Matched`; pairs, units, excluded (units left out since an output of theirs is excluded);
    metrics, delta_pq, delta_pq_ci, reasons as in `win_rates`; and `worse`, see `_worse`.
    """
    found: defaultdict[Matched, list[JudgedRow]] = defaultdict(list)
    for row in rows:
        found[row.matched].append(row)
    left_out = excluded or {}
    return [_compared(matched, found.get(matched, []), left_out.get(matched, 0), seed)
            for matched in sorted({*found, *left_out})]  # fmt: skip


def outcomes_of(rows: Iterable[JudgedRow]) -> dict[str, dict[str, str]]:
    """Return metric -> unit -> outcome, as `pair_outcomes` does, of the rows of one `Matched`."""
    return pair_outcomes(Verdict(row.unit, row.metric, row.order, row.verdict) for row in rows)


def comparisons(report: Sequence[Mapping[str, Any]], names: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
    """Return the rows of the report by what they compare, each comparison with the mean of its rows.

    `names` are what systems go by, by their own name: systems trained on different data sets can so be rows of one
    comparison. Where several systems have inferred the personas of one data set and source, each has a comparison of
    its own: a mean over both would count the data set twice. Keys: kind (personas of the base: the same source, none,
    or another), base, test, split, judge, rubric, inferred_by, rows, average.

    Raises:
        ServiceError: two rows of a comparison are about the same data set and source.
    """
    called = names or {}
    found: defaultdict[Comparison, list[Mapping[str, Any]]] = defaultdict(list)
    for row in report:
        base, test = (called.get(row[side], row[side]) for side in ("base", "test"))
        about = Matched(**{name: row[name] for name in Matched.__dataclass_fields__})
        found[comparison_of(replace(about, base=base, test=test))].append(row)
    for one, rows in found.items():
        _check_names(one, rows)
    parted = [part for one, rows in found.items() for part in _by_inferrer(one, rows)]
    return [{**vars(one), "rows": rows, "average": _average(rows)} for one, rows in parted]


def comparison_of(matched: Matched) -> Comparison:
    """Return the comparison that a row of the results belongs to."""
    kind = WITHOUT if matched.base_source == NO_PERSONA else OTHER
    return Comparison(
        SAME if matched.base_source == matched.source else kind,
        matched.base, matched.test, matched.split, matched.judge, matched.rubric,
    )  # fmt: skip


def _by_inferrer(
    one: Comparison, rows: Sequence[Mapping[str, Any]]
) -> list[tuple[Comparison, list[Mapping[str, Any]]]]:
    """Return the comparison as it is, or in parts if several systems have inferred personas of the same kind."""
    if len({(row["dataset"], row["base_source"], row["source"]) for row in rows}) == len(rows):
        return [(one, list(rows))]
    names = sorted({row["inferred_by"] for row in rows})
    return [(replace(one, inferred_by=name), [row for row in rows if row["inferred_by"] == name]) for name in names]


def metric_shares(metric: Mapping[str, Any]) -> tuple[float, float, float] | None:
    """Return the shares of win, tie (of both kinds) and loss among valid units; None where there are none."""
    if not metric["n"]:
        return None
    ties = metric["tie_order"] + metric["tie_genuine"]
    return metric["win"] / metric["n"], ties / metric["n"], metric["loss"] / metric["n"]


def _compared(matched: Matched, rows: Sequence[JudgedRow], excluded: int, seed: int) -> dict[str, Any]:
    outcomes = outcomes_of(rows)
    pairs = {row.unit: row.pair for row in rows}
    return {
        **vars(matched),
        "pairs": len(set(pairs.values())),
        "units": len(pairs),
        "excluded": excluded,
        **win_rates(outcomes, seed=seed),
        "worse": _worse(outcomes, pairs) if _is_generic(matched) else None,
    }


def _is_generic(matched: Matched) -> bool:
    """Return whether the base is a generic arm, of whichever system: given no persona where the test is given one."""
    return matched.base_source == NO_PERSONA != matched.source


def _worse(outcomes: Mapping[str, Mapping[str, str]], pairs: Mapping[str, int]) -> dict[str, Any]:
    """Return by metric the share of valid units where personalization made things worse: the generic output wins.

    The interval is Wilson's, clustered by preference pair.
    """
    found = {}
    for metric in METRICS:
        valid = {unit: outcome for unit, outcome in outcomes.get(metric, {}).items() if outcome != "invalid"}
        share = clustered_share(
            [int(outcome == "loss") for outcome in valid.values()], [str(pairs[unit]) for unit in valid]
        )
        names = {"n": "n", "count": "correct", "share": "share", "ci": "ci", "reason": "reason"}
        found[metric] = {name: share[key] for name, key in names.items()}
    return found


def _check_names(one: Comparison, rows: Sequence[Mapping[str, Any]]) -> None:
    seen: dict[tuple[str, ...], Mapping[str, Any]] = {}
    for row in rows:
        about = (row["dataset"], row["base_source"], row["source"], row["inferred_by"])
        if first := seen.get(about):
            both = " and ".join(f"{each['base']} with {each['test']}" for each in (first, row))
            raise ServiceError(
                f"{row['dataset']}, {row['source']}: {both} would both be rows of {one.base} with {one.test}; give "
                "systems that answered the same pairs names of their own."
            )
        seen[about] = row


def _average(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the mean over rows, each counting once, of shares and Delta-PQ where they are defined, with their n."""
    shares = {metric: [one for row in rows if (one := metric_shares(row["metrics"][metric]))] for metric in METRICS}
    deltas = [row["delta_pq"] for row in rows if row["delta_pq"] is not None]
    return {
        "metrics": {
            metric: {"rows": len(found), **{name: _mean([one[place] for one in found])
                                            for place, name in enumerate(SHARES)}}
            for metric, found in shares.items()
        },
        "delta_pq": _mean(deltas),
        "rows": len(deltas),
    }  # fmt: skip


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
