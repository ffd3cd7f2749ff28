"""Write a definition into a study's rows, keeping what the definition does not change."""

from collections.abc import Mapping

from django.conf import settings
from django.db.models import F, Max
from django.utils import timezone
from django.utils.module_loading import import_string

from annotation.errors import OutputsWouldGo
from annotation.models import Arm, Aspect, Item, Output, Persona, Study, StudyImage
from annotation.services.planted import planted_delete, planted_write
from annotation.studyfile import ItemDefinition, StudyDefinition
from annotation.studyfile.images import ImageFile, stored_image

_OF_THE_STUDY = (
    "title", "kind", "contact", "consent", "instructions", "debrief", "content_warning",
    "written_personas_per_participant", "given_personas_per_participant", "raters_per_item",
    "assignment_hours", "seed", "overlap_share", "repeat_share", "blocks", "show_responses", "quiz",
    "questionnaires", "followup", "skip_reasons", "exclusion_rules", "recruitment", "analysis", "screening",
    "elicitation", "retention", "formats", "items_imported", "languages", "translations",
)  # fmt: skip
_OF_AN_ITEM = ("prompt", "stratum", "warning", "answer_start", "language", "image", "planted_part", "planted_aspect")


def definition_write(*, study: Study, definition: StudyDefinition, discard_outputs: bool) -> None:
    """Make the rows of a draft say what `definition` says; call it inside `atomic()`.

    Items are matched by key; they keep their outputs unless their prompt or persona changes. Arms keep codes, systems
    and outputs unless their number changes.

    Raises:
        OutputsWouldGo: outputs would be lost, and `discard_outputs` is not given.
        ProtectedError: something outside this app still refers to what would have to go.
    """
    document = definition.document()
    was_imported, old_kind = study.items_imported, study.kind
    for name in _OF_THE_STUDY:
        setattr(study, name, getattr(definition, name))
    study.practice = document["practice"]
    study.save(update_fields=[*_OF_THE_STUDY, "practice"])
    planted_delete(study=study)
    new_arms = study.arms.count() != len(definition.arms)
    # Imported items are not in the file. Those of an assessment bring the arms' outputs, so other arms ask for another
    # import.
    keeps_imports = (
        was_imported
        and definition.items_imported
        and definition.kind == old_kind
        and (not new_arms or definition.kind == Study.Kind.OUTPUT_RATING)
    )
    outdated = [] if keeps_imports else _outdated_items(study, definition)
    _discard(study, outdated, all_arms=new_arms, allowed=discard_outputs)
    _write_arms(study, definition.arms, new=new_arms)
    study.aspects.all().delete()
    Aspect.objects.bulk_create(
        Aspect(study=study, ordinal=number, **aspect) for number, aspect in enumerate(document["aspects"], start=1)
    )
    _write_items(study, definition.items)
    images_write(study=study, images=definition.images, keep=False)
    planted_write(study=study, definitions=definition.items)


def _outdated_items(study: Study, definition: StudyDefinition) -> list[int]:
    """Return the items that are gone or now ask something else, so that what was answered no longer belongs."""
    wanted = {
        item.key: (item.prompt, item.persona, item.image.get("sha256"))
        for item in definition.items
        if item.planted_part is None
    }
    personas = dict(Persona.objects.filter(item__study=study).values_list("item_id", "text"))
    return [
        item.pk
        for item in study.items.only("key", "prompt", "image")
        if wanted.get(item.key) != (item.prompt, personas.get(item.pk), item.image.get("sha256"))
    ]


def _discard(study: Study, outdated: list[int], *, all_arms: bool, allowed: bool) -> None:
    outputs = Output.objects.filter(arm__study=study)
    if not all_arms:
        outputs = outputs.filter(persona__item_id__in=outdated)
    count = outputs.count()
    if count and not allowed:
        why = "the number of arms changes" if all_arms else "prompts or personas change or go"
        raise OutputsWouldGo(
            f"{count} outputs of {study} would be discarded, because {why}. "
            "Load the file with --discard-outputs if that is what you want; nothing was changed.",
            count=count,
        )
    personas = Persona.objects.filter(item_id__in=outdated)
    for path in settings.DISCARD_HOOKS:  # other apps delete what they recorded about these rows
        import_string(path)(outputs=outputs, personas=personas)
    outputs.delete()
    personas.delete()
    Item.objects.filter(pk__in=outdated).delete()


def _write_arms(study: Study, controls: list[bool], *, new: bool) -> None:
    if new:
        study.arms.all().delete()
        Arm.objects.bulk_create(
            Arm(study=study, ordinal=number, is_control=control) for number, control in enumerate(controls, start=1)
        )
    for number, control in enumerate(controls, start=1):
        study.arms.filter(ordinal=number).update(is_control=control)


def _write_items(study: Study, definitions: list[ItemDefinition]) -> None:
    # Ordinals are unique: move the old ones out of the way before the items are numbered afresh.
    highest = study.items.aggregate(highest=Max("ordinal"))["highest"] or 0
    study.items.update(ordinal=F("ordinal") + highest + len(definitions) + 1)
    existing = {item.key: item for item in study.items.all()}
    kept: list[Item] = []
    new: list[Item] = []
    for number, definition in enumerate(definitions, start=1):
        item = existing.get(definition.key) or Item(study=study, key=definition.key)
        item.ordinal = number
        for name in _OF_AN_ITEM:
            setattr(item, name, getattr(definition, name))
        (kept if definition.key in existing else new).append(item)
    Item.objects.bulk_update(kept, ["ordinal", *_OF_AN_ITEM], batch_size=200)
    created = Item.objects.bulk_create(new, batch_size=500)
    _write_personas(created, {item.key: item.persona for item in definitions})


def images_write(*, study: Study, images: Mapping[str, ImageFile | None], keep: bool) -> None:
    """Store the images of a study that it has not yet, by their hashes; without `keep`, the others go.

    A definition that was read back from the database names an image by its hash alone.
    """
    if not keep:
        study.images.exclude(sha256__in=list(images)).delete()
    there = set(study.images.values_list("sha256", flat=True))
    found = {sha256: file or stored_image(sha256) for sha256, file in images.items() if sha256 not in there}
    StudyImage.objects.bulk_create(
        StudyImage(
            study=study, sha256=sha256, media_type=file.media_type, width=file.width, height=file.height,
            data=file.data,
        )
        for sha256, file in found.items()
        if file is not None
    )  # fmt: skip


def _write_personas(items: list[Item], texts: dict[str, str | None]) -> None:
    now = timezone.now()
    given = [(item, texts[item.key]) for item in items]
    Persona.objects.bulk_create(
        [
            Persona(item=item, source=Persona.Source.GIVEN, text=text, submitted_at=now)
            for item, text in given
            if text is not None
        ],
        batch_size=500,
    )
