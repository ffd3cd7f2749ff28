"""Words of personas are counted by their dictionary form."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from modelhub.stats.lemmas import lemma
from modelhub.stats.texts import salient_words


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("prefer prefers preferred preferring Prefers", "prefer"),
        ("detail details", "detail"),
        ("thinks thinking", "think"),
        ("value values valuing valued", "value"),
        ("prioritizes prioritizing", "prioritize"),
        ("step steps", "step"),
        ("user User user's user’s users", "user"),
        ("child children", "child"),
        ("is are was", "be"),
        ("to-the-point To-the-Point", "to-the-point"),
        ("step-by-step", "step-by-step"),
    ],
)
def test_forms_of_a_word_are_counted_as_one(words: str, expected: str) -> None:
    assert {lemma(word) for word in words.split()} == {expected}


@pytest.mark.parametrize("word", ["meticulous", "concise", "nuance", "analysis", "ethics", "focus", "straightforward"])
def test_a_dictionary_form_stays_as_it_is(word: str) -> None:
    assert lemma(word) == word


def test_a_word_that_no_dictionary_has_only_loses_its_case() -> None:
    assert lemma("Zqxwv") == "zqxwv"


@given(st.text(min_size=1, max_size=30))
@example("'s")
def test_no_text_breaks_it(word: str) -> None:
    assert lemma(word) == lemma(word).casefold()


def test_salient_words_take_it() -> None:
    first = ["The user prefers details."] * 6 + ["The user, preferring detail, is patient."] * 6
    words = {row["word"]: row["count_first"] for row in salient_words(first, ["The user is hasty."] * 12, lemma=lemma)}
    assert words["prefer"] == words["detail"] == 12
