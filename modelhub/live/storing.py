"""What a worker writes: answers with how they were made, and what a server said of itself when it was first asked."""

from collections.abc import Mapping

from django.db import transaction

from annotation.services.queue import output_fill
from modelhub.engines.base import GenerationResult
from modelhub.live.desk import Desk, Flight
from modelhub.live.identity import learned
from modelhub.live.scanning import findings_store, output_flags
from modelhub.models import Generation, Run, System
from modelhub.runs.storing import given_fields, made_fields


def answer_store(run: Run, desk: Desk, flight: Flight, *, text: str, result: GenerationResult) -> bool:
    """Write a response, how it was made and what was found in it together; False if the lease was lost meanwhile."""
    output = flight.output
    flags = output_flags(output, text=text, finish_reason=result.finish_reason)
    with transaction.atomic():
        filled = output_fill(output_id=output.pk, holder=run.key, text=text, fingerprint=desk.fingerprint)
        if filled:
            Generation.objects.create(
                run=run,
                system=desk.system,
                output=output,
                **given_fields(result.asked or flight.request),
                **made_fields(flight.request, result),
            )
            findings_store(output=output, flags=flags)
    return filled


def served_learn(*, system: System, told: Mapping[str, str]) -> None:
    """Keep what a server says of itself for the first time; what another worker has learned before stays."""
    with transaction.atomic():
        System.objects.filter(pk=system.pk).update(name=system.name)  # takes the row, so that workers take turns
        system.refresh_from_db(fields=["served"])
        system.served = learned(system.served, told)
        system.save(update_fields=["served"])
