"""The results of persona inference as plain text, for the terminal."""

from collections.abc import Sequence
from typing import Any

from modelhub.pipeline_results.accuracy import BOTH, CHOSEN, REJECTED, TIE
from modelhub.stats.numbers import decimal, interval, percent, percent_interval

_ACCURACY = ("data set", "system", "judge", "rubric", "direction", "n", "accuracy", "95 % CI", "disagree", "unscored")
_GAPS = ("data set", "system", "judge", "rubric", "pairs", "chosen - rejected", "95 % CI")
_COMPARISON = ("data set", "system", "judge", "rubric", "pairs", "unscored", "chosen", "tie", "rejected")
_INFERRED = ("data set", "system", "direction", "personas", "unreadable", "flagged")
_NAMES = ("dataset", "system", "judge", "rubric")
_COUNTED = ("dataset", "system", "direction", "personas", "unreadable", "flagged")


def results_as_text(results: dict[str, Any]) -> str:
    """Return accuracy, gaps, comparisons and counts as four tables; `–` stands for what is undefined."""
    accuracy, comparison = results["accuracy"], results["comparison"]
    parts = [
        "Accuracy of personas (unit: persona; each of two orders right or wrong)",
        _table(_ACCURACY, [line for row in accuracy for line in _accuracy(row)]),
        "Gap: accuracy of chosen less that of rejected personas, over pairs with both, in points",
        _table(_GAPS, [[*_group(row), *_gap(row["gap"])] for row in accuracy]),
        "Better persona of a pair (unit: pair; orders that disagree are a tie)",
        _table(_COMPARISON, [[*_group(row), *_outcomes(row)] for row in comparison]),
        "Personas there are (unreadable answers hold none and are never judged, so accuracies leave them out)",
        _table(_INFERRED, [[str(row[name]) for name in _COUNTED] for row in results["inferred"]]),
    ]
    return "\n\n".join(parts)


def points(difference: float | None) -> str:
    """Return a difference of shares in percentage points, with its sign."""
    return decimal(None if difference is None else 100 * difference, digits=1, sign=True)


def points_interval(ci: Sequence[float] | None) -> str:
    """Return the interval of a difference of shares in percentage points."""
    return interval(ci and [100 * limit for limit in ci], digits=1, sign=True)


def _group(row: dict[str, Any]) -> list[str]:
    return [row[name] for name in _NAMES]


def _accuracy(row: dict[str, Any]) -> list[list[str]]:
    lines = []
    for name in (CHOSEN, REJECTED, BOTH):
        found = row["directions"][name]
        lines.append([
            *_group(row), name, str(found["n"]), percent(found["accuracy"]), percent_interval(found["ci"]),
            percent(found["disagreement"]), str(found["unscored_answers"]),
        ])  # fmt: skip
    return lines


def _gap(gap: dict[str, Any]) -> list[str]:
    return [str(gap["n"]), points(gap["gap"]), points_interval(gap["ci"])]


def _outcomes(row: dict[str, Any]) -> list[str]:
    return [str(row["n"]), str(row["unscored"]), *(_share(row[side]) for side in (CHOSEN, TIE, REJECTED))]


def _share(outcome: dict[str, Any]) -> str:
    return f"{percent(outcome['share'])} {percent_interval(outcome['ci'])}" if outcome["ci"] else percent(None)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return "–"
    widths = [max(len(line[column]) for line in (head, *rows)) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in (head, *rows)
    )
