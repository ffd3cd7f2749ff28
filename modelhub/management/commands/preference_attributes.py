"""`manage.py preference_attributes`: what preferences reward, and how people and judges weigh the same."""

import csv
import json
from typing import Any

from django.core.management.base import CommandError, CommandParser

from annotation.management.base import ProjectCommand
from annotation.models import Study
from annotation.studyref import study_from_reference
from modelhub.analysis.weighing import people_weighing
from modelhub.queries.datasets import splits_of
from modelhub.queries.preference_texts import attribute_report, preference_datasets
from modelhub.results.attributes import AttributeReport
from modelhub.stats.attributes import ATTRIBUTES
from modelhub.stats.numbers import decimal, interval, percent, percent_interval

_NAMES = {attribute.key: attribute.name for attribute in ATTRIBUTES}
_NOTE = "Intervals are 95 % and speak of other preference pairs. Associations go from -1 to 1; see docs/statistics.md."


class Command(ProjectCommand):
    help = (
        "Report what chosen responses and personas have more of than rejected ones, and how people and judges weigh it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dataset", default="", metavar="NAME", help="default: all data sets, and together")
        parser.add_argument("--study", default="", metavar="STUDY", help="a closed study whose people are set beside")
        form = parser.add_mutually_exclusive_group()
        form.add_argument("--csv", action="store_true", help="print CSV: a row per data set, texts and attribute")
        form.add_argument("--json", action="store_true", help="print JSON, with every number")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["dataset"]:
            splits_of(options["dataset"])
        datasets = [options["dataset"]] if options["dataset"] else preference_datasets()
        study = study_from_reference(options["study"]) if options["study"] else None
        if study is not None and study.state != Study.State.CLOSED:
            raise CommandError(f"{study} is {study.state}; what its people reward is told once it is closed.")
        report = attribute_report(datasets, people_weighing(study) if study else ())
        if options["json"]:
            self.stdout.write(json.dumps(report.model_dump(mode="json"), indent=2, ensure_ascii=False))
        elif options["csv"]:
            self._write_csv(report)
        else:
            self.stdout.write(_as_text(report))

    def _write_csv(self, report: AttributeReport) -> None:
        rows = [
            {"dataset": group.dataset, "texts": group.texts, **_flat(one.model_dump(mode="json"))}
            for group in report.groups
            for one in group.attributes
        ]
        table = csv.DictWriter(self.stdout, list(rows[0]) if rows else ["dataset", "texts"], lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """Return the row with an interval as two columns, without its reasons."""
    found: dict[str, Any] = {}
    for name, value in row.items():
        if name.endswith("_ci"):
            found |= dict(zip((f"{name}_low", f"{name}_high"), value or (None, None), strict=True))
        elif name != "reasons":
            found[name] = value
    return found


def _as_text(report: AttributeReport) -> str:
    if not report.groups:
        return "There are no pairs with both responses; see import_preferences."
    parts = []
    for group in report.groups:
        parts.append(f"{group.dataset or 'All data sets'}: chosen against rejected {group.texts}, "
                     f"{group.attributes[0].pairs:,} pairs")  # fmt: skip
        parts.append(f"{'':<18}{'chosen':>9}{'rejected':>9}  effect [95 % CI]         chosen has more  "
                     "P(chosen | more)")  # fmt: skip
        for one in group.attributes:
            effect = f"{decimal(one.effect, sign=True)} {interval(one.effect_ci, sign=True)}"
            parts.append(
                f"{_NAMES[one.attribute]:<18}{decimal(one.mean_chosen):>9}{decimal(one.mean_rejected):>9}  "
                f"{effect:<23}  {percent(one.share_chosen_more):<15}  "
                f"{percent(one.p_chosen_given_more)} {percent_interval(one.p_chosen_given_more_ci)}"
            )
        parts.append("")
    parts.append("How strongly preferences, judges and people go with each (without length)")
    for weighing in report.weighing:
        parts.append(f"{weighing.who}: {weighing.name}; {weighing.question}, {weighing.weights[0].n:,} pairs")
        for weight in weighing.weights:
            shown = f"{decimal(weight.association, sign=True)} {interval(weight.association_ci, sign=True)}"
            alone = f"{decimal(weight.without_length, sign=True)} {interval(weight.without_length_ci, sign=True)}"
            parts.append(f"{_NAMES[weight.attribute]:<18}{shown:<24} {alone}")
    return "\n".join([*parts, _NOTE])
