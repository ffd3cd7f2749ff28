"""`manage.py salient_words`: the words that tell personas of chosen responses from those of rejected ones."""

import csv
import json
from typing import Any

from django.core.management.base import CommandParser

from annotation.management.base import ProjectCommand
from modelhub.management.options import positive
from modelhub.models import Direction
from modelhub.queries.datasets import inferring_system, splits_of
from modelhub.queries.inference import Words, persona_words
from modelhub.stats.numbers import decimal, interval
from modelhub.stats.texts import FEWEST

COLUMNS = ("word", "count_chosen", "count_rejected", "share", "ci_low", "ci_high")


class Command(ProjectCommand):
    help = "List P(chosen | word) over the words of a system's personas, in their dictionary form."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dataset", required=True, metavar="NAME", help="as given to import_preferences")
        parser.add_argument("--system", default="", metavar="NAME", help="needed if several systems inferred personas")
        parser.add_argument(
            "--min-count", type=positive, default=FEWEST, metavar="N", help=f"personas that hold a word ({FEWEST})"
        )
        parser.add_argument(
            "--direction", choices=[*Direction.values, "both"], default="both", help="only words telling of this side"
        )
        form = parser.add_mutually_exclusive_group()
        form.add_argument("--csv", action="store_true", help="print CSV")
        form.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        dataset, direction = options["dataset"], options["direction"]
        splits_of(dataset)
        system = inferring_system(dataset, options["system"])
        words = persona_words(dataset, system, min_count=options["min_count"])
        rows = [_row(word) for word in (words.rows if direction == "both" else words.telling_of(direction))]
        if options["json"]:
            about = {"dataset": dataset, "system": system.name, "min_count": options["min_count"]}
            counts = {"personas_chosen": words.chosen, "personas_rejected": words.rejected}
            self.stdout.write(json.dumps({**about, **counts, "words": rows}, indent=2, ensure_ascii=False))
        elif options["csv"]:
            table = csv.DictWriter(self.stdout, COLUMNS, lineterminator="\n")
            table.writeheader()
            table.writerows(rows)
        else:
            self.stdout.write(_as_text(words, rows, options["min_count"]))


def _row(word: dict[str, Any]) -> dict[str, Any]:
    low, high = word["ci"] or (None, None)
    return {
        "word": word["word"],
        "count_chosen": word["count_first"],
        "count_rejected": word["count_second"],
        "share": word["share"],
        "ci_low": low,
        "ci_high": high,
    }


def _as_text(words: Words, rows: list[dict[str, Any]], min_count: int) -> str:
    head = (
        f"{words.chosen} personas of chosen and {words.rejected} of rejected responses; words in {min_count} or more."
    )
    if not rows:
        return f"{head}\nNo word is in as many."
    lines = [head, "", f"{'word':<20}{'chosen':>8}{'rejected':>10}  P(chosen | word)  95 % CI"]
    for row in rows:
        ci = None if row["ci_low"] is None else [row["ci_low"], row["ci_high"]]
        counts = f"{row['count_chosen']:>8}{row['count_rejected']:>10}"
        lines.append(f"{row['word']:<20}{counts}  {decimal(row['share']):<16}  {interval(ci)}")
    return "\n".join(lines)
