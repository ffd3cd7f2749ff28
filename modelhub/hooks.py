"""Delete what modelhub recorded about what `annotation` removes, in the transaction that removes it.

Named in `DISCARD_HOOKS` and `ERASURE_HOOKS`. Runs stay: they say what was done, and by which files, and hold no text.
"""

from collections.abc import Sequence

from django.db.models import QuerySet

from annotation.models import Output, Persona
from modelhub.models import Generation, OutputFinding, PersonaOrigin


def discard_records(*, outputs: QuerySet[Output], personas: QuerySet[Persona]) -> None:
    """Delete generations, findings and origins of what a change of a draft's definition discards."""
    OutputFinding.objects.filter(output__in=outputs).delete()
    Generation.objects.filter(output__in=outputs).delete()
    PersonaOrigin.objects.filter(persona__in=personas).delete()


def erase_records(*, output_ids: Sequence[int], persona_ids: Sequence[int]) -> None:
    """Delete generations, whose prompts hold the persona's text, findings and origins of what an author has erased.

    Outputs for stored pairs (`PairOutput`) and judgements of them stay: their personas come from data sets, never from
    a participant.
    """
    OutputFinding.objects.filter(output__in=output_ids).delete()
    Generation.objects.filter(output__in=output_ids).delete()
    PersonaOrigin.objects.filter(persona__in=persona_ids).delete()
