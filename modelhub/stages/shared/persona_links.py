"""Keep with outputs which inferred personas they were made for."""

from django.db.models import QuerySet

from modelhub.models import PairOutput
from modelhub.queries.persona_sources import SourceTexts, persona_key

BATCH = 1000


def outputs_link(outputs: QuerySet[PairOutput], given: SourceTexts) -> int:
    """Link those of the outputs that were made for the personas of a source; return how many are.

    An output whose text of a persona several systems have inferred is linked for each that it was asked for.
    """
    through = PairOutput.inferred_personas.through
    found = outputs.filter(source=given.source).order_by().values_list("pk", "pair_id", "persona_key")
    links = [
        through(pairoutput_id=output, inferredpersona_id=given.inferred[pair])
        for output, pair, key in found.iterator()
        if pair in given.inferred and persona_key(given.texts[pair]) == key
    ]
    through.objects.bulk_create(links, batch_size=BATCH, ignore_conflicts=True)
    return len(links)
