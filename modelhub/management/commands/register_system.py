"""`manage.py register_system`: make a model known under a name."""

import json
from typing import Any

from django.core.management.base import CommandError, CommandParser

from annotation.errors import ServiceError
from annotation.management.base import ProjectCommand
from modelhub.management.options import positive
from modelhub.models import Direction
from modelhub.prompting.layouts import PersonaStyle
from modelhub.prompting.procedures import Procedure
from modelhub.systems.exemplar_pools import POOL_SPLIT, FrozenPool, pool_read, pool_store
from modelhub.systems.few_shot import NO_PERSONA, PERSONAS, SHOTS, SPLIT, FewShot, check_style, few_shot_exemplars
from modelhub.systems.procedures import procedure_described, requests_per_output
from modelhub.systems.registering import system_register
from modelhub.systems.trying import telling


class Command(ProjectCommand):
    help = "Register a system: an engine, a model or script, how a persona enters its prompt, and its decoding."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="what researchers call it; never shown to participants")
        parser.add_argument("--engine", required=True, help="for example scripted")
        parser.add_argument("--model", required=True, help="path or name of the model, or path of the script")
        parser.add_argument("--adapter", default="", help="path of an adapter on top of the model")
        parser.add_argument(
            "--endpoint", default="", metavar="URL", help="address of the server, for the openai engine"
        )
        parser.add_argument(
            "--persona-style", choices=[style.value for style in PersonaStyle], default=PersonaStyle.FIELD
        )
        parser.add_argument(
            "--decoding", default="{}", metavar="JSON", help="what shapes the answers, see docs/engines.md"
        )
        parser.add_argument(
            "--options", default="{}", metavar="JSON", help="how they are computed, see docs/engines.md"
        )
        parser.add_argument(
            "--no-try", action="store_true", help="do not try first what it will be asked, nor ask a server"
        )
        group = parser.add_argument_group("few-shot: exemplars shown before each prompt")
        group.add_argument("--few-shot", default="", metavar="NAME[/SPLIT]", help=f"of which (default split: {SPLIT})")
        group.add_argument(
            "--shots", type=positive, metavar="K", help=f"how many, retrieved ones too (default: {SHOTS})"
        )
        group.add_argument("--few-shot-persona", choices=PERSONAS, help="whose response and persona (default: chosen)")
        group.add_argument("--few-shot-system", default="", metavar="NAME", help="what inferred the personas")
        group = parser.add_argument_group("procedure: several requests, or exemplars retrieved for each persona")
        group.add_argument("--procedure", choices=[one.value for one in Procedure], default="", help="which")
        group.add_argument(
            "--exemplars-from", default="", metavar="NAME[/SPLIT]",
            help=f"what retrieved-exemplars retrieves from (default split: {POOL_SPLIT})",
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        few_shot, pool = _few_shot(options), _pool(options)
        procedure = procedure_described(options["procedure"], pool=pool, shots=options["shots"] or SHOTS)
        if pool is not None:
            pool_store(pool)
        system = system_register(
            name=options["name"],
            engine=options["engine"],
            model=options["model"],
            adapter=options["adapter"],
            endpoint=options["endpoint"],
            persona_style=options["persona_style"],
            decoding=_json_object("--decoding", options["decoding"]),
            options=_json_object("--options", options["options"]),
            exemplars=few_shot.exemplars,
            procedure=procedure,
            trying=None if options["no_try"] else telling(self.stdout.write),
        )
        self.stdout.write(f"Registered {system.name} ({system.engine}), fingerprint {system.fingerprint[:12]}…")
        if note := few_shot.note or (pool.note if pool else ""):
            self.stdout.write(note)
        if procedure:
            count = requests_per_output(system)
            self.stdout.write(f"{options['procedure']}: {count} request{'s' * (count > 1)} for each output.")


def _few_shot(options: dict[str, Any]) -> FewShot:
    if not options["few_shot"]:
        given = [name for name in ("shots", "few_shot_persona", "few_shot_system") if options[name]]
        if given and not options["exemplars_from"]:
            option = f"--{given[0].replace('_', '-')}"
            raise ServiceError(f"{option} needs --few-shot or --exemplars-from, which name the exemplars' data set.")
        return FewShot([], [])
    persona = options["few_shot_persona"] or Direction.CHOSEN
    check_style(options["persona_style"], persona)
    return few_shot_exemplars(
        source=options["few_shot"],
        shots=options["shots"] or SHOTS,
        persona=persona,
        inferring=options["few_shot_system"],
    )


def _pool(options: dict[str, Any]) -> FrozenPool | None:
    if not options["exemplars_from"]:
        return None
    persona = options["few_shot_persona"] or Direction.CHOSEN
    if persona == NO_PERSONA:
        raise ServiceError("Exemplars are retrieved by their personas: --few-shot-persona is chosen or rejected.")
    return pool_read(
        source=options["exemplars_from"],
        shots=options["shots"] or SHOTS,
        persona=persona,
        inferring=options["few_shot_system"],
    )


def _json_object(option: str, text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise CommandError(f"{option} is not valid JSON: {error.msg} at column {error.colno}.") from error
    if not isinstance(value, dict):
        raise CommandError(f"{option} must be a JSON object, for example '{{\"batch_size\": 16}}'.")
    return value
