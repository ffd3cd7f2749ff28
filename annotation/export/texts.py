"""The tables that hold the texts: items, and ratings with all that was read before they were given."""

from collections.abc import Callable, Iterator
from typing import Any

from django.db.models import QuerySet

from annotation.export import querysets as q
from annotation.export.columns import STUDY, Column
from annotation.export.images import IMAGE_ALT, IMAGE_FACTS, IMAGE_FILE, ItemImages
from annotation.export.rows import Row, rated, read
from annotation.export.scope import Scope
from annotation.models import Item

ITEMS = (
    *STUDY,
    Column("item", "string", "The item's id in the study file."),
    Column("stratum", "string", "The data set the item comes from; may be empty."),
    Column("prompt", "string", "The prompt, exactly as in the study file.", typed=True),
    Column("warning", "string", "The warning shown with it; empty where there is none."),
    Column("answer_start", "string", "What every response begins with, shown with the prompt; empty where none does."),
    Column("language", "string", "Language of its texts, where the study file says it."),
    Column("image_sha256", "string", "SHA-256 of the image shown with the prompt; empty where none is."),
    IMAGE_ALT,
    Column("planted", "boolean", "It belongs to a planted pair, so no arm answered it."),
    IMAGE_FILE,
    *IMAGE_FACTS,
)
TEXTS = (
    Column("prompt", "string", "The item's prompt.", typed=True),
    Column("question", "string", "The question as it was asked of this participant, in the study's first language."),
    Column("output_text", "string", "The output rated; null (CSV: empty) where none is.", typed=True),
    Column("left_text", "string", "Comparisons and picks: the output on the left (or on top); null (CSV: empty) "
           "for every other kind of answer.", typed=True),
    Column("right_text", "string", "The same for the right.", typed=True),
    IMAGE_FILE,
    IMAGE_ALT,
)  # fmt: skip
_ITEM_PATHS = {
    **{name: name for name in ("stratum", "prompt", "warning", "answer_start", "language")},
    "_image": "image",
    "_planted_part": "planted_part",
}
_TEXT_PATHS = {
    "prompt": "slot__assignment__persona__item__prompt",
    "_question": "aspect__question",
    "_question_for_others": "aspect__question_for_others",
    "output_text": "slot__output__text",
    "left_text": "left_text",
    "right_text": "right_text",
}


def text_tables(
    ratings: tuple[Column, ...],
) -> tuple[tuple[str, str, tuple[Column, ...], Callable[..., Any], Callable[..., Any]], ...]:
    """Return (name, meaning, columns, rows, queryset that is counted) of each table; `ratings` are that table's."""
    return (
        ("ratings_with_texts", "One row per current answer, as in `ratings`, with the texts that it is about.",
         (*ratings, *TEXTS), ratings_with_texts, q.current_answers_of),
        ("items", "One row per item of the study.", ITEMS, items, items_of),
    )  # fmt: skip


def items_of(scope: Scope) -> QuerySet[Item]:
    """Return the items of the study."""
    return Item.objects.filter(study=scope.study)


def items(scope: Scope) -> Iterator[Row]:
    """Yield the items, in the order of the study file."""
    images = ItemImages(scope.study)
    for row in read(items_of(scope).order_by("ordinal"), {"item": "key", **_ITEM_PATHS}):
        image, planted = row.pop("_image"), row.pop("_planted_part") is not None
        cells = {"image_sha256": image.get("sha256", ""), "image_alt": image.get("alt", ""), "planted": planted}
        shown = {"image_file": images.file(row["item"]), **images.facts(row["item"])}
        yield {**scope.study_cells, **row, **cells, **shown}


def ratings_with_texts(scope: Scope) -> Iterator[Row]:
    """Yield the rows of `ratings`, each with its texts."""
    images = ItemImages(scope.study)
    answers = q.with_side_texts(q.current_answers_of(scope))
    for row, found in rated(scope, answers, _TEXT_PATHS):
        question = found["_question"] if row["is_author"] else found["_question_for_others"]
        texts = {name: found[name] for name in ("output_text", "left_text", "right_text")}
        shown = {"image_file": images.file(row["item"]), "image_alt": images.alt(row["item"])}
        yield {**row, "prompt": found["prompt"], "question": question, **texts, **shown}
