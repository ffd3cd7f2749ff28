"""Text diagnostics: counted by hand, and undefined where there is nothing to count."""

import pytest

from modelhub.stats.texts import before_contrast, format_differences, length_difference, salient_words, word_count


def test_words_are_parted_by_white_space() -> None:
    assert word_count(" Take a\n well-earned  break. ") == 4
    assert word_count("") == 0


@pytest.mark.parametrize("contrast", ["rather than", "over", "versus", "compared to", "instead of", "Instead of"])
def test_what_a_persona_does_not_prefer_is_cut_off(contrast: str) -> None:
    assert before_contrast(f"prefers depth {contrast} speed") == "prefers depth "
    assert before_contrast("is overjoyed") == "is overjoyed"


def test_salient_words_count_each_text_once_and_need_a_minimum() -> None:
    chosen = ["thorough and thorough"] * 9 + ["rare thorough"] + ["concise"] * 2
    rejected = ["concise rather than thorough"] * 12
    rows = salient_words(chosen, rejected, min_count=10)
    assert [(row["word"], row["count_first"], row["count_second"]) for row in rows] == [
        ("thorough", 10, 0),
        ("concise", 2, 12),
    ]
    assert rows[0]["share"] == 1.0
    assert rows[0]["ci"][0] == pytest.approx(0.7225, abs=1e-4)  # Wilson for 10 of 10
    assert rows[1]["share"] == pytest.approx(2 / 14)
    assert rows[1]["ci"][0] < 2 / 14 < rows[1]["ci"][1]


def test_a_word_as_frequent_in_both_sets_has_the_share_one_half_whatever_their_sizes() -> None:
    (row,) = salient_words(["calm"] * 5, ["calm"] * 50, min_count=10)
    assert row["share"] == pytest.approx(0.5)
    assert row["ci"][0] < 0.5 < row["ci"][1]


def test_words_can_be_lemmatized() -> None:
    (row,) = salient_words(["books"], ["Book"], min_count=2, lemma=lambda word: word.lower().rstrip("s"))
    assert (row["word"], row["share"]) == ("book", 0.5)


def test_an_empty_set_has_no_shares() -> None:
    (row,) = salient_words(["calm"], [], min_count=1)
    assert (row["share"], row["reason"]) == (None, "empty_set")


def test_length_differences_have_welchs_interval() -> None:
    found = length_difference(["a b c", "a b c d e"], ["a", "a b", "a b c"])
    assert (found["first"]["mean"], found["second"]["median"], found["difference"]) == (4.0, 2.0, 2.0)
    # By hand: SE = sqrt(2/2 + 1/3) and df = (4/3)^2 / (1 + (1/3)^2 / 2) = 1.684.
    half = 5.178 * (4 / 3) ** 0.5
    assert found["ci"] == pytest.approx([2 - half, 2 + half], rel=0.02)


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [([], ["a"], "no_data"), (["a"], ["a b", "a"], "single_text"), (["a", "b"], ["c d", "e f"], "no_variation")],
)
def test_length_differences_without_an_interval_say_why(first: list[str], second: list[str], reason: str) -> None:
    found = length_difference(first, second)
    assert (found["ci"], found["reason"]) == (None, reason)


def test_formats_are_told_apart() -> None:
    rich = "# Plan\n\n- first\n- **second**\n\n| a | b |\n\nSee `code`, https://example.org. Why? Yes! 🦊"
    plain = "It costs 3 - 2 * 1 euros, a - b."
    found = format_differences([rich], [plain])
    assert {(row["first"], row["second"]) for row in found.values()} == {(1, 0)}
    assert len(found) == 10
    assert format_differences([], [plain])["list"]["reason"] == "no_data"


def test_the_interval_of_a_difference_of_shares_is_newcombes() -> None:
    # Newcombe (1998), table II, example (a): 56/70 against 48/80, method 10.
    row = format_differences(["?"] * 56 + ["."] * 14, ["?"] * 48 + ["."] * 32)["question"]
    assert row["difference"] == pytest.approx(0.2)
    assert row["ci"] == pytest.approx([0.0524, 0.3339], abs=5e-5)
