"""Delete what modelhub recorded about outputs and personas whose author has them erased."""

from collections.abc import Sequence

from modelhub.models import Generation, PersonaOrigin


def erase_records(*, output_ids: Sequence[int], persona_ids: Sequence[int]) -> None:
    """Delete generations, whose prompts hold the persona's text, and origins.

    Named in `ERASURE_HOOKS` and called in the transaction that erases. Runs stay: they hold no text. So do outputs for
    stored pairs (`PairOutput`) and judgements of them: their personas come from data sets, never from a participant.
    """
    Generation.objects.filter(output__in=output_ids).delete()
    PersonaOrigin.objects.filter(persona__in=persona_ids).delete()
