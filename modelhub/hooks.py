"""What `annotation` asks of modelhub without knowing it, by the names in its settings.

`DISCARD_HOOKS` and `ERASURE_HOOKS` delete what modelhub recorded about what `annotation` removes, in the transaction
that removes it; `PERSONAS_REACH` says how far personas travel. Runs stay: they say what was done, and by which files,
and hold no text.
"""

from collections.abc import Sequence
from urllib.parse import urlsplit

from django.db.models import Q, QuerySet

from annotation.models import Output, Persona, Study
from modelhub.engines import IMPORTED
from modelhub.engines.openai.settings import is_private
from modelhub.models import Generation, JobFile, OutputFinding, PersonaOrigin, System
from modelhub.prompting.layouts import PersonaStyle

REACHES = ("none", "here", "network", "outside")


def discard_records(*, outputs: QuerySet[Output], personas: QuerySet[Persona]) -> None:
    """Delete generations, findings and origins of what a change of a draft's definition discards."""
    OutputFinding.objects.filter(output__in=outputs).delete()
    Generation.objects.filter(output__in=outputs).delete()
    PersonaOrigin.objects.filter(persona__in=personas).delete()


def personas_reach(study: Study) -> str:
    """Return how far personas of a study travel, over all its systems and its guard: the farthest of REACHES."""
    told = Q(bindings__arm__study=study) & ~Q(persona_style=PersonaStyle.NONE)
    systems = System.objects.filter(told | Q(guard_bindings__study=study))
    return max((_reach(system) for system in systems), key=REACHES.index, default="none")


def _reach(system: System) -> str:
    if system.engine == IMPORTED:
        return "none"
    if system.engine != "openai":
        return "here"  # in the worker's own process
    host = urlsplit(system.endpoint).hostname or ""
    if host in ("localhost", "127.0.0.1", "::1"):
        return "here"
    return "network" if host and is_private(host) else "outside"  # without an endpoint it is OpenAI's


def erase_records(*, study_id: int, output_ids: Sequence[int], persona_ids: Sequence[int]) -> None:
    """Delete generations, whose prompts hold the persona's text, findings and origins of what an author has erased.

    Files of the study's reports go too: they count the answers of whoever was erased.

    Outputs for stored pairs (`PairOutput`) and judgements of them stay: their personas come from data sets, never from
    a participant.
    """
    OutputFinding.objects.filter(output__in=output_ids).delete()
    Generation.objects.filter(output__in=output_ids).delete()
    PersonaOrigin.objects.filter(persona__in=persona_ids).delete()
    JobFile.objects.filter(job__study=study_id).delete()
