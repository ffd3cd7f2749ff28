"""Agreement statistics of any table of ratings; no database is needed."""

from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from annotation.management.base import ProjectCommand
from modelhub.files.missing import Markers
from modelhub.files.tables import read_ratings
from modelhub.management.options import add_keep, replicates, seed
from modelhub.results.agreement import AgreementReport, MeasureInterval
from modelhub.stats.agreement import agreement_report
from modelhub.stats.bootstrap import REPLICATES
from modelhub.stats.iteminterval import ITEMS_ONLY
from modelhub.stats.numbers import counted, reason, warning
from modelhub.stats.ratings import Level

MEASURES = {
    "percent_agreement": "Percent agreement (share)",
    "percent_within_1": "… within one point",
    "krippendorff_alpha": "Krippendorff's alpha",
    "gwet_ac1": "Gwet's AC1",
    "gwet_ac2": "Gwet's AC2",
    "fleiss_kappa": "Fleiss' kappa",
    "conger_kappa": "Conger's kappa",
    "brennan_prediger": "Brennan-Prediger",
    "icc_a1": "ICC(A,1)",
    "icc_c1": "ICC(C,1)",
}


class Command(ProjectCommand):
    refused = 2
    help = (
        "Report agreement for a CSV with columns rater, item, value; other columns are ignored. Missing are empty "
        "values and what stands for them (NA, NaN, None, NULL, #N/A, a dot, a dash …)."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--level", choices=[str(level) for level in Level], default=str(Level.ORDINAL))
        parser.add_argument("--domain", help="All values the scale has, such as 1,2,3,4,5; inferred if left out.")
        add_keep(parser, "and one that --domain names is a value anyway")
        parser.add_argument("--seed", type=seed, default=0, help="Of the bootstrap.")
        parser.add_argument("--replicates", type=replicates, default=REPLICATES, help="Of the bootstrap.")
        parser.add_argument("--json", action="store_true", help="Print JSON.")

    def handle(self, *args: Any, **options: Any) -> None:
        domain, markers = options["domain"], Markers(options["keep"])
        ratings, inferred = read_ratings(
            options["file"],
            level=Level(options["level"]),
            domain=None if domain is None else [part.strip() for part in domain.split(",")],
            markers=markers,
        )
        if told := markers.told():
            self.stderr.write(told)
        report = agreement_report(
            ratings, seed=options["seed"], replicates=options["replicates"], domain_inferred=inferred
        )
        self.stdout.write(report.model_dump_json(indent=2) if options["json"] else _as_text(report))


def _as_text(report: AgreementReport) -> str:
    items, doubly = counted(report.items, "item"), report.pairable_items
    lines = [
        f"{counted(report.ratings, 'rating')} of {items} by {counted(report.raters, 'rater')}. Level: {report.level}.",
        f"{counted(doubly, 'item')} {'has' if doubly == 1 else 'have'} two ratings or more.",
        f"95 % intervals: {ITEMS_ONLY}.",
        "",
    ]
    other = "gwet_ac2" if report.level == Level.NOMINAL else "gwet_ac1"
    for name, title in MEASURES.items():
        if name != other:
            lines.append(f"{title:<28}{_number(getattr(report, name), report.reasons.get(name))}")
            lines += (
                [f"{'  95 % CI':<28}{_interval(report.intervals[name], report.warnings)}"]
                if name not in report.reasons
                else []
            )
    if report.warnings:
        lines += ["", "Careful: " + "; ".join(map(warning, report.warnings)) + "."]
    return "\n".join(lines)


def _number(value: float | None, why: str | None) -> str:
    return f"undefined ({reason(why)})" if value is None else f"{value:.3f}"


def _interval(found: MeasureInterval, said: Sequence[str]) -> str:
    if found.ci is None:
        return f"none ({reason(found.reason)})"
    method = (found.method or "").removesuffix(f", {ITEMS_ONLY}")
    how = "; ".join([method, *(warning(code) for code in found.warnings if code not in said)])
    return f"{found.ci[0]:.3f} to {found.ci[1]:.3f} ({how})"
