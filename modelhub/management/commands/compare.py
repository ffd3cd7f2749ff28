"""The paired comparison of two systems from any table of ratings; no database is needed."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from annotation.management.base import ProjectCommand
from modelhub.files.missing import Markers
from modelhub.files.tables import read_pairs
from modelhub.management.options import add_keep, finite, seed
from modelhub.results.comparison import PairedReport
from modelhub.stats.numbers import warning
from modelhub.stats.paired import paired_report


class Command(ProjectCommand):
    refused = 2
    help = (
        "Compare two systems from a CSV with columns participant, item, system, value. Differences: test minus base. "
        "Missing are empty values and what stands for them (NA, NaN, None, NULL, #N/A, a dot, a dash …)."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--base", help="The system to compare with; the alphabetically first if left out.")
        parser.add_argument("--margin", type=finite, help="For non-inferiority and equivalence, fixed before the data.")
        parser.add_argument(
            "--scale",
            type=finite,
            nargs=2,
            metavar=("LOWEST", "HIGHEST"),
            help="Of the ratings; limits stay within it.",
        )
        parser.add_argument(
            "--prompts", choices=("sampled", "fixed"), default="sampled",
            help="Whether results are to hold for other prompts too (the default), or for those in the file.",
        )  # fmt: skip
        add_keep(parser)
        parser.add_argument("--seed", type=seed, default=0)
        parser.add_argument("--json", action="store_true", help="Print JSON.")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["margin"] is not None and options["margin"] <= 0:
            raise CommandError(f"--margin {options['margin']}: a margin is a positive number of points", returncode=2)
        markers = Markers(options["keep"])
        pairs, base, test, single = read_pairs(options["file"], base=options["base"], markers=markers)
        if told := markers.told():
            self.stderr.write(told)
        low, high = options["scale"] or (None, None)
        if low is not None and low >= high:
            raise CommandError(
                f"--scale {low:g} {high:g}: the lowest value comes first, then the highest", returncode=2
            )
        report = paired_report(
            pairs,
            margin=options["margin"],
            span=None if low is None else high - low,
            prompts_fixed=options["prompts"] == "fixed",
            seed=options["seed"],
        )
        if options["json"]:
            head = {"base": base, "test": test, "unpaired_ratings": single}
            self.stdout.write(json.dumps(head | report.model_dump(mode="json"), indent=2))
        else:
            self.stdout.write(_as_text(report, base, test, single))


def _as_text(report: PairedReport, base: str, test: str, single: int) -> str:
    def shown(name: str) -> str:
        value = getattr(report, name)
        return f"undefined ({report.reasons[name]})" if value is None else f"{value:.3f}"

    def limits(name: str) -> str:
        ci = getattr(report, name)
        return f"{ci[0]:+.3f} to {ci[1]:+.3f}" if ci else f"none ({report.reasons[name]})"

    counts, favouring = report.win_tie_loss, report.favouring
    lines = [
        (
            f"{test} (test) against {base} (base): {report.n_participants} participants, {report.n_pairs} pairs, "
            f"{single} ratings without a counterpart."
        ),
        f"Mean difference, over participants   {shown('mean_difference')}",
        f"  95 % interval                      {limits('ci')}",
        f"  which holds for other              {' and '.join(report.generalises_over)} ({report.ci_method})",
        f"p, the largest of these tests        {shown('headline_p')}",
        f"  Sign-flip over participants        {shown('sign_flip_p')} (smallest possible {shown('smallest_p')})",
        f"  Sign-flip over prompts             {shown('prompt_sign_flip_p')}",
        f"  Quasi-t over both                  {shown('quasi_t_p')}",
        f"Standardized difference              {shown('standardized')}, {limits('standardized_ci')}",
        f"Probability of superiority           {shown('p_superiority')}, {limits('p_superiority_ci')}",
        f"Matched-pairs rank-biserial          {shown('rank_biserial')}, {limits('rank_biserial_ci')}",
        f"Cliff's delta, unpaired              {shown('cliffs_delta_unpaired')}, {limits('cliffs_delta_unpaired_ci')}",
        f"Wilcoxon, descriptive, p             {shown('wilcoxon_p')}",
        f"Pairs won, tied, lost                {counts.win}, {counts.tie}, {counts.loss}",
        f"Favouring test, base, neither        {favouring.test}, {favouring.base}, {favouring.neither}",
        f"Non-inferiority                      {_non_inferiority(report)}",
        f"Equivalence (TOST)                   {_equivalence(report)}",
    ]
    return "\n".join([*lines, *(f"Warning: {warning(code)}" for code in report.warnings)])


def _non_inferiority(report: PairedReport) -> str:
    found = report.non_inferiority
    if found is None:
        return f"not tested ({report.reasons['non_inferiority']})"
    return f"{'shown' if found.non_inferior else 'not shown'} at a margin of {found.margin}"


def _equivalence(report: PairedReport) -> str:
    found = report.tost
    if found is None:
        return f"not tested ({report.reasons['tost']})"
    return f"{'shown' if found.equivalent else 'not shown'} at a margin of {found.margin}"
