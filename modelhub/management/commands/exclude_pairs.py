"""`manage.py exclude_pairs`: leave items' outputs out of a draft study, all arms together."""

from typing import Any

from django.core.management.base import CommandParser
from django.db import transaction

from annotation.errors import ServiceError
from annotation.management.base import ProjectCommand
from annotation.models import Persona
from annotation.services.outputs import outputs_exclude
from annotation.studyref import study_from_reference


class Command(ProjectCommand):
    help = "Exclude the outputs of items from a draft study, those of all arms together. Logged."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", help="slug, or slug@version; the newest version if none is given")
        parser.add_argument("items", nargs="+", metavar="ITEM", help="ids of items in the study file")
        parser.add_argument("--reason", required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        items = list(dict.fromkeys(options["items"]))
        study = study_from_reference(options["study"])
        given = study.items.filter(key__in=items, personas__source=Persona.Source.GIVEN)
        unknown = sorted(set(items) - set(given.values_list("key", flat=True)))
        if unknown:
            raise ServiceError(
                f"{study} has no item with a given persona called {', '.join(map(repr, unknown))}. "
                "Nothing was excluded."
            )
        with transaction.atomic():
            for persona in Persona.objects.filter(item__study=study, item__key__in=items).select_related("item"):
                outputs_exclude(persona=persona, reason=options["reason"], user=None)
        self.stdout.write(f"Excluded {len(items)} items from {study}.")
