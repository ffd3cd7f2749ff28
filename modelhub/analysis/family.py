"""Holm's correction over the family that the study file declares; everything else is exploratory."""

from collections.abc import Iterator, Mapping

from modelhub.analysis.data import POOLED, Data
from modelhub.results.comparison import AspectComparison, ContrastStratum, DirectionsCompared, WinRates
from modelhub.results.persona import AspectAssessment
from modelhub.results.report import PopulationResults
from modelhub.stats.multiplicity import holm_adjusted

CONFIRMATORY, EXPLORATORY = "confirmatory", "exploratory"
Test = AspectComparison | DirectionsCompared | WinRates


def holm_add(report: PopulationResults, data: Data) -> None:
    """Write `family` and `holm_p` beside every test of one population's report.

    Confirmatory is what the family names, over all strata pooled, of every pair of systems that is compared. A member
    that could not be tested keeps its place in the correction, so that the family stays as large as it was declared.
    """
    declared: list[str] = data.declared.get("family", [])
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
    for part in _assessed(report).values():
        part.holm_p = part.comparison.holm_p


def _tests(report: PopulationResults) -> Iterator[tuple[str, Test, bool]]:
    """Yield (aspect, test, whether it is the pooled one)."""
    contrasts: list[Mapping[str, ContrastStratum]] = [report.strata, *(one.strata for one in report.contrasts)]
    for strata in contrasts:
        for stratum, part in strata.items():
            yield from _of_stratum(part, is_pooled=stratum == POOLED)
    for key, found in _assessed(report).items():
        yield key, found.comparison, True
        for split in (*found.by_stratum.values(), *found.by_inferring_system.values()):
            yield key, split.comparison, False


def _of_stratum(part: ContrastStratum, *, is_pooled: bool) -> Iterator[tuple[str, Test, bool]]:
    for key, test in part.comparisons.items():
        yield key, test, is_pooled
    for key, wins in part.win_rates.aspects.items():
        yield key, wins, is_pooled and wins.source == "comparison"


def _assessed(report: PopulationResults) -> dict[str, AspectAssessment]:
    return report.persona.aspects if report.persona else {}
