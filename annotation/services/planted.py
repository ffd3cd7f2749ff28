"""Write planted pairs: items whose good and bad response come with the study file."""

import hashlib

from django.utils import timezone

from annotation.models import Item, Output, Persona, Study
from annotation.studyfile import ItemDefinition


def planted_delete(*, study: Study) -> None:
    """Remove the planted items of a draft with all that belongs to them; the file brings them again."""
    items = Item.objects.filter(study=study, planted_part__isnull=False)
    Output.objects.filter(persona__item__in=items).delete()
    Persona.objects.filter(item__in=items).delete()
    items.delete()


def planted_write(*, study: Study, definitions: list[ItemDefinition]) -> None:
    """Store both responses of each planted pair, whose items and personas are there already.

    Which arm's place the bad one takes is drawn by the study's seed. No system made them, so they bear no fingerprint.
    """
    pairs = {definition.key: definition for definition in definitions if definition.planted_part is not None}
    personas = Persona.objects.filter(item__study=study, item__key__in=pairs).select_related("item")
    arms = list(study.arms.order_by("ordinal"))
    now = timezone.now()
    outputs = []
    for persona in personas:
        pair = pairs[persona.item.key]
        good, bad = arms[:: _direction(study.seed, pair.key)]
        for arm, planted, text in ((good, Output.Planted.GOOD, pair.good), (bad, Output.Planted.BAD, pair.bad)):
            outputs.append(
                Output(
                    persona=persona, arm=arm, planted=planted, text=text, state=Output.State.READY, ready_at=now,
                )
            )  # fmt: skip
    Output.objects.bulk_create(outputs)


def _direction(seed: int, key: str) -> int:
    """Return 1 or -1 by a seeded hash."""
    return 1 if hashlib.sha256(f"{seed}\x1f{key}".encode()).digest()[0] % 2 else -1
