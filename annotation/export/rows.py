"""Turn database rows into rows of an export, a chunk at a time: memory does not grow with the study."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import groupby, islice
from operator import itemgetter
from typing import Any

from django.db.models import Max, QuerySet

from annotation.export import querysets as q
from annotation.export.flagged import FIELDS, participant_facts
from annotation.export.scope import Scope
from annotation.models import Assignment, Output, Participant, Persona, Rating, Slot
from annotation.models.participant import participant_code

CHUNK = 1000
Row = dict[str, Any]


def person_paths(prefix: str) -> dict[str, str]:
    """Return the ingredients of `participant_cells`, from rows that reach the participant by `prefix`."""
    fields = ("kind", "number", "withdrawn_at", "excluded_at")
    return {f"_{field}": f"{prefix}{field}" for field in fields}


# Column -> path from a persona.
HOW_WRITTEN_PATHS = {"writing_condition": "condition", "written_as": "written_as"}
# Column -> path from an assignment; a name that starts with _ is an ingredient, not a column.
ASSIGNMENT_PATHS = {
    **person_paths("participant__"),
    "assignment": "key",
    "assignment_kind": "kind",
    "repeat_of": "repeat_of__key",
    "assignment_state": "state",
    "ordinal": "ordinal",
    "surplus": "surplus",
    "_expires_at": "expires_at",
    "item": "persona__item__key",
    "stratum": "persona__item__stratum",
    "persona": "persona__key",
    "persona_source": "persona__source",
    "block": "persona__block",
    "_author": "persona__author",
    "_participant": "participant",
    "persona_text": "persona__text",
    **{name: f"persona__{path}" for name, path in HOW_WRITTEN_PATHS.items()},
}
_JOINED_BY = {Participant.Origin.PERSONAL: "personal_link"}
TIME_PATHS = {f"_{name}": name for name in q.TIMES}
_ANSWER_PATHS = {
    "arm": "slot__output__arm__code",
    "output": "slot__output__key",
    "slot_kind": "slot__kind",
    "position": "position",
    "aspect": "aspect__key",
    "aspect_kind": "aspect__kind",
    "value": "value",
    "preferred_arm": "preferred_arm",
    "answer_version": "version",
    "saved_at": "saved_at",
    "planted": "slot__output__planted",
    "expected": "aspect__expected",
    "_in_check": "slot__assignment__kind",
    "_before_persona": "aspect__before_persona",
}
_ANSWER_ORDER = (
    "slot__assignment__participant__number",
    "slot__assignment__ordinal",
    "position",
    "aspect__ordinal",
    "version",
)


def ratings(scope: Scope) -> Iterator[Row]:
    """Yield the current answers, by participant, assignment, position and aspect."""
    return (row for row, _ in rated(scope, q.current_answers_of(scope), {}))


def rated(scope: Scope, answers: QuerySet[Rating], more: dict[str, str]) -> Iterator[tuple[Row, Row]]:
    """Yield the rows of `ratings` for these answers, each with the row read for it, which has `more` paths too."""
    paths = {column: f"slot__assignment__{path}" for column, path in ASSIGNMENT_PATHS.items()}
    decisions = q.decisions_of(scope)
    words, answers = _words(scope), q.with_preferred_arm(answers)
    answers = q.with_times(answers, owner="assignment", path="slot__assignment").order_by(*_ANSWER_ORDER)
    for row, ranked in _with_ranked(scope, read(answers, {**paths, **_ANSWER_PATHS, **TIME_PATHS, **more})):
        cells = {**assignment_cells(row, scope.now), **_answer_cells(row, words), **seconds(row), **how_written(row)}
        yield (
            {
                **scope.study_cells,
                **cells,
                "ranked_arms": ranked,
                "adjudicated": decisions.get(row["assignment"], ""),
                "before_persona": row["_before_persona"],
            },
            row,
        )


def history(scope: Scope) -> Iterator[Row]:
    """Yield every answer ever saved, in the order of `ratings`, older versions first."""
    names = ("_kind", "_number", "_withdrawn_at", "_excluded_at", "assignment", "item", "persona")
    paths = {column: f"slot__assignment__{ASSIGNMENT_PATHS[column]}" for column in names}
    paths |= {**_ANSWER_PATHS, "rating": "pk", "superseded_by": "superseded_by"}
    words = _words(scope)
    rows = read(q.with_preferred_arm(q.answers_of(scope)).order_by(*_ANSWER_ORDER), paths)
    for row, ranked in _with_ranked(scope, rows):
        yield {
            **scope.study_cells,
            **participant_cells(row),
            **{name: row[name] for name in ("assignment", "item", "persona")},
            **_answer_cells(row, words),
            "rating": str(row["rating"]),
            "superseded_by": str(row["superseded_by"]) if row["superseded_by"] else None,
            "ranked_arms": ranked,
        }


def _with_ranked(scope: Scope, rows: Iterator[Row]) -> Iterator[tuple[Row, str | None]]:
    """Yield answers with the codes of the arms in their order, the best first; None for what is no order."""
    orders = {aspect.key: aspect.orders for aspect in scope.aspects if aspect.orders}
    while chunk := list(islice(rows, CHUNK)):
        parts = {row["assignment"] for row in chunk if row["aspect"] in orders}
        shown = Slot.objects.filter(assignment__key__in=parts, kind=Slot.Kind.OUTPUT) if parts else Slot.objects.none()
        places = shown.values_list("assignment__key", "position", "output__arm__code")
        codes = {(assignment, position): code for assignment, position, code in places}
        for row in chunk:
            order = orders[row["aspect"]][row["value"] - 1] if row["aspect"] in orders else ()
            yield row, " ".join(codes[row["assignment"], position] for position in order) or None


def _words(scope: Scope) -> dict[str, dict[int, str]]:
    """Return the labels of the values by aspect; of a slider, of those that have one."""
    return {aspect.key: dict(aspect.options) for aspect in scope.aspects}


def personas(scope: Scope) -> Iterator[Row]:
    """Yield the personas, by item. Given ones bear one time: when those of a condition were brought is not told."""
    given_at = q.personas_of(scope).filter(source=Persona.Source.GIVEN).aggregate(last=Max("submitted_at"))["last"]
    paths = {
        "persona": "key",
        "item": "item__key",
        "stratum": "item__stratum",
        "persona_source": "source",
        "block": "block",
        "_kind": "author__kind",
        "_number": "author__number",
        "text": "text",
        "drafts_saved": "draft_version",
        "submitted_at": "submitted_at",
        **HOW_WRITTEN_PATHS,
        "offered_text": "offered_text",
    }
    for row in read(q.personas_of(scope).order_by("item__ordinal", "key"), paths):
        if row["persona_source"] == Persona.Source.GIVEN:
            row["submitted_at"] = given_at
        yield {
            **scope.study_cells,
            **{name: row[name] for name in ("persona", "item", "stratum", "persona_source", "block")},
            "author": public_code(row) if row["_kind"] else None,
            **{name: row[name] for name in ("text", "drafts_saved", "submitted_at")},
            **how_written(row),
            "offered_text": row["offered_text"],
        }


def outputs(scope: Scope) -> Iterator[Row]:
    """Yield the outputs, by item. Their errors stay behind: an error may name a system.

    What an arm does sooner, later or not at all would tell one from another, so state and time are those of the unit:
    the outputs of one persona, which are shown together or not at all. Nor is a text told before all are there.
    """
    paths = {
        "output": "key",
        "persona": "persona__key",
        "item": "persona__item__key",
        "arm": "arm__code",
        "planted": "planted",
        "sample": "sample",
        "state": "state",
        "text": "text",
        "ready_at": "ready_at",
        "excluded_reason": "excluded_reason",
        "excluded_at": "excluded_at",
    }
    rows = q.whole_outputs_of(scope).order_by("persona__item__ordinal", "persona__key", "arm__code", "sample")
    for _, unit in groupby(read(rows, paths), key=itemgetter("persona")):
        made = list(unit)
        together = _together(made)
        for row in made:
            yield {**scope.study_cells, **row, **together, "arm": None if row["planted"] else row["arm"]}


# The state of a unit is that of the output that is least far.
_LEAST_FAR = (Output.State.FAILED, Output.State.REQUESTED, Output.State.READY)


def _together(unit: list[Row]) -> Row:
    """Return the columns in which the outputs of one persona do not differ."""
    state = min((row["state"] for row in unit), key=_LEAST_FAR.index)
    if state != Output.State.READY:
        return {"state": state, "text": "", "ready_at": None}
    return {"ready_at": max(row["ready_at"] for row in unit)}


def participants(scope: Scope) -> Iterator[Row]:
    """Yield the participants with their times and counts; never a link or a completion code."""
    names = (
        "platform_state", "created_at", "consented_at", "declined_at", "instructed_at", "completed_at", "withdrawn_at",
        "erased_at", "excluded_at", "excluded_reason",
    )  # fmt: skip
    paths = {
        **person_paths(""),
        "_origin": "origin",
        "_external_id": "external_id",
        **{name: name for name in (*names, "consent_hash", "language", "practice_done", "personas_submitted")},
        "assignments": "assignments_begun",
        "assignments_completed": "assignments_completed",
        "assignments_set_aside": "assignments_set_aside",
        "assignments_skipped": "assignments_skipped",
        "ratings": "current_ratings",
        "_pk": "pk",
        **{name: name for name in FIELDS},
        **TIME_PATHS,
    }
    facts = participant_facts(scope)
    rows = q.with_times(q.with_counts(q.participants_of(scope)), owner="assignment__participant", path="pk")
    for row in read(rows.order_by("number"), paths):
        yield {
            **scope.study_cells,
            **participant_cells(row),
            **({"external_id": row["_external_id"]} if scope.external_ids else {}),
            "joined_by": _JOINED_BY.get(row["_origin"], row["_origin"]),
            **{name: cell for name, cell in row.items() if not name.startswith("_")},
            **facts[row["_pk"]],
            **seconds(row),
        }


def read(queryset: QuerySet[Any], paths: dict[str, str]) -> Iterator[Row]:
    """Yield {column: value} for the given {column: path}, holding one chunk in memory."""
    for values in queryset.values_list(*paths.values()).iterator(CHUNK):
        yield dict(zip(paths, values, strict=True))


def public_code(row: Row) -> str:
    """Return the participant's code from `_kind` and `_number`."""
    return participant_code(row["_kind"], row["_number"])


def participant_cells(row: Row) -> Row:
    """Return the columns that name a participant."""
    return {
        "participant": public_code(row),
        "participant_kind": row["_kind"],
        "withdrawn": row["_withdrawn_at"] is not None,
        "excluded": row["_excluded_at"] is not None,
    }


def assignment_cells(row: Row, now: datetime) -> Row:
    """Return the columns of an assignment and its unit, in the tables' order."""
    first = ("assignment", "assignment_kind", "repeat_of", "assignment_state", "ordinal", "surplus")
    return {
        **participant_cells(row),
        **{name: row[name] for name in first},
        "expired": row["assignment_state"] == Assignment.State.OPEN and row["_expires_at"] < now,
        **{name: row[name] for name in ("item", "stratum", "persona", "persona_source", "block")},
        "is_author": row["_author"] == row["_participant"],
        "persona_text": row["persona_text"],
    }


def _answer_cells(row: Row, words: Mapping[str, Mapping[int, str]]) -> Row:
    if row["_in_check"] == Assignment.Kind.CHECK:  # no arm made what is planted
        row = {**row, "arm": None, "preferred_arm": None}
    shown = ("arm", "output", "slot_kind", "position", "aspect", "aspect_kind", "value")
    return {
        **{name: row[name] for name in shown},
        "label": words[row["aspect"]].get(row["value"], ""),
        **{name: row[name] for name in ("preferred_arm", "answer_version", "saved_at")},
        "planted": row["planted"] or "",
        "expected": row["expected"],
    }


def how_written(row: Row) -> Row:
    """Return the columns that say how a persona was to be written, and how it was."""
    return {name: row[name] for name in HOW_WRITTEN_PATHS}


def seconds(row: Row) -> Row:
    """Return the time columns, from milliseconds."""
    return {f"{name}_seconds": row[f"_{name}"] / 1000 for name in q.TIMES}
