"""Holm's correction over the family that the study file declares; everything else is exploratory."""

from collections.abc import Iterator
from typing import Any

from modelhub.analysis.data import POOLED, Data
from modelhub.stats.multiplicity import holm_adjusted

CONFIRMATORY, EXPLORATORY = "confirmatory", "exploratory"


def holm_add(report: dict[str, Any], data: Data) -> None:
    """Write `family` and `holm_p` beside every test of one population's report.

    Confirmatory is what the family names, over all strata pooled. A member that could not be tested keeps its place in
    the correction, so that the family stays as large as it was declared.
    """
    declared: list[str] = data.study.analysis.get("family", [])
    members = []
    for key, test, is_pooled in _tests(report):
        is_member = is_pooled and key in declared
        test |= {"family": CONFIRMATORY if is_member else EXPLORATORY, "holm_p": None}
        test["reasons"]["holm_p"] = "not_tested" if is_member else "exploratory"
        if is_member:
            members.append(test)
    found = [_p(test) for test in members]
    untested = [1.0] * (len(declared) - len(members))
    for test, p, adjusted in zip(
        members, found, holm_adjusted([1.0 if p is None else p for p in found] + untested), strict=False
    ):
        if p is not None:
            test["holm_p"] = adjusted
            del test["reasons"]["holm_p"]
    for part in _assessed(report).values():
        part["holm_p"] = part["comparison"]["holm_p"]


def _tests(report: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], bool]]:
    """Yield (aspect, test, whether it is the pooled one)."""
    for stratum, part in report["strata"].items():
        for key, test in part["comparisons"].items():
            yield key, test, stratum == POOLED
        for key, test in part["win_rates"]["aspects"].items():
            yield key, test, stratum == POOLED and test["source"] == "comparison"
    for key, part in _assessed(report).items():
        yield key, part["comparison"], True
        for split in (*part["by_stratum"].values(), *part["by_inferring_system"].values()):
            yield key, split["comparison"], False


def _assessed(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {key: part for key, part in report["persona"].items() if part is not None and "comparison" in part}


def _p(test: dict[str, Any]) -> float | None:
    p: float | None = test["headline_p"]
    return p
