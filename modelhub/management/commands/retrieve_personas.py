"""`manage.py retrieve_personas`: find the training prompts nearest to each prompt, whose personas it is given."""

import sys
from typing import Any

from django.core.management.base import CommandParser
from tqdm import tqdm

from modelhub.management.retrieval_command import RetrievalCommand
from modelhub.management.stage_command import add_batch_arguments, batch_options, positive
from modelhub.stages.retrieve_personas import RetrievalReport, RetrievePersonas, all_left, retrieve_personas
from personaeval.interrupts import Interruptible

_DRY_RUN_PROMPTS = 2


class Command(RetrievalCommand):
    help = "Retrieve, for imported pairs, the personas of the training pairs with the nearest prompts (ColBERT)."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--k", type=positive, default=1, metavar="K", help="rows found for each (default: 1)")
        parser.add_argument(
            "--again", action="store_true", help="remove what this checkpoint found among other rows, and retrieve anew"
        )
        add_batch_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        self.guarded(lambda: self._retrieve(options))

    def _retrieve(self, options: dict[str, Any]) -> None:
        preparation, groups, system = self.prepared(options)
        stage = RetrievePersonas(preparation, groups, system, options["k"])
        if options["dry_run"]:
            self._dry_run(stage, options)
            return
        # A bar for people; a log file would only fill up with it.
        with Interruptible() as signals, tqdm(unit="row", disable=not sys.stderr.isatty()) as bar:
            signals.arm()
            report = retrieve_personas(
                stage, batch_options(options), again=options["again"], on_start=bar.reset, on_rows=bar.update
            )
        self._report(report, stage)

    def _dry_run(self, stage: RetrievePersonas, options: dict[str, Any]) -> None:
        pairs = [pair for _, left in all_left(stage, batch_options(options)) for pair in left]
        for pair in pairs[:_DRY_RUN_PROMPTS]:
            self.stdout.write(f"--- {pair.dataset}/{pair.split}/{pair.key}\n{pair.prompt}\n")
        self.stdout.write(f"{len(pairs)} pairs to retrieve for. Nothing was made or stored: this was a dry run.")

    def _report(self, report: RetrievalReport, stage: RetrievePersonas) -> None:
        for title, usage in report.usage.items():
            self.stdout.write(
                f"{title}: made ready in {usage['seconds_preparing']:.1f} s, searched in "
                f"{usage['seconds_searching']:.1f} s."
            )
            if "recall_queries" in usage:
                self.stdout.write(
                    f"The exact best was among the index's candidates for {usage['recall_found']} of "
                    f"{usage['recall_queries']} prompts that were searched exactly too."
                )
        self.stdout.write(f"Run {report.run.key}: retrieved for {report.done} pairs with {stage.retriever}.")
