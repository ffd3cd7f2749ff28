"""`manage.py index_personas`: encode and index the training prompts before personas are retrieved by them."""

import sys
from typing import Any

from django.core.management.base import CommandParser
from tqdm import tqdm

from modelhub.management.retrieval_command import RetrievalCommand
from modelhub.management.stage_command import lease
from modelhub.runs.lifecycle import LEASE_SECONDS
from modelhub.stages.index_personas import index_personas
from personaeval.interrupts import Interruptible


class Command(RetrievalCommand):
    help = "Encode the training prompts that personas are retrieved by, and index them; retrieve_personas uses them."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--lease-seconds", type=lease, default=LEASE_SECONDS, help="a killed run is taken for lost after this long"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        self.guarded(lambda: self._index(options))

    def _index(self, options: dict[str, Any]) -> None:
        preparation, groups, system = self.prepared(options)
        with Interruptible() as signals, tqdm(unit="prompt", disable=not sys.stderr.isatty()) as bar:
            signals.arm()
            run = index_personas(
                preparation=preparation, groups=groups, system=system, lease_seconds=options["lease_seconds"],
                on_start=bar.reset, on_rows=bar.update,
            )  # fmt: skip
        run.refresh_from_db()
        self.stdout.write(f"Run {run.key}: {run.done} of {run.total} prompts encoded, the others were ready.")
