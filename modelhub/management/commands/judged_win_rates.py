"""`manage.py judged_win_rates`: win rates and Delta-PQ of all that was judged."""

import json
from typing import Any

from django.core.management.base import CommandError, CommandParser

from annotation.errors import ServiceError
from annotation.management.base import ProjectCommand
from modelhub.pipeline_results.judged import SAME, WITHOUT, comparisons
from modelhub.pipeline_results.judged_text import judged_tables, tables_as_markdown, tables_as_text
from modelhub.pipeline_results.published import published_tables
from modelhub.queries.datasets import splits_of, system_named
from modelhub.queries.judgements import judged_results
from modelhub.results.judge import JudgedComparison


class Command(ProjectCommand):
    help = "Report win rates and Delta-PQ of all outputs that were judged, beside the published ones if wanted."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dataset", default="", metavar="NAME", help="default: all data sets")
        parser.add_argument(
            "--name", action="append", default=[], metavar="NAME=SYSTEM", help="what a system goes by; repeatable"
        )
        parser.add_argument("--published", action="store_true", help="show the published figures beside ours")
        form = parser.add_mutually_exclusive_group()
        form.add_argument("--json", action="store_true", help="print JSON, with every number")
        form.add_argument("--markdown", action="store_true", help="print Markdown")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["dataset"]:
            splits_of(options["dataset"])
        names = _names(options["name"])
        compared = comparisons(judged_results(options["dataset"]), names)
        if options["published"]:
            _check_published(compared)
        if options["json"]:
            self.stdout.write(
                json.dumps(
                    {"comparisons": [one.model_dump(mode="json") for one in compared]}, indent=2, ensure_ascii=False
                )
            )
            return
        tables = judged_tables(compared, published=options["published"])
        self.stdout.write(tables_as_markdown(tables) if options["markdown"] else tables_as_text(tables))


def _names(given: list[str]) -> dict[str, str]:
    """Return names by system; raise ServiceError for what names no system, or one twice."""
    names: dict[str, str] = {}
    for one in given:
        name, _, system = (part.strip() for part in one.partition("="))
        if not name or not system:
            raise ServiceError(f"--name {one}: write NAME=SYSTEM, such as --name DPO=dpo-beavertails")
        if names.get(system_named(system).name, name) != name:
            raise ServiceError(f"--name {one}: {system} is called {names[system]} already.")
        names[system] = name
    return names


def _check_published(compared: list[JudgedComparison]) -> None:
    """Raise CommandError if nothing bears the names of the published tables: they would silently be left out."""
    tables = published_tables()
    if not any(
        (one.kind, one.base, one.test) == (SAME, tables.base, tables.test)
        or (one.kind == WITHOUT and one.test in tables.techniques)
        for one in compared
    ):
        raise CommandError(
            f"No comparison bears the names of the published tables. There, {tables.test} is compared with "
            f"{tables.base}, and {', '.join(tables.techniques)} with systems without personas; give systems these "
            f"names with --name, such as --name {tables.base}=dpo-beavertails."
        )
