"""Attributes of texts: what is counted, chosen against rejected by hand, and how preferences go with them."""

import numpy as np
import pytest

from modelhub.results.attributes import AttributeContrast, AttributeWeight
from modelhub.stats.attributes import ATTRIBUTES, TextPair, WeighedPair, contrasts, weights


def counted(text: str) -> dict[str, float]:
    return {one.key: round(one.measure(text), 3) for one in ATTRIBUTES if one.measure(text)}


def contrast(pairs: list[TextPair], key: str = "words") -> AttributeContrast:
    return next(one for one in contrasts(pairs) if one.attribute == key)


def weight(pairs: list[WeighedPair], key: str, *, crossed: bool = False) -> AttributeWeight:
    return next(one for one in weights(pairs, crossed=crossed) if one.attribute == key)


def words(n: int) -> str:
    return " ".join(["word"] * n)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {}),
        ("- one\n* two\n3. three\n12) four\n-five", {"words": 9, "list_items": 4}),
        ("# Head\n**bold** and `code`", {"words": 5, "formatting": 3}),
        ("It may rain, perhaps.", {"words": 4, "hedging": 50}),
        ("Great! Really!", {"words": 2, "exclamation": 100}),
        ("Why?", {"words": 1, "question": 100}),
        ("Please, Sorry", {"words": 2, "politeness": 100}),
        ("Your own choice here", {"words": 4, "second_person": 25}),
        ("I’m sure we know", {"words": 4, "first_person": 50}),
        ("It isn’t so, never", {"words": 4, "negation": 50}),
        ("notable maybe cannon", {"words": 3}),
    ],
)
def test_attributes_are_counts_and_shares_of_words(text: str, found: dict[str, float]) -> None:
    assert counted(text) == found


def test_chosen_against_rejected_is_what_one_counts_by_hand() -> None:
    pairs = [TextPair(n, words(chosen), words(rejected)) for n, (chosen, rejected) in
             enumerate([(8, 4), (6, 4), (4, 4), (2, 4)])]  # fmt: skip
    found = contrast(pairs)
    assert (found.pairs, found.differing, found.mean_chosen, found.mean_rejected) == (4, 3, 5, 4)
    assert found.difference == 1 and found.difference_ci is not None
    assert found.effect == pytest.approx(1 / np.sqrt((5 + 0) / 2))
    assert found.share_chosen_more == 0.5 and found.p_chosen_given_more == pytest.approx(2 / 3)
    low, high = found.p_chosen_given_more_ci or (1, 0)
    assert 0 < low < 2 / 3 < high < 1


def test_what_is_undefined_says_why() -> None:
    nothing, alone = contrast([]), contrast([TextPair(1, words(2), words(1))])
    assert nothing.difference is None and set(nothing.reasons.values()) == {"no_data"}
    assert (alone.p_chosen_given_more, alone.p_chosen_given_more_ci) == (1, None)
    assert alone.reasons["difference_ci"] == alone.reasons["p_chosen_given_more_ci"] == "single_pair"
    alike = contrast([TextPair(n, words(2), words(2)) for n in range(5)])
    assert alike.reasons["p_chosen_given_more"] == "no_difference"
    assert alike.reasons["difference_ci"] == "no_variation_of_differences"


def test_texts_of_one_pair_that_only_repeat_each_other_count_once() -> None:
    rng = np.random.default_rng(1)
    once = [TextPair(n, words(int(rng.integers(2, 9))), words(int(rng.integers(2, 8)))) for n in range(30)]
    for name in ("difference_ci", "effect_ci", "p_chosen_given_more_ci"):
        assert getattr(contrast(once * 3), name) == pytest.approx(getattr(contrast(once), name))


def test_the_association_does_not_depend_on_which_text_is_called_the_first() -> None:
    rng = np.random.default_rng(2)
    drawn = [(*rng.integers(2, 20, 2), rng.integers(-2, 3)) for _ in range(40)]
    pairs = [WeighedPair(n, words(int(first)), words(int(second)), float(preference))
             for n, (first, second, preference) in enumerate(drawn)]  # fmt: skip
    turned = [WeighedPair(one.cluster, one.second, one.first, -one.preference) if n % 3 else one
              for n, one in enumerate(pairs)]  # fmt: skip
    assert weight(turned, "words").association == pytest.approx(weight(pairs, "words").association)
    by_hand = np.array([(len(one.first.split()) - len(one.second.split()), one.preference) for one in pairs])
    x, y = by_hand.T
    assert weight(pairs, "words").association == pytest.approx((x @ y) / np.sqrt((x @ x) * (y @ y)))


def test_with_length_held_fixed_what_only_comes_with_length_is_gone() -> None:
    """Longer texts are preferred; they have more list items, which nobody minds."""
    rng = np.random.default_rng(5)
    pairs = []
    for n in range(400):
        sizes = rng.integers(1, 12, 2)
        first, second = (
            "\n".join(["- item"] * (size // 2 + rng.integers(0, 3)) + [words(10 * size)]) for size in sizes
        )
        pairs.append(WeighedPair(n, first, second, float(len(first.split()) - len(second.split())) + rng.normal(0, 30)))
    found = weight(pairs, "list_items")
    assert (found.association or 0) > 0.5
    low, high = found.without_length_ci or (1, 1)
    assert low < 0 < high and abs(found.without_length or 1) < 0.15
    assert weight(pairs, "words").reasons["without_length"] == "is_length_itself"


def test_people_who_share_prompts_have_an_interval_over_both() -> None:
    rng = np.random.default_rng(4)
    texts = [(words(int(rng.integers(2, 30))), words(int(rng.integers(2, 30)))) for _ in range(5)]
    liked = rng.normal(0, 2, 5)
    pairs = [WeighedPair(person, *texts[item], float(liked[item] + rng.normal(0, 0.3)), item)
             for person in range(30) for item in range(5)]  # fmt: skip
    over_people = weight(pairs, "words").association_ci or (0, 0)
    over_both = weight(pairs, "words", crossed=True).association_ci or (0, 0)
    assert over_both[1] - over_both[0] > 2 * (over_people[1] - over_people[0])
