"""The tables of what helped to write personas: answers to questions, and proposals."""

from collections.abc import Callable, Iterator
from typing import Any

from django.db.models import QuerySet

from annotation.export.columns import PARTICIPANT, STUDY, Column
from annotation.export.rows import Row, participant_cells, person_paths, read
from annotation.export.scope import Scope
from annotation.models import ElicitationAnswer, PersonaProposal

_FIRST = (
    *STUDY,
    *PARTICIPANT,
    Column("persona", "string", "Random key of the persona that it helped to write."),
    Column("item", "string", "The item's id in the study file."),
)
ANSWERS = (
    *_FIRST,
    Column("question", "string", "The question's key in the study file; its words are listed under `elicitation`."),
    Column("text", "string", "The answer, exactly as typed, or the words of the option chosen.", typed=True),
    Column("saved_at", "timestamp", "When it was saved last (UTC)."),
)
PROPOSALS = (
    *_FIRST,
    Column("text", "string", "The persona that was proposed.", typed=True),
    Column("attributes", "string", "What it names that the participant's preferred responses had in common, one per "
           "line: `length:less` for shorter ones."),
    Column("decision", "string", "What the participant decided; empty where nothing was.",
           dict(PersonaProposal.Decision.choices)),
    Column("made_at", "timestamp", "When it was made, with the part (UTC)."),
    Column("decided_at", "timestamp", "When that was decided (UTC)."),
)  # fmt: skip
_PATHS = {**person_paths("persona__author__"), "persona": "persona__key", "item": "persona__item__key"}


def elicitation_tables() -> tuple[tuple[str, str, tuple[Column, ...], Callable[..., Any], Callable[..., Any]], ...]:
    """Return (name, meaning, columns, rows, queryset that is counted) of each table."""
    return (
        ("elicitation", "One row per answer to a question that helped to write a persona.", ANSWERS, elicitation,
         elicitation_of),
        ("proposals", "One row per persona that was proposed.", PROPOSALS, proposals, proposals_of),
    )  # fmt: skip


def elicitation_of(scope: Scope) -> QuerySet[ElicitationAnswer]:
    """Return the answers about personas that were submitted; those about a draft are its writer's alone."""
    answers = ElicitationAnswer.objects.filter(persona__item__study=scope.study, persona__author__kind__in=scope.kinds)
    return answers.filter(persona__submitted_at__isnull=False).exclude(text="")


def elicitation(scope: Scope) -> Iterator[Row]:
    """Yield the answers, by participant and persona."""
    paths = {**_PATHS, "question": "key", "text": "text", "saved_at": "saved_at"}
    return _rows(scope, elicitation_of(scope), paths)


def proposals_of(scope: Scope) -> QuerySet[PersonaProposal]:
    """Return the proposals that were made."""
    return PersonaProposal.objects.filter(persona__item__study=scope.study, persona__author__kind__in=scope.kinds)


def proposals(scope: Scope) -> Iterator[Row]:
    """Yield the proposals, by participant and persona."""
    names = ("text", "attributes", "decision", "made_at", "decided_at")
    for row in _rows(scope, proposals_of(scope), {**_PATHS, **{name: name for name in names}}):
        yield {**row, "attributes": "\n".join(row["attributes"])}


def _rows(scope: Scope, queryset: QuerySet[Any], paths: dict[str, str]) -> Iterator[Row]:
    for row in read(queryset.order_by("persona__author__number", "persona", "pk"), paths):
        cells = {name: cell for name, cell in row.items() if not name.startswith("_")}
        yield {**scope.study_cells, **participant_cells(row), **cells}
