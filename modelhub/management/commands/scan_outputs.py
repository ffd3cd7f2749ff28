"""`manage.py scan_outputs`: list outputs to look at before a study opens."""

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser

from annotation.management.base import ProjectCommand
from annotation.studyref import study_from_reference
from modelhub.screening.scan import ScannedPair, scan_study


class Command(ProjectCommand):
    help = "List outputs that reveal their system, loop, are empty or were cut off, and what tells arms apart by shape."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", help="slug, or slug@version; the newest version if none is given")
        parser.add_argument("--json", action="store_true", help="print the pairs with their texts as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        study = study_from_reference(options["study"])
        found = scan_study(study)
        pairs = found.pairs
        if options["json"]:
            self.stdout.write(json.dumps([asdict(pair) for pair in pairs], ensure_ascii=False, indent=2))
            return
        for flag in found.flags:
            self.stdout.write(f"The arms differ in {flag.kind}: {flag.detail}")
        for pair in pairs:
            self._write_pair(pair)
        flagged = sum(pair.flagged for pair in pairs)
        excluded = sum(bool(pair.excluded_reason) for pair in pairs)
        self.stdout.write(f"{study}: {flagged} pairs flagged, {excluded} excluded.")

    def _write_pair(self, pair: ScannedPair) -> None:
        for flag in pair.flags:
            self.stdout.write(f"{pair.item_key}  {flag.kind:<9}  {flag.detail}")
        for number, text in enumerate(pair.texts, start=1):
            for flag in text.flags:
                self.stdout.write(f"{pair.item_key}  text {number}  {flag.kind:<9}  {flag.detail}")
        if pair.excluded_reason:
            self.stdout.write(f"{pair.item_key}  excluded: {pair.excluded_reason}")
