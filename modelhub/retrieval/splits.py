"""Which splits a prompt's nearest neighbours may come from. Pure.

A row that is evaluated may be given personas of training rows only, and a training row none made from itself. Source of
the table: Balepur et al., "Whose Boat Does it Float?" (ACL 2025), section on persona retrieval.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from annotation.errors import ServiceError

SEARCHED: Mapping[str, tuple[str, ...]] = {
    "test": ("sft_train", "dpo_train"),
    "sft_val": ("sft_train",),
    "dpo_val": ("dpo_train",),
    "fewshot": ("sft_train",),
    "sft_train": ("sft_train",),
    "dpo_train": ("dpo_train",),
}
# The few-shot examples are training rows, taken out of the splits that they search: a shared row is no leak there.
TRAINING_SIDE = ("sft_train", "dpo_train", "fewshot")
# Held out from training: whatever searched them would be given what is to be predicted, or train on it.
HELD_OUT = ("test", "sft_val", "dpo_val")
_EXAMPLES_SHOWN = 3


@dataclass(frozen=True)
class PromptRow:
    """A row as the overlap check sees it: where it stands, and what it says."""

    split: str
    row: int
    key: str
    prompt: str


def searched_splits(split: str, stated: Mapping[str, Sequence[str]] | None = None) -> tuple[str, ...]:
    """Return the splits in which rows of `split` look for neighbours; `stated` goes before the table above.

    Raises:
        ServiceError: for a split that neither knows, and for stated ones that are held out.
    """
    if stated and split in stated:
        if held_out := [name for name in stated[split] if name in HELD_OUT]:
            raise ServiceError(
                f"Rows of {split} may not search {' and '.join(held_out)}: personas of held-out rows would leak. Only "
                "training rows can be searched."
            )
        return tuple(stated[split])
    if split not in SEARCHED:
        known = ", ".join(SEARCHED)
        raise ServiceError(
            f"It is not known which splits rows of {split!r} may search (known: {known}). Say so with "
            f"--search {split}=SPLIT+SPLIT."
        )
    return SEARCHED[split]


def is_evaluated(split: str, searched: Collection[str]) -> bool:
    """Return whether rows of `split` must have nothing in common with what they search."""
    return split not in searched and split not in TRAINING_SIDE


def overlap(queries: Sequence[PromptRow], documents: Sequence[PromptRow]) -> list[tuple[PromptRow, PromptRow]]:
    """Return the query rows that stand among the documents too, each with the document: same pair or same prompt.

    Prompts are compared without regard to case and spacing.
    """
    by_key = {row.key: row for row in documents}
    by_prompt = {_plain(row.prompt): row for row in documents}
    found = ((row, by_key.get(row.key) or by_prompt.get(_plain(row.prompt))) for row in queries)
    return [(row, twin) for row, twin in found if twin is not None]


def check_overlap(queries: Sequence[PromptRow], documents: Sequence[PromptRow]) -> None:
    """Raise ServiceError, with counts and places, if an evaluated row is among the rows it would search."""
    shared = overlap(queries, documents)
    if not shared:
        return
    shown = ", ".join(
        f"{one.split} row {one.row} = {twin.split} row {twin.row}" for one, twin in shared[:_EXAMPLES_SHOWN]
    )
    raise ServiceError(
        f"{len(shared)} of {len(queries)} rows are among the rows they would search: {shown}. Their personas "
        "would leak into the evaluation. Take them out of one of the splits."
    )


def _plain(prompt: str) -> str:
    return " ".join(prompt.split()).casefold()
