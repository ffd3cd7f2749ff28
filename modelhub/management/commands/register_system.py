"""`manage.py register_system`: make a model known under a name."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from annotation.errors import ServiceError
from modelhub.models import System
from modelhub.systems import system_register


class Command(BaseCommand):
    help = "Register a system: an engine, a model or script, how a persona enters its prompt, and its decoding."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="what researchers call it; never shown to participants")
        parser.add_argument("--engine", required=True, help="for example scripted")
        parser.add_argument("--model", required=True, help="path or name of the model, or path of the script")
        parser.add_argument("--adapter", default="", help="path of an adapter on top of the model")
        parser.add_argument("--persona-style", choices=System.PersonaStyle.values, default=System.PersonaStyle.FIELD)
        parser.add_argument("--decoding", default="{}", metavar="JSON", help='for example \'{"style": "tailored"}\'')

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            system = system_register(
                name=options["name"],
                engine=options["engine"],
                model=options["model"],
                adapter=options["adapter"],
                persona_style=options["persona_style"],
                decoding=_decoding(options["decoding"]),
            )
        except ServiceError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Registered {system.name} ({system.engine}), fingerprint {system.fingerprint[:12]}…")


def _decoding(text: str) -> dict[str, Any]:
    try:
        decoding = json.loads(text)
    except json.JSONDecodeError as error:
        raise CommandError(f"--decoding is not valid JSON: {error.msg} at column {error.colno}.") from error
    if not isinstance(decoding, dict):
        raise CommandError('--decoding must be a JSON object, for example \'{"style": "tailored"}\'.')
    return decoding
