"""Write the items and given personas that an import brings into a draft whose file says `items: imported`."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Max
from django.utils import timezone

from annotation.errors import NotAllowedNow
from annotation.models import Item, Output, Persona, Study
from annotation.services.locks import study_lock
from annotation.services.tallies import tallies_drop

_BATCH = 500


@dataclass(frozen=True)
class ImportedItem:
    """A prompt with the responses shown beside its personas: text by the id of the arm that stands for it.

    Without responses, the arms' outputs are made or imported later. Every one then begins with `answer_start`.
    """

    key: str
    prompt: str
    stratum: str
    responses: dict[int, str]
    answer_start: str = ""


@dataclass(frozen=True)
class ImportedPersona:
    """A persona given with the item of this key; `block` is an opaque mark of its condition."""

    item_key: str
    text: str
    block: str


def personas_import(
    *, study: Study, items: Sequence[ImportedItem], personas: Sequence[ImportedPersona]
) -> list[Persona]:
    """Add personas, their items where these are new, and one ready output per response; call it inside `atomic()`.

    Returns the personas in the order given. Raises NotAllowedNow unless the study is a draft that imports its items.
    """
    study_lock(study_id=study.pk)  # holds off the opening until the transaction ends
    study.refresh_from_db(fields=["state", "items_imported"])
    if study.state != Study.State.DRAFT or not study.items_imported:
        raise NotAllowedNow(f"{study} is {study.state}; only a draft whose file says `items: imported` takes personas.")
    tallies_drop(study=study)
    rows = _items(study, items)
    now = timezone.now()
    created = Persona.objects.bulk_create(
        [
            Persona(
                item=rows[one.item_key], source=Persona.Source.GIVEN, text=one.text, block=one.block, submitted_at=now
            )
            for one in personas
        ],
        batch_size=_BATCH,
    )
    _outputs(study, created, {item.key: item.responses for item in items})
    return created


def _items(study: Study, items: Sequence[ImportedItem]) -> dict[str, Item]:
    """Return the study's items by key, the new ones created after those that are there."""
    there = {item.key: item for item in study.items.all()}
    last = study.items.aggregate(last=Max("ordinal"))["last"] or 0
    missing = [item for item in items if item.key not in there]
    created = Item.objects.bulk_create(
        [
            Item(
                study=study, ordinal=number, key=item.key, prompt=item.prompt, stratum=item.stratum,
                answer_start=item.answer_start,
            )
            for number, item in enumerate(missing, start=last + 1)
        ],
        batch_size=_BATCH,
    )  # fmt: skip
    return there | {item.key: item for item in created}


def _outputs(study: Study, personas: Sequence[Persona], responses: dict[str, dict[int, str]]) -> None:
    fingerprints = dict(study.arms.values_list("pk", "fingerprint"))
    now = timezone.now()
    Output.objects.bulk_create(
        [
            Output(
                persona=persona, arm_id=arm, text=text, state=Output.State.READY, ready_at=now,
                fingerprint=fingerprints[arm],
            )
            for persona in personas
            for arm, text in responses[persona.item.key].items()
        ],
        batch_size=_BATCH,
    )  # fmt: skip
