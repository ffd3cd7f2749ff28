"""Which personas are nearest by the words they share."""

import math

import pytest

from modelhub.prompting.bm25 import K1, B, Bm25, terms

TEXTS = ["The user is a nurse.", "The user is a nurse and a cook who cooks.", "The user is a cook.", "I sail."]


def test_scores_are_those_of_the_formula() -> None:
    lengths = [len(terms(text)) for text in TEXTS]
    mean = sum(lengths) / len(lengths)

    def part(times: int, length: int) -> float:
        return times * (K1 + 1) / (times + K1 * (1 - B + B * length / mean))

    weight = math.log(1 + (4 - 2 + 0.5) / (2 + 0.5))
    (first, near), (second, far) = Bm25(TEXTS).nearest("COOK", count=2)
    assert (first, second) == (2, 1)
    assert [near, far] == pytest.approx([weight * part(1, lengths[2]), weight * part(1, lengths[1])])


def test_a_rare_word_tells_more_than_one_of_all_texts() -> None:
    texts = ["The user prefers steps.", "The user prefers rhymes.", "The user sails."]
    assert [place for place, _ in Bm25(texts).nearest("The user sails and prefers calm.", count=1)] == [2]


def test_equals_come_in_their_order_and_texts_without_a_common_word_last() -> None:
    texts = ["A cook.", "A nurse.", "A nurse.", "Nobody."]
    found = Bm25(texts).nearest("nurse", count=4)
    assert [place for place, _ in found] == [1, 2, 0, 3] and found[0][1] == found[1][1] > 0
    assert Bm25(texts).nearest("sailor", count=3) == [(0, 0.0), (1, 0.0), (2, 0.0)]


def test_places_may_be_left_out() -> None:
    assert [place for place, _ in Bm25(TEXTS).nearest("nurse", count=2, without=[0])] == [1, 2]


def test_languages_without_blanks_share_characters() -> None:
    texts = ["用户喜欢茶。", "用户是护士。"]
    assert [place for place, _ in Bm25(texts).nearest("我是护士", count=1)] == [1]
    assert terms("Ärzte, naïve 3D") == ["ärzte", "naïve", "3d"]


@pytest.mark.parametrize("texts", [[], ["", "…"]])
def test_texts_without_a_word_are_no_fault(texts: list[str]) -> None:
    assert Bm25(texts).nearest("nurse", count=1) == [(0, 0.0)][: len(texts)]
