"""The mean of several rows of win rates, with what it says of other preference pairs. No database here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from modelhub.results.base import Interval
from modelhub.results.judge import AverageRates, AverageShares
from modelhub.stats.scores import JOINED_METHOD, BoundedMean, mean_of
from modelhub.stats.winrate import METRICS, SINGLE, delta_pq_parts, unit_mean

_OF = {"win": "win", "tie_order": "tie", "tie_genuine": "tie", "loss": "loss"}


@dataclass(frozen=True)
class JudgedPairs:
    """The outcomes of one row, metric -> unit -> outcome, and the preference pair of each unit of its data set."""

    dataset: str
    outcomes: Mapping[str, Mapping[str, str]]
    pairs: Mapping[str, str]


def average_of(rows: Sequence[JudgedPairs]) -> AverageRates:
    """Return the mean over rows, each counting once, of shares and Delta-PQ where they are defined, with their n.

    Rows of one data set share preference pairs, so their intervals are joined by how far they go together over these.
    """
    parts = [
        found for row in rows if len(found := delta_pq_parts(row.outcomes, row.pairs, row.dataset)) == len(METRICS)
    ]
    delta, ci = mean_of([one for found in parts for one in found]).scaled(-100.0, 100.0) if parts else (None, None)
    return AverageRates(
        metrics={metric: _shares(rows, metric) for metric in METRICS},
        delta_pq=delta, delta_pq_ci=ci, delta_pq_ci_method=JOINED_METHOD if ci else None,
        rows=len(parts), weights="rows", generalises_over=["preference_pairs"],
        reasons=_reasons("delta_pq", delta, ci, "no_decided_pairs"),
    )  # fmt: skip


def _shares(rows: Sequence[JudgedPairs], metric: str) -> AverageShares:
    means = {name: _mean_share(rows, metric, name) for name in ("win", "tie", "loss")}
    values = {name: mean.estimate if mean else None for name, mean in means.items()}
    intervals = {name: mean.ci if mean else None for name, mean in means.items()}
    reasons = [_reasons(name, values[name], intervals[name], "no_valid_pairs") for name in means]
    return AverageShares(
        rows=sum(unit_mean(row.outcomes.get(metric, {}), row.pairs, dict.fromkeys(_OF, 1.0)) is not None
                 for row in rows),
        win=values["win"], tie=values["tie"], loss=values["loss"],
        win_ci=intervals["win"], tie_ci=intervals["tie"], loss_ci=intervals["loss"],
        reasons={key: code for found in reasons for key, code in found.items()},
    )  # fmt: skip


def _mean_share(rows: Sequence[JudgedPairs], metric: str, wanted: str) -> BoundedMean | None:
    scores = {outcome: float(name == wanted) for outcome, name in _OF.items()}
    found = [unit_mean(row.outcomes.get(metric, {}), row.pairs, scores, row.dataset) for row in rows]
    known = [one for one in found if one is not None]
    return mean_of(known) if known else None


def _reasons(name: str, value: float | None, ci: Interval | None, missing: str) -> dict[str, str]:
    if value is None:
        return dict.fromkeys((name, f"{name}_ci"), missing)
    return {} if ci else {f"{name}_ci": SINGLE}
