"""Preview and import of what was brought into a draft: each kind of file by what imports it, looked at before."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from django.db.models import Count, Q
from django.utils.translation import gettext as _

from annotation.bringing import Brought, guessed_columns, in_fields, items_of, personas_of, read_brought
from annotation.errors import ServiceError
from annotation.fields import LONGEST_NAME
from annotation.models import Output, Study, Upload, User
from annotation.protocol import definition_of, given_personas
from annotation.rowfiles import Record
from annotation.services.bringing import Bringing, bringing_save, check_brings, items_planned, personas_planned
from annotation.services.uploads import unpacked, upload_remove
from modelhub.files.problems import summed_up
from modelhub.stages.import_outputs import ImportOptions, check_outputs, import_outputs

REPLACE, ADD = "replace", "add"  # what items become of those that are there


@dataclass
class Preview:
    """A file as it would be imported: its columns, what was chosen, its rows, and what stands against them."""

    columns: list[str]
    chosen: dict[str, str]
    notes: list[str] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    effect: str = ""

    @property
    def fields(self) -> list[str]:
        """The fields that the rows have."""
        return list(self.chosen)


def preview_of(upload: Upload) -> Preview:
    """Return what an upload would bring, read anew: the draft may have changed since it was last looked at."""
    with unpacked(upload) as path:
        brought = read_brought(path)
        chosen = _chosen(upload, brought)
        notes = [*brought.notes, *_left_out(upload, brought)]
        preview = Preview(brought.columns, chosen, notes, in_fields(brought.records, chosen))
        preview.problems = summed_up(brought.problems)
        if not preview.problems:
            try:
                preview.effect, preview.problems = _LOOKS[upload.kind](upload, path, preview)
            except ServiceError as error:
                preview.problems = str(error).split("\n")
    return preview


def upload_import(*, upload: Upload, user: User) -> str:
    """Import an upload whole, forget it, and return what became of it.

    Raises ServiceError with everything that is wrong; nothing is written then, and the upload stays.
    """
    with unpacked(upload) as path:
        brought = read_brought(path)
        if brought.problems:
            raise ServiceError("\n".join(brought.problems))
        chosen = _chosen(upload, brought)
        preview = Preview(brought.columns, chosen, brought.notes, in_fields(brought.records, chosen))
        said = _IMPORTS[upload.kind](upload, path, preview, user)
    upload_remove(upload=upload)
    return said


def _left_out(upload: Upload, brought: Brought) -> list[str]:
    """Say of a file with images that they do not come with it: rows are brought by themselves."""
    if upload.kind != Upload.Kind.ITEMS or "image" not in brought.columns:
        return []
    return [
        _(
            "The column “image” is not read: images come with the study as a .zip, or one by one on the page of each "
            "item. An item that is there already keeps its image."
        )
    ]


def options_of(upload: Upload) -> dict[str, Any]:
    """Return how rows are taken: as chosen, or as is usual; what made responses is then called as their file."""
    if upload.options:
        return dict(upload.options)
    usual = {
        Upload.Kind.OUTPUTS: {"system": PurePath(upload.name).stem[:LONGEST_NAME]},
        Upload.Kind.ITEMS: {"mode": ADD},
    }
    return usual.get(Upload.Kind(upload.kind), {})


def _chosen(upload: Upload, brought: Brought) -> dict[str, str]:
    chosen = upload.columns or guessed_columns(upload.kind, brought.columns)
    return {name: column for name, column in chosen.items() if column in brought.columns}


# --- Items and personas --------------------------------------------------------------------------------------------


def _planned_items(upload: Upload, preview: Preview) -> tuple[Bringing | None, list[str]]:
    if "prompt" not in preview.chosen:
        return None, [_("No column holds the prompt; choose one.")]
    items, problems = items_of(preview.records)
    if problems:
        return None, problems
    return items_planned(upload.study, items, replaces=options_of(upload).get("mode") == REPLACE)


def _planned_personas(upload: Upload, preview: Preview) -> tuple[Bringing | None, list[str]]:
    if not {"item", "persona"} <= preview.chosen.keys():
        return None, [_("Choose the columns that hold the item's id and its persona.")]
    personas, problems = personas_of(preview.records, definition_of(upload.study))
    return (None, problems) if problems else (personas_planned(upload.study, personas), [])


_PLANS: Mapping[str, Callable[[Upload, Preview], tuple[Bringing | None, list[str]]]] = {
    Upload.Kind.ITEMS: _planned_items,
    Upload.Kind.PERSONAS: _planned_personas,
}


def _look_at_definition(upload: Upload, path: Path, preview: Preview) -> tuple[str, list[str]]:
    check_brings(upload.study)
    bringing, problems = _PLANS[upload.kind](upload, preview)
    return _said(bringing) if bringing else "", problems


def _import_definition(upload: Upload, path: Path, preview: Preview, user: User) -> str:
    bringing, problems = _PLANS[upload.kind](upload, preview)
    if problems or bringing is None:
        raise ServiceError("\n".join(problems))
    discard = bool(options_of(upload).get("discard_outputs"))
    bringing_save(study=upload.study, bringing=bringing, discard_outputs=discard, user=user)
    return _said(bringing)


def _said(bringing: Bringing) -> str:
    if not bringing.changes:
        return _("Nothing changes: all %(count)s are there already.") % {"count": bringing.unchanged}
    counts = {name: getattr(bringing, name) for name in ("added", "changed", "removed", "unchanged")}
    return _("New: %(added)s; changed: %(changed)s; removed: %(removed)s; as before: %(unchanged)s.") % counts


# --- Outputs -------------------------------------------------------------------------------------------------------


def _options(upload: Upload) -> ImportOptions:
    chosen = options_of(upload)
    return ImportOptions(**{name: chosen[name] for name in ImportOptions.model_fields if name in chosen})


def _look_at_outputs(upload: Upload, path: Path, preview: Preview) -> tuple[str, list[str]]:
    count, skipped, problems = check_outputs(
        study=upload.study, files=[path], options=_options(upload), columns=preview.chosen
    )
    said = _("Responses: %(count)s; rows that belong to no item: %(skipped)s.") % {"count": count, "skipped": skipped}
    return said, problems


def _import_outputs(upload: Upload, path: Path, preview: Preview, user: User) -> str:
    report = import_outputs(
        study=upload.study, files=[path], options=_options(upload), columns=preview.chosen, user=user
    )
    if not report.imported:
        return _("Nothing changes: all %(count)s are there already.") % {"count": report.unchanged}
    counts = {"imported": report.imported, "unchanged": report.unchanged, "skipped": report.skipped}
    return _("Responses imported: %(imported)s; as before: %(unchanged)s; rows skipped: %(skipped)s.") % counts


_LOOKS: Mapping[str, Callable[[Upload, Path, Preview], tuple[str, list[str]]]] = {
    Upload.Kind.ITEMS: _look_at_definition,
    Upload.Kind.PERSONAS: _look_at_definition,
    Upload.Kind.OUTPUTS: _look_at_outputs,
}
_IMPORTS: Mapping[str, Callable[[Upload, Path, Preview, User], str]] = {
    Upload.Kind.ITEMS: _import_definition,
    Upload.Kind.PERSONAS: _import_definition,
    Upload.Kind.OUTPUTS: _import_outputs,
}


def arm_choices(study: Study, systems: Mapping[int, str]) -> Sequence[tuple[str, str]]:
    """Return the arms as they may be chosen: by number, and with their system for those who may know it."""
    return [
        (
            str(arm.ordinal),
            ": ".join([_("Arm %(number)s") % {"number": arm.ordinal}, *filter(None, [systems.get(arm.pk)])]),
        )
        for arm in study.arms.order_by("ordinal")
    ]


def data_counts(study: Study) -> dict[str, Any]:
    """Return what a study has: items, given personas, and responses by arm."""
    ready = Q(outputs__state=Output.State.READY, outputs__planted=Output.Planted.NO)
    return {
        "items": study.items.filter(planted_part__isnull=True).count(),
        "personas": given_personas(study).count(),
        "arms": study.arms.annotate(ready=Count("outputs", filter=ready)).order_by("ordinal"),
    }
