"""The tables of what was found in personas and what was held: their columns and their rows."""

from collections.abc import Callable, Iterator
from typing import Any

from django.db.models import Q, QuerySet

from annotation.export.columns import STUDY, Column
from annotation.export.querysets import personas_of
from annotation.export.rows import Row, read
from annotation.export.scope import Scope
from annotation.holding import with_told_time
from annotation.models import PersonaFinding, PersonaHold

FINDINGS = (
    *STUDY,
    Column("persona", "string", "Random key of the persona."),
    Column("item", "string", "The item's id in the study file."),
    Column("kind", "string", "What was found.", dict(PersonaFinding.Kind.choices)),
    Column("detail", "string", "What exactly, in the persona's words or the guard model's.", typed=True),
    Column("source", "string", "What found it.", dict(PersonaFinding.Source.choices)),
    Column("action", "string", "What was done about it.", dict(PersonaFinding.Action.choices)),
    Column("at", "timestamp", "When it was found (UTC)."),
)
HOLDS = (
    *STUDY,
    Column("persona", "string", "Random key of the persona."),
    Column("item", "string", "The item's id in the study file."),
    Column("stage", "string", "What was held.", dict(PersonaHold.Stage.choices)),
    Column("reason", "string", "The kinds of what was found, in a persona or in any of its outputs."),
    Column("held_at", "timestamp", "Since when it was held (UTC)."),
    Column("released_at", "timestamp", "When it was let go on, by a researcher or by the guard's verdict (UTC)."),
    Column("refused_at", "timestamp", "When a researcher left it out (UTC)."),
    Column("refused_reason", "string", "Why; empty for all others.", typed=True),
)


def screening_tables() -> tuple[tuple[str, str, tuple[Column, ...], Callable[..., Any], Callable[..., Any]], ...]:
    """Return (name, meaning, columns, rows, queryset that is counted) of each table."""
    return (
        ("persona_findings", "One row per thing found in a submitted persona.", FINDINGS, findings, findings_of),
        ("holds", "One row per persona and stage at which it was held.", HOLDS, holds, holds_of),
    )


def findings_of(scope: Scope) -> QuerySet[PersonaFinding]:
    """Return what was found in the personas of an export."""
    return PersonaFinding.objects.filter(_covered(scope))


def findings(scope: Scope) -> Iterator[Row]:
    """Yield what was found, by item."""
    paths = {"persona": "persona__key", "item": "persona__item__key"}
    paths |= {name: name for name in ("kind", "detail", "source", "action", "at")}
    for row in read(findings_of(scope).order_by("persona__item__ordinal", "persona__key", "pk"), paths):
        yield {**scope.study_cells, **row}


def holds_of(scope: Scope) -> QuerySet[PersonaHold]:
    """Return the holds of the personas of an export."""
    return PersonaHold.objects.filter(_covered(scope))


def holds(scope: Scope) -> Iterator[Row]:
    """Yield the holds, by item. Who decided stays behind: that is in the log."""
    paths = {"persona": "persona__key", "item": "persona__item__key", "stage": "stage", "reason": "reason"}
    paths |= {"held_at": "told_at"} | {name: name for name in ("released_at", "refused_at", "refused_reason")}
    rows = with_told_time(holds_of(scope)).order_by("persona__item__ordinal", "persona__key", "stage")
    for row in read(rows, paths):
        yield {**scope.study_cells, **row}


def _covered(scope: Scope) -> Q:
    return Q(persona__in=personas_of(scope))
