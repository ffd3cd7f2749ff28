"""The protocol: what opening a study freezes, as one document and its hash."""

import hashlib
import json
from collections import Counter
from datetime import datetime
from typing import Any

from django.db.models import Count, Q, QuerySet

from annotation.models import Arm, Output, Persona, Study
from annotation.placeholders import TEXTS, placeholders
from annotation.studyfile.definition import StudyDefinition, without_empty, without_later_keys

# Raised whenever the document changes its form, so that hashes of two forms are never compared.
FORMAT = 3
# The command that brings the personas of a study whose items are not in its file.
_IMPORTED_BY = {
    Study.Kind.PERSONA_ASSESSMENT.value: "import_personas or add_inferred_personas",
    Study.Kind.OUTPUT_RATING.value: "add_personas_to_rate",
}


def definition_document(study: Study) -> dict[str, Any]:
    """Return what the study's file defines, read back from the database; equal to `StudyDefinition.document()`."""
    fields = (
        "slug", "title", "kind", "contact", "consent", "instructions", "debrief", "content_warning",
        "written_personas_per_participant", "given_personas_per_participant", "raters_per_item",
        "assignment_hours", "seed", "overlap_share", "repeat_share", "blocks", "show_responses", "quiz",
        "questionnaires", "followup", "skip_reasons", "exclusion_rules", "recruitment", "analysis",
        "elicitation", "screening", "retention", "formats", "items_imported", "languages", "translations",
    )  # fmt: skip
    aspect_fields = (
        "key", "name", "kind", "level", "question", "question_for_others", "minimum", "maximum", "labels",
        "expected", "part", "is_loud", "asked_if", "asked_if_values", "marking", "before_persona",
    )  # fmt: skip
    return {
        **without_empty({name: getattr(study, name) for name in fields}),
        "aspects": [without_later_keys(aspect) for aspect in study.aspects.order_by("ordinal").values(*aspect_fields)],
        "arms": list(study.arms.order_by("ordinal").values_list("is_control", flat=True)),
        "practice": study.practice,
        "items": _item_documents(study),
    }


def definition_of(study: Study) -> StudyDefinition:
    """Return the definition that a study's file would have."""
    return StudyDefinition.of_document(definition_document(study))


def definition_hash(study: Study) -> str:
    """Return the SHA-256 of the definition: what forms were made from, in a draft that is not frozen yet."""
    return _hash(definition_document(study))


def protocol_document(study: Study, *, opened_at: datetime | None = None) -> dict[str, Any]:
    """Return everything that opening freezes. Arms are named by number, so that the same study has the same hash.

    What comes after opening must not change it: written personas, live outputs and later exclusions are left out.
    `opened_at` stands in for the study's own time of opening where that is not stored yet.
    """
    amendments = amendment_documents(study)
    return {
        "format": FORMAT,
        "version": study.version,
        "demonstration": study.demonstration,
        "definition": definition_document(study),
        "fingerprints": list(study.arms.order_by("ordinal").values_list("fingerprint", flat=True)),
        "imported": imported_documents(study),
        "outputs": _output_documents(study, study.opened_at or opened_at),
        **({"amendments": amendments} if amendments else {}),
    }


def protocol_hash(study: Study, *, opened_at: datetime | None = None) -> str:
    """Return the SHA-256 of the protocol document as canonical JSON, in hex."""
    return _hash(protocol_document(study, opened_at=opened_at))


def _hash(document: dict[str, Any]) -> str:
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode("utf-8")).hexdigest()


def problems_before_opening(study: Study) -> list[str]:
    """Return every reason why the study cannot be opened as it is; none if it can."""
    return problems_before_preview(study) + _placeholder_problems(study)


def problems_before_preview(study: Study) -> list[str]:
    """Return every reason why nobody could take part in the study as it is, not even its researchers."""
    given = given_personas(study)
    included = given.exclude(outputs__excluded_at__isnull=False)
    problems = []
    if study.items_imported and not given.exists():
        problems.append(
            f"It has no personas yet, since its file says `items: imported`; use {_IMPORTED_BY[study.kind]}."
        )
    wanted, left = study.given_personas_per_participant, included.count()
    if wanted > left:
        problems.append(
            f"Each participant is to see {wanted} given personas, and {left} are left after exclusions. "
            "Include some again, or lower given_personas_per_participant in the study file."
        )
    for arm in study.arms.order_by("ordinal"):
        problems += _arm_problems(arm, study, included)
    return problems + _claim_problems(study)


def _placeholder_problems(study: Study) -> list[str]:
    """A demonstration is nobody's study, so nobody has to be named in it."""
    if study.demonstration:
        return []
    texts = {name: getattr(study, name) for name in TEXTS}
    found = placeholders({**texts, "translations": study.translations})
    return [f"Its {key} still says {text!r}; put in what belongs there." for key, text in dict.fromkeys(found)]


def given_personas(study: Study) -> QuerySet[Persona]:
    """Return the personas that came with the study, in the order of their items; those of planted pairs are none."""
    given = Persona.objects.filter(item__study=study, source=Persona.Source.GIVEN, item__planted_part__isnull=True)
    return given.order_by("item__ordinal", "pk")


def _arm_problems(arm: Arm, study: Study, included: QuerySet[Persona]) -> list[str]:
    ready = Q(outputs__arm=arm, outputs__sample=0, outputs__state=Output.State.READY)
    counts = Counter(included.annotate(ready=Count("outputs", filter=ready)).values_list("ready", flat=True))
    total, missing = counts.total(), counts[0]
    name = f"Arm {arm.ordinal}"  # without its code, by which blinded people know it: this is told to them
    problems = []
    if not arm.fingerprint and study.written_personas_per_participant:
        problems.append(f"{name} has no system to answer written personas; bind one with bind_arms.")
    elif not arm.fingerprint and missing == total:
        problems.append(f"{name} has neither a system nor outputs; use bind_arms or import_outputs.")
    if 0 < missing < total:
        problems.append(
            f"{name} has outputs for {total - missing} of {total} given personas; "
            "make or import the others, or exclude those pairs."
        )
    foreign = arm.outputs.filter(excluded_at__isnull=True).exclude(fingerprint__in=["", arm.fingerprint]).count()
    if foreign:
        problems.append(f"{name} was bound to another system after {foreign} of its outputs came; import them again.")
    return problems


def _claim_problems(study: Study) -> list[str]:
    # What a worker is making now might be ready just before the opening, and be missed by the hash.
    claimed = Output.objects.filter(arm__study=study, state=Output.State.REQUESTED).exclude(lease_holder="").count()
    problem = (
        f"{claimed} of its outputs are being made at this moment; open it when they are ready. If their worker was "
        "killed, another one takes them over: make_outputs."
    )
    return [problem] if claimed else []


def _item_documents(study: Study) -> list[dict[str, Any]]:
    given = Persona.objects.filter(item__study=study, source=Persona.Source.GIVEN)
    personas = dict(given.values_list("item_id", "text"))
    planted = _planted_texts(study)
    fields = ("key", "prompt", "stratum", "warning", "answer_start", "planted_part", "planted_aspect")
    # Imported items are no part of the file; see imported_documents.
    items = study.items.filter(planted_part__isnull=False) if study.items_imported else study.items.all()
    return [
        {
            "persona": personas.get(item.pk),
            **{name: getattr(item, name) for name in fields},
            **{name: getattr(item, name) for name in ("language", "image") if getattr(item, name)},
            **{side: planted.get((item.pk, side), "") for side in ("good", "bad")},
        }
        for item in items.order_by("ordinal")
    ]


def amendment_documents(study: Study) -> list[dict[str, Any]]:
    """Return what was changed after opening, in order, each with the hash before it."""
    return [
        {
            "number": one.number,
            "at": one.at.isoformat(),
            "reason": one.reason,
            "changes": one.changes,
            "hash_before": one.hash_before,
        }
        for one in study.amendments.order_by("number")
    ]


def imported_documents(study: Study) -> list[dict[str, Any]]:
    """Return the items that are not in the file. Random codes of conditions are numbered as they come."""
    if not study.items_imported:
        return []
    personas = given_personas(study).filter(item__planted_part__isnull=True).order_by("item__ordinal", "text", "pk")
    numbers: dict[str, int] = {}
    return [
        {
            "key": persona.item.key,
            "prompt": persona.item.prompt,
            "stratum": persona.item.stratum,
            "persona": persona.text,
            "block": numbers.setdefault(persona.block, len(numbers)),
            # Only where there is one, so that studies opened before such items could have it keep their hash.
            **({"answer_start": persona.item.answer_start} if persona.item.answer_start else {}),
        }
        for persona in personas.select_related("item")
    ]


def _planted_texts(study: Study) -> dict[tuple[int, str], str]:
    """Return the responses of planted pairs by item and side."""
    planted = Output.objects.filter(arm__study=study).exclude(planted=Output.Planted.NO)
    return {(item, side): text for item, side, text in planted.values_list("persona__item_id", "planted", "text")}


def _output_documents(study: Study, opened_at: datetime | None) -> list[dict[str, Any]]:
    outputs = Output.objects.filter(arm__study=study, persona__source=Persona.Source.GIVEN, state=Output.State.READY)
    if opened_at is not None:
        outputs = outputs.filter(ready_at__lte=opened_at)
    rows = outputs.order_by("persona__item__ordinal", "persona__text", "arm__ordinal", "sample").values_list(
        "persona__item__key", "arm__ordinal", "sample", "text", "excluded_reason", "excluded_at"
    )
    return [
        {
            "item": item,
            "arm": arm,
            "sample": sample,
            "sha256": hashlib.sha256(text.encode("utf-8")).hexdigest(),
            "excluded": reason if at is not None and (opened_at is None or at <= opened_at) else "",
        }
        for item, arm, sample, text, reason, at in rows
    ]
