"""Win, tie and loss and Delta-PQ from a file of verdicts; no database is needed."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from annotation.management.base import ProjectCommand
from modelhub.files.tables import read_verdicts
from modelhub.management.options import seed
from modelhub.stats.winrate import pair_outcomes, win_rates


class Command(ProjectCommand):
    refused = 2
    help = (
        'Report win rates for JSONL rows {"pair_id", "metric": "personalization"|"quality", '
        '"order": "base_first"|"test_first", "verdict": "A"|"B"|"tie"|null}; A was shown first. '
        'A column "set" makes one report per set.'
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--seed", type=seed, default=0, help="Of the bootstrap.")
        parser.add_argument("--json", action="store_true", help="Print JSON.")

    def handle(self, *args: Any, **options: Any) -> None:
        sets = read_verdicts(options["file"])
        reports = {name: win_rates(pair_outcomes(rows), seed=options["seed"]) for name, rows in sets.items()}
        if set(reports) <= {""}:
            report: dict[str, Any] = reports.get("") or win_rates({})
        else:
            report = {"sets": reports}
        self.stdout.write(json.dumps(report, indent=2) if options["json"] else _as_text(reports))


def _as_text(reports: dict[str, dict[str, Any]]) -> str:
    lines = ["set                  metric               W     T     L  invalid  net win  W/(W+L)"]
    for name, report in reports.items():
        for metric, row in report["metrics"].items():
            ties = row["tie_order"] + row["tie_genuine"]
            lines.append(
                f"{name:<20} {metric:<16} {row['win']:>5} {ties:>5} {row['loss']:>5} {row['invalid']:>8}"
                f"  {_share(row['net_win'])}  {_share(row['win_share'])}"
            )
        delta, ci = report["delta_pq"], report["delta_pq_ci"]
        shown = f"{delta:+.1f} ({ci[0]:+.1f} to {ci[1]:+.1f})" if delta is not None and ci else "– (no decided pairs)"
        lines.append(f"{name:<20} Delta-PQ {shown}")
    return "\n".join(lines)


def _share(value: float | None) -> str:
    return "      –" if value is None else f"{value:+7.3f}"
