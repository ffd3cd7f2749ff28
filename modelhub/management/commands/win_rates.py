"""Win, tie and loss and Delta-PQ from a file of verdicts; no database is needed."""

import json
from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from annotation.management.base import ProjectCommand
from modelhub.files.missing import Markers
from modelhub.files.tables import read_verdicts
from modelhub.management.options import add_keep
from modelhub.results.judge import JudgeRates
from modelhub.stats.numbers import decimal, interval, reason, warning
from modelhub.stats.winrate import clusters_of, pair_outcomes, win_rates

_HEAD = "set                  metric               W     T     L  invalid  pairs"
_NOTE = "Intervals are 95 % and speak of other preference pairs (see docs/statistics.md)."


class Command(ProjectCommand):
    refused = 2
    help = (
        'Report win rates for JSONL rows {"pair_id", "metric": "personalization"|"quality", '
        '"order": "base_first"|"test_first", "verdict": "A"|"B"|"tie"|null}; A was shown first. '
        'A column "set" makes one report per set; "cluster" or "pair" names the preference pair that several are of.'
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        add_keep(parser)
        parser.add_argument("--json", action="store_true", help="Print JSON.")

    def handle(self, *args: Any, **options: Any) -> None:
        markers = Markers(options["keep"])
        sets = read_verdicts(options["file"], markers=markers)
        if told := markers.told():
            self.stderr.write(told)
        reports = {name: win_rates(pair_outcomes(rows), clusters_of(rows)) for name, rows in sets.items()}
        if not options["json"]:
            self.stdout.write(_as_text(reports))
            return
        dumped = {name: report.model_dump(mode="json") for name, report in reports.items()}
        if set(reports) <= {""}:
            self.stdout.write(json.dumps(dumped.get("") or win_rates({}).model_dump(mode="json"), indent=2))
        else:
            self.stdout.write(json.dumps({"sets": dumped}, indent=2))


def _as_text(reports: Mapping[str, JudgeRates]) -> str:
    lines = [f"{_HEAD}  {'net win [95 % CI]':<38}W/(W+L) [95 % CI]"]
    codes: dict[str, None] = {}
    for name, report in reports.items():
        for metric, row in report.metrics.items():
            ties = row.tie_order + row.tie_genuine
            net = _number(row.net_win, row.net_win_ci, row.reasons.get("net_win_ci"), sign=True)
            share = _number(row.win_share, row.win_share_ci, row.reasons.get("win_share_ci"))
            lines.append(
                f"{name:<20} {metric:<16} {row.win:>5} {ties:>5} {row.loss:>5} {row.invalid:>8} {row.clusters:>6}"
                f"  {net:<37} {share}".rstrip()
            )
            codes |= dict.fromkeys(row.warnings)
        delta = _number(report.delta_pq, report.delta_pq_ci, report.reasons.get("delta_pq_ci"), digits=1, sign=True)
        lines.append(f"{name:<20} Delta-PQ {delta}")
        codes |= dict.fromkeys(report.warnings)
    return "\n".join([*lines, _NOTE, *(f"Careful: {warning(code)}." for code in codes)])


def _number(
    value: float | None, ci: tuple[float, float] | None, why: str | None, *, digits: int = 3, sign: bool = False
) -> str:
    if ci is not None:
        return f"{decimal(value, digits=digits, sign=sign)} {interval(ci, digits=digits, sign=sign)}"
    return f"{decimal(value, digits=digits, sign=sign)} ({reason(why)})"
