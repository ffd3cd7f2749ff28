"""The table of passages: what was marked in responses, where it stands, and why."""

from collections.abc import Iterator

from django.db.models import QuerySet

from annotation.export.columns import PARTICIPANT, STUDY, Column
from annotation.export.rows import Row, participant_cells, person_paths, read
from annotation.export.scope import Scope
from annotation.models import Assignment, Passage

SPANS = (
    *STUDY,
    *PARTICIPANT,
    Column("assignment", "string", "Random key of the assignment."),
    Column("item", "string", "The item's id in the study file."),
    Column("persona", "string", "Random key of the persona."),
    Column("arm", "string", "Code of the arm that made the output; null (CSV: empty) for planted pairs."),
    Column("output", "string", "Random key of the output, whose text stands in `outputs`."),
    Column("position", "integer", "Where the output stood on the page, from 1."),
    Column("aspect", "string", "Key of the question; its words and labels are listed under `aspects`."),
    Column("rating", "string", "Random id of the answer that the passage belongs to, as in `history`."),
    Column("superseded_by", "string", "Id of the answer that replaced it; null (CSV: empty) while current."),
    Column("start", "integer", "Where the passage begins in the output's text: Unicode code points before it."),
    Column("end", "integer", "Where it ends: code points before the first one after it."),
    Column("text", "string", "The passage, exactly as in the output's text; empty once that is erased.", typed=True),
    Column("label", "string", "Key of the passage's label; empty where the question has none."),
    Column("label_text", "string", "What that label says."),
    Column("reason", "string", "Why it was marked, exactly as typed.", typed=True),
    Column("saved_at", "timestamp", "When the answer was saved (UTC)."),
)
_ORDER = (
    "rating__slot__assignment__participant__number", "rating__slot__assignment__ordinal", "rating__position",
    "rating__aspect__ordinal", "rating__version", "start", "end", "label",
)  # fmt: skip


def spans_of(scope: Scope) -> QuerySet[Passage]:
    """Return every passage that the participants in scope ever marked."""
    path = "rating__slot__assignment__participant__"
    return Passage.objects.filter(**{f"{path}study": scope.study, f"{path}kind__in": scope.kinds})


def spans(scope: Scope) -> Iterator[Row]:
    """Yield the passages, by participant, assignment, position and question, those of earlier answers first."""
    assignment = "rating__slot__assignment__"
    paths = {
        **person_paths(f"{assignment}participant__"),
        "assignment": f"{assignment}key",
        "item": f"{assignment}persona__item__key",
        "persona": f"{assignment}persona__key",
        "arm": "rating__slot__output__arm__code",
        "output": "rating__slot__output__key",
        "position": "rating__position",
        "aspect": "rating__aspect__key",
        "rating": "rating",
        "superseded_by": "rating__superseded_by",
        **{name: name for name in ("start", "end", "text", "label")},
        "label_text": "label",
        "reason": "reason",
        "saved_at": "rating__saved_at",
        "_in_check": f"{assignment}kind",
    }
    marked = (aspect for aspect in scope.aspects if aspect.is_span)
    words = {aspect.key: dict(zip(aspect.marking["labels"], aspect.labels, strict=True)) for aspect in marked}
    for row in read(spans_of(scope).order_by(*_ORDER), paths):
        cells = {name: cell for name, cell in row.items() if not name.startswith("_")}
        yield {
            **scope.study_cells,
            **participant_cells(row),
            **cells,
            "arm": None if row["_in_check"] == Assignment.Kind.CHECK else row["arm"],
            "rating": str(row["rating"]),
            "superseded_by": str(row["superseded_by"]) if row["superseded_by"] else None,
            "label_text": words[row["aspect"]].get(row["label"], ""),
        }
