"""Text diagnostics: counted by hand, and undefined where there is nothing to count."""

import pytest

from modelhub.stats.texts import before_contrast, salient_words, word_count


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
