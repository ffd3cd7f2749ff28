"""Outputs that were made earlier are linked to the personas they were made for, as their texts tell.

Where several systems have inferred the same text, the output is linked to each: so results name them as before.
"""

from collections import defaultdict
from collections.abc import Iterator

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

BATCH = 500
DIRECTIONS = {
    "gold_chosen": "chosen",
    "gold_rejected": "rejected",
    "retrieved_chosen": "chosen",
    "retrieved_rejected": "rejected",
}
Output = tuple[int, int, str, str]  # id, id of the pair, source, persona


def link(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    alias = editor.connection.alias
    through = apps.get_model("modelhub", "PairOutput").inferred_personas.through
    for outputs in _batches(apps, alias):
        links = [
            through(pairoutput_id=output, inferredpersona_id=persona)
            for output, personas in _personas(apps, alias, outputs).items()
            for persona in personas
        ]
        through.objects.using(alias).bulk_create(links, batch_size=BATCH, ignore_conflicts=True)


def _batches(apps: Apps, alias: str) -> Iterator[list[Output]]:
    """Yield the outputs in the order of their ids. No cursor stays open while links are written."""
    given = apps.get_model("modelhub", "PairOutput").objects.using(alias).filter(source__in=DIRECTIONS)
    ordered = given.exclude(persona="").order_by("pk").values_list("pk", "pair_id", "source", "persona")
    last = 0
    while outputs := list(ordered.filter(pk__gt=last)[:BATCH]):
        yield outputs
        last = outputs[-1][0]


def _personas(apps: Apps, alias: str, outputs: list[Output]) -> dict[int, list[int]]:
    """Return the ids of the inferred personas that have an output's text, by the id of the output."""
    retrieved = apps.get_model("modelhub", "RetrievedPersona").objects.using(alias)
    explained: dict[tuple[bool, int], set[int]] = defaultdict(set)
    for pair, training in retrieved.filter(pair__in={pair for _, pair, *_ in outputs}).values_list("pair", "source"):
        explained[True, pair].add(training)
    for _, pair, *_ in outputs:
        explained[False, pair].add(pair)
    inferred = apps.get_model("modelhub", "InferredPersona").objects.using(alias).exclude(text="")
    known: dict[tuple[int, str, str], list[int]] = defaultdict(list)
    columns = ("pk", "pair_id", "direction", "text")
    for persona, pair, direction, text in inferred.filter(pair__in=set().union(*explained.values())).values_list(
        *columns
    ):
        known[pair, direction, text.strip()].append(persona)
    return {
        output: [
            persona
            for one in explained[source.startswith("retrieved"), pair]
            for persona in known[one, DIRECTIONS[source], text.strip()]
        ]
        for output, pair, source, text in outputs
    }


class Migration(migrations.Migration):
    dependencies = [("modelhub", "0007_inferred_personas_of_outputs")]

    operations = [migrations.RunPython(link, migrations.RunPython.noop)]
