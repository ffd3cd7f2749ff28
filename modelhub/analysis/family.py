"""Holm's correction over the family that the study file declares; everything else is exploratory."""

from collections.abc import Iterator, Mapping
from typing import Any

from modelhub.analysis.data import POOLED, Data
from modelhub.results.comparison import AspectComparison, ContrastStratum, DirectionsCompared, WinRates
from modelhub.results.report import PopulationResults
from modelhub.stats.multiplicity import holm_adjusted

CONFIRMATORY, EXPLORATORY = "confirmatory", "exploratory"
Test = AspectComparison | DirectionsCompared | WinRates


def holm_add(report: PopulationResults, data: Data) -> None:
    """Write `family` and `holm_p` beside every test of one population's report.

    Confirmatory is what the family names, over all strata pooled, of every pair of systems that is compared. A member
    that could not be tested keeps its place in the correction, so that the family stays as large as it was declared.
    """
    declared: list[str] = data.study.analysis.get("family", [])
    members: list[Test] = []
    for key, test, is_pooled in _tests(report):
        is_member = is_pooled and key in declared
        test.family, test.holm_p = CONFIRMATORY if is_member else EXPLORATORY, None
        test.reasons["holm_p"] = "not_tested" if is_member else "exploratory"
        if is_member:
            members.append(test)
    found = [test.headline_p for test in members]
    untested = [1.0] * (len(declared) * max(1, len(data.contrasts)) - len(members))
    for test, p, adjusted in zip(
        members, found, holm_adjusted([1.0 if p is None else p for p in found] + untested), strict=False
    ):
        if p is not None:
            test.holm_p = adjusted
            del test.reasons["holm_p"]
    for part in report.persona.values():
        if part is not None and "comparison" in part:
            part["holm_p"] = part["comparison"].holm_p


def _tests(report: PopulationResults) -> Iterator[tuple[str, Test, bool]]:
    """Yield (aspect, test, whether it is the pooled one)."""
    contrasts: list[Mapping[str, ContrastStratum]] = [report.strata, *(one.strata for one in report.contrasts)]
    for strata in contrasts:
        for stratum, part in strata.items():
            yield from _of_stratum(part, is_pooled=stratum == POOLED)
    yield from _assessed(report.persona)


def _of_stratum(part: ContrastStratum, *, is_pooled: bool) -> Iterator[tuple[str, Test, bool]]:
    for key, test in part.comparisons.items():
        yield key, test, is_pooled
    for key, wins in part.win_rates.aspects.items():
        yield key, wins, is_pooled and wins.source == "comparison"


def _assessed(persona: Any) -> Iterator[tuple[str, Test, bool]]:
    for key, part in persona.items():
        if part is None or "comparison" not in part:
            continue
        yield key, part["comparison"], True
        for split in (*part["by_stratum"].values(), *part["by_inferring_system"].values()):
            yield key, split["comparison"], False
