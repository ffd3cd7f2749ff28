"""The paired comparison of two systems from any table of ratings; no database is needed."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from annotation.management.base import ProjectCommand
from modelhub.files.tables import read_pairs
from modelhub.management.options import finite, seed
from modelhub.stats.paired import paired_report


class Command(ProjectCommand):
    refused = 2
    help = "Compare two systems from a CSV with columns participant, item, system, value. Differences: test minus base."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--base", help="The system to compare with; the alphabetically first if left out.")
        parser.add_argument("--margin", type=finite, help="For non-inferiority and equivalence, fixed before the data.")
        parser.add_argument("--seed", type=seed, default=0)
        parser.add_argument("--json", action="store_true", help="Print JSON.")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["margin"] is not None and options["margin"] <= 0:
            raise CommandError(f"--margin {options['margin']}: a margin is a positive number of points", returncode=2)
        pairs, base, test, single = read_pairs(options["file"], base=options["base"])
        report = {"base": base, "test": test, "unpaired_ratings": single}
        report |= paired_report(pairs, margin=options["margin"], seed=options["seed"])
        self.stdout.write(json.dumps(report, indent=2) if options["json"] else _as_text(report))


def _as_text(report: dict[str, Any]) -> str:
    def shown(name: str) -> str:
        value = report[name]
        return f"undefined ({report['reasons'][name]})" if value is None else f"{value:.3f}"

    ci = report["ci"]
    interval = f"{ci[0]:+.3f} to {ci[1]:+.3f}" if ci else f"none ({report['reasons']['ci']})"
    counts, favouring = report["win_tie_loss"], report["favouring"]
    lines = [
        (
            f"{report['test']} (test) against {report['base']} (base): {report['n_participants']} participants, "
            f"{report['n_pairs']} pairs, {report['unpaired_ratings']} ratings without a counterpart."
        ),
        f"Mean difference, over participants   {shown('mean_difference')}",
        f"  95 % t-interval                    {interval}",
        f"Sign-flip over participants, p       {shown('sign_flip_p')} (smallest possible {shown('smallest_p')})",
        f"Sign-flip over prompts, p            {shown('prompt_sign_flip_p')}",
        f"Quasi-t over both, p                 {shown('quasi_t_p')}",
        f"Probability of superiority           {shown('p_superiority')}",
        f"Matched-pairs rank-biserial          {shown('rank_biserial')}",
        f"Wilcoxon, descriptive, p             {shown('wilcoxon_p')}",
        f"Pairs won, tied, lost                {counts['win']}, {counts['tie']}, {counts['loss']}",
        f"Favouring test, base, neither        {favouring['test']}, {favouring['base']}, {favouring['neither']}",
        f"Non-inferiority                      {_margin(report, 'non_inferiority', 'non_inferior')}",
        f"Equivalence (TOST)                   {_margin(report, 'tost', 'equivalent')}",
    ]
    return "\n".join([*lines, *(f"Warning: {warning}" for warning in report["warnings"])])


def _margin(report: dict[str, Any], name: str, verdict: str) -> str:
    found = report[name]
    if found is None:
        return f"not tested ({report['reasons'][name]})"
    return f"{'shown' if found[verdict] else 'not shown'} at a margin of {found['margin']}"
