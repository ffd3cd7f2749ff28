"""Delete what modelhub recorded about outputs and personas that a change of a draft's definition discards."""

from django.db.models import QuerySet

from annotation.models import Output, Persona
from modelhub.models import Generation, PersonaOrigin


def discard_records(*, outputs: QuerySet[Output], personas: QuerySet[Persona]) -> None:
    """Delete generations and origins; named in `DISCARD_HOOKS` and called in the transaction that discards.

    Runs stay: they say what was done, and by which files.
    """
    Generation.objects.filter(output__in=outputs).delete()
    PersonaOrigin.objects.filter(persona__in=personas).delete()
