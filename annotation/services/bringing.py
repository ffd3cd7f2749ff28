"""Bring items and given personas into a draft: they become part of its definition, as if its file said so."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db import transaction

from annotation.errors import NotAllowedNow, ServiceError
from annotation.fields import id_key
from annotation.models import Study, User
from annotation.protocol import definition_document, definition_of
from annotation.services.log import audit_log
from annotation.services.studies import study_save
from annotation.studyfile import ItemDefinition, StudyDefinition


@dataclass(frozen=True)
class Bringing:
    """What an import of items or personas makes of a definition, in numbers."""

    definition: StudyDefinition
    added: int = 0
    changed: int = 0
    removed: int = 0
    unchanged: int = 0

    @property
    def changes(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.added or self.changed or self.removed)


def items_planned(study: Study, items: Sequence[ItemDefinition], *, replaces: bool) -> tuple[Bringing, list[str]]:
    """Return what a draft becomes with these items, added or in place of those it has, and what stands against that.

    An id that is there stands for the same item; added items must not say something else of it.
    """
    definition = definition_of(study)
    planted = [item for item in definition.items if item.planted_part is not None]
    there = {id_key(item.key): item for item in definition.items}
    items = [_with_image(item, there.get(id_key(item.key))) for item in items]
    known = [item for item in items if id_key(item.key) in there]
    differ = [item for item in known if there[id_key(item.key)] != item]
    taken = {id_key(item.key) for item in planted}
    problems = [
        f"{item.key!r} is the id of a planted item; choose another." for item in known if id_key(item.key) in taken
    ]
    new = [item for item in items if id_key(item.key) not in there]
    if replaces:
        kept = {id_key(item.key) for item in items}
        gone = [item for item in definition.items if item.planted_part is None and id_key(item.key) not in kept]
        wanted, removed, changed = [*items, *planted], len(gone), len(differ)
    else:
        problems += [
            f"Item {item.key!r} is there already and says something else; choose to replace the items, or give this "
            "one another id."
            for item in differ
        ]
        own = [item for item in definition.items if item.planted_part is None]
        wanted, removed, changed = [*own, *new, *planted], 0, 0
    made = replace(definition, items=wanted, translations=_translations(definition, wanted))
    return Bringing(made, len(new), changed, removed, len(known) - len(differ)), problems


def _with_image(item: ItemDefinition, stands: ItemDefinition | None) -> ItemDefinition:
    """Return the item with the image that it has in the draft: rows bring none."""
    return replace(item, image=stands.image) if stands is not None and not item.image else item


def personas_planned(study: Study, personas: Mapping[str, str]) -> Bringing:
    """Return what a draft becomes with these given personas, by the item's key."""
    definition = definition_of(study)
    items = [replace(item, persona=personas.get(item.key, item.persona)) for item in definition.items]
    before = [item.persona for item in definition.items if item.key in personas]
    after = [item.persona for item in items if item.key in personas]
    pairs = list(zip(before, after, strict=True))
    return Bringing(
        replace(definition, items=items),
        added=sum(old is None for old, _ in pairs),
        changed=sum(old is not None and old != new for old, new in pairs),
        unchanged=sum(old == new for old, new in pairs),
    )


def bringing_save(*, study: Study, bringing: Bringing, discard_outputs: bool, user: User) -> None:
    """Save what was planned for a draft and log it; nothing is written where nothing changes.

    Raises:
        NotAllowedNow: the study is no draft, is not the newest version, or takes its items from a stage.
        ServiceError: outputs would be lost, and `discard_outputs` is not given.
    """
    with transaction.atomic():
        check_brings(study)
        if definition_document(study) == bringing.definition.document():
            return
        try:
            study_save(definition=bringing.definition, owner=study.owner, discard_outputs=discard_outputs)
        except NotAllowedNow:
            raise
        except ServiceError as error:
            raise ServiceError(str(error).replace("Load the file with --discard-outputs", "Tick the box")) from error
        counts: dict[str, Any] = {name: getattr(bringing, name) for name in ("added", "changed", "removed")}
        audit_log(user=user, action="items_brought", study=study, **counts)


def check_brings(study: Study) -> None:
    """Raise NotAllowedNow where items and personas cannot be brought into a study."""
    if study.state != Study.State.DRAFT:
        raise NotAllowedNow(f"Data are brought into drafts only; {study} is {study.state}.")
    if study.items_imported:
        raise NotAllowedNow(f"The items of {study} come from a stage of the pipeline, since its file says so.")
    if Study.objects.filter(slug=study.slug, version__gt=study.version).exists():
        raise NotAllowedNow(f"{study} has a newer version; bring the data into that one.")


def _translations(definition: StudyDefinition, items: Sequence[ItemDefinition]) -> dict[str, Any]:
    """Return the texts in other languages without warnings of items that are gone."""
    keys = {item.key for item in items}
    made = {}
    for language, texts in definition.translations.items():
        warnings = {key: text for key, text in texts.get("warnings", {}).items() if key in keys}
        rest = {name: value for name, value in texts.items() if name != "warnings"}
        made[language] = {**rest, **({"warnings": warnings} if warnings else {})}
    return made
