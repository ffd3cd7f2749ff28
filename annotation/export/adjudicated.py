"""What researchers decided of single parts: a table of its own, and a column of the ratings."""

from collections.abc import Callable, Iterator
from typing import Any

from annotation.export.columns import PARTICIPANT, STUDY, Column
from annotation.export.querysets import adjudications_of
from annotation.export.rows import Row, participant_cells, person_paths, read
from annotation.export.scope import Scope
from annotation.models import Adjudication

DECISIONS = dict(Adjudication.Decision.choices)
ADJUDICATED = Column(
    "adjudicated", "string", "What was decided of this part, which stood out; empty where nothing was decided.",
    {"keep": "A researcher looked at it and kept it", "set_aside": "A researcher set it aside; nothing was removed"},
)  # fmt: skip
ADJUDICATIONS = (
    *STUDY,
    *PARTICIPANT,
    Column("assignment", "string", "Random key of the assignment that was decided on."),
    Column("ordinal", "integer", "The assignment's place in the participant's sequence, from 1."),
    Column("decision", "string", "What was decided.", DECISIONS),
    Column("reason", "string", "Why, in the researcher's words."),
    Column("stood_out_for", "string", "What the part stood out for at that time, one per line."),
    Column("current", "boolean", "The decision counts; a later one on the same part replaced the others."),
    Column("decided_at", "timestamp", "When it was decided (UTC)."),
)


def adjudication_tables() -> tuple[tuple[str, str, tuple[Column, ...], Callable[..., Any], Callable[..., Any]], ...]:
    """Return (name, meaning, columns, rows, queryset) of the table."""
    meaning = "One row per decision on a part that stood out."
    return (("adjudications", meaning, ADJUDICATIONS, adjudications, adjudications_of),)


def adjudications(scope: Scope) -> Iterator[Row]:
    """Yield the decisions, by participant and part, the oldest first. Who decided stays in the audit log."""
    paths = {
        **person_paths("assignment__participant__"),
        "assignment": "assignment__key",
        "ordinal": "assignment__ordinal",
        "decision": "decision",
        "reason": "reason",
        "_flags": "flags",
        "current": "is_current",
        "decided_at": "at",
    }
    order = ("assignment__participant__number", "assignment__ordinal", "pk")
    for row in read(adjudications_of(scope).order_by(*order), paths):
        yield {
            **scope.study_cells,
            **participant_cells(row),
            **{name: row[name] for name in ("assignment", "ordinal", "decision", "reason")},
            "stood_out_for": "\n".join(row["_flags"]),
            "current": row["current"],
            "decided_at": row["decided_at"],
        }
