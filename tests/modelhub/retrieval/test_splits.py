"""Which splits search which, and that evaluated rows have nothing in common with what they search."""

import pytest

from annotation.errors import ServiceError
from modelhub.retrieval.splits import PromptRow, check_overlap, is_evaluated, overlap, searched_splits


@pytest.mark.parametrize(
    ("split", "searched"),
    [
        ("test", ("sft_train", "dpo_train")),
        ("sft_val", ("sft_train",)),
        ("dpo_val", ("dpo_train",)),
        ("fewshot", ("sft_train",)),
        ("sft_train", ("sft_train",)),
        ("dpo_train", ("dpo_train",)),
    ],
)
def test_every_split_searches_training_rows_only(split: str, searched: tuple[str, ...]) -> None:
    assert searched_splits(split) == searched


def test_what_is_stated_goes_before_the_table() -> None:
    assert searched_splits("test", {"test": ["train"]}) == ("train",)


@pytest.mark.parametrize("split", ["test", "sft_train", "dev"])
@pytest.mark.parametrize("held_out", ["test", "sft_val", "dpo_val"])
def test_held_out_rows_are_searched_by_none_whatever_is_stated(split: str, held_out: str) -> None:
    with pytest.raises(ServiceError, match=f"{split} may not search {held_out}: .* would leak"):
        searched_splits(split, {split: ["dpo_train", held_out]})


def test_a_split_without_a_rule_is_an_error_that_says_how_to_give_one() -> None:
    with pytest.raises(ServiceError, match="'dev'.*--search dev=SPLIT"):
        searched_splits("dev")


def test_test_and_validation_rows_are_evaluated_and_training_rows_and_exemplars_are_not() -> None:
    assert is_evaluated("test", ("sft_train", "dpo_train"))
    assert is_evaluated("sft_val", ("sft_train",))
    assert not is_evaluated("sft_train", ("sft_train",))
    assert not is_evaluated("fewshot", ("sft_train",))


def row(split: str, number: int, key: str, prompt: str) -> PromptRow:
    return PromptRow(split, number, key, prompt)


def test_rows_overlap_by_pair_or_by_prompt_whatever_its_case_and_spacing() -> None:
    training = [row("train", 1, "a", "How do I  cook rice?"), row("train", 2, "b", "Another one")]
    tests = [row("test", 1, "x", "how do i cook RICE?"), row("test", 2, "b", "Other words"), row("test", 3, "c", "New")]
    assert [(one.row, twin.row) for one, twin in overlap(tests, training)] == [(1, 1), (2, 2)]
    with pytest.raises(ServiceError, match="2 of 3 rows .* test row 1 = train row 1, test row 2 = train row 2"):
        check_overlap(tests, training)
    check_overlap(tests[2:], training)


def test_the_error_names_no_text() -> None:
    with pytest.raises(ServiceError) as raised:
        check_overlap([row("test", 1, "a", "A secret prompt")], [row("train", 1, "a", "A secret prompt")])
    assert "secret" not in str(raised.value)
