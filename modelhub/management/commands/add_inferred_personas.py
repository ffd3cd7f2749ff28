"""`manage.py add_inferred_personas`: bring stored personas into a draft persona assessment."""

from typing import Any

from annotation.models import Study
from modelhub.management.fill_command import FillCommand
from modelhub.stages.fill_study import FillReport, WantedPersonas, add_inferred_personas


class Command(FillCommand):
    help = "Bring inferred or retrieved personas, with their pairs, into a draft persona assessment (items: imported)."

    def fill(self, study: Study, wanted: WantedPersonas, options: dict[str, Any]) -> FillReport:
        return add_inferred_personas(study=study, wanted=wanted)
