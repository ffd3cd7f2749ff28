"""Which examples each training persona makes of preference pairs."""

from dataclasses import replace

import pytest

from modelhub.training.data import Example, TrainingRow, build_examples

ROW = TrainingRow(
    "row 1", "How?", {"chosen": "Well.", "rejected": "Badly."}, {"chosen": "Likes well.", "rejected": "Likes badly."}
)


@pytest.mark.parametrize(
    ("personas", "expected"),
    [
        ("chosen", [("Likes well.", "Well.", "Badly.")]),
        ("rejected", [("Likes badly.", "Badly.", "Well.")]),
        ("all", [("Likes well.", "Well.", "Badly."), ("Likes badly.", "Badly.", "Well.")]),
        ("none", [("", "Well.", "Badly.")]),
    ],
)
def test_a_persona_goes_with_the_response_it_explains(personas: str, expected: list[tuple[str, str, str]]) -> None:
    built = build_examples([ROW], personas=personas, both_responses=True)
    assert built.examples == [Example("row 1", "How?", *parts) for parts in expected]
    assert built.left_out == []


def test_rows_without_what_they_need_are_named_with_the_reason() -> None:
    bare = TrainingRow("row 2", "Why?", {"chosen": "So.", "rejected": " "}, {"rejected": "Likes nothing."})
    built = build_examples([ROW, bare], personas="all", both_responses=True)
    assert len(built.examples) == 2
    assert built.left_out == ["row 2: no rejected response and no chosen persona", "row 2: no rejected response"]


def test_sft_needs_only_the_response_it_trains_on() -> None:
    half = TrainingRow("row 3", "Why?", {"chosen": "So.", "rejected": ""}, {})
    assert len(build_examples([half], personas="none", both_responses=False).examples) == 1
    assert build_examples([half], personas="none", both_responses=True).left_out == ["row 3: no rejected response"]


def test_a_response_that_ends_before_it_begins_is_none() -> None:
    row = TrainingRow("row 4", "Why?", {"chosen": "</s>So.", "rejected": "No."}, {})
    assert build_examples([row], personas="none", both_responses=True).left_out == ["row 4: no chosen response"]


def test_an_unfit_persona_is_not_learned_from_and_is_counted_and_not_missed() -> None:
    row = replace(ROW, unfit=frozenset({"rejected"}))
    built = build_examples([row, ROW], personas="all", both_responses=True)
    assert [one.persona for one in built.examples] == [ROW.personas[side] for side in ("chosen", "chosen", "rejected")]
    assert (built.unfit, built.left_out) == (1, [])
    assert build_examples([row], personas="none", both_responses=True).unfit == 0
