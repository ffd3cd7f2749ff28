"""The linear preference model: what it can learn from personas, and what it cannot."""

import numpy as np
import pytest

from benchmarks.tailoring import DIFFERENCES, Row
from benchmarks.tailoring_linear import Encoder, examples, features, fit, margins, measure, tuned

LONG, SHORT = "One, two, three and four words more in all.", "One word."


def _rows(count: int, seed: int) -> list[Row]:
    """Return pairs in which a persona says whether its response is the long one; half of the chosen ones are."""
    rows: list[Row] = []
    for number, wordy in enumerate(np.random.default_rng(seed).permutation(count) % 2):
        sides = ("chosen", "rejected") if wordy else ("rejected", "chosen")
        row = {"prompt": f"Prompt {number}?", "chosen_persona_retr": "The user prefers anything."}
        for side, response, liked in zip(sides, (LONG, SHORT), ("detail", "brevity"), strict=True):
            row |= {side: response, f"{side}_persona_gold": f"The user prefers {liked}."}
        rows.append(row)
    return rows


TRAINING, VALIDATION, TEST = _rows(60, 0), _rows(30, 1), _rows(40, 2)


@pytest.mark.parametrize("personas", ["chosen", "all"])
def test_a_model_that_saw_personas_prefers_each_response_for_its_own(personas: str) -> None:
    encoder = Encoder(TRAINING)
    found = measure(encoder, tuned(encoder, TRAINING, VALIDATION, personas), TEST, seed=0)

    assert (found["chosen"] > 0.5).all()
    assert (found["rejected"] < -0.5).all()
    assert (found["chosen"] - found["shuffled"]).mean() > 0.5


def test_a_model_that_saw_no_personas_is_moved_by_none() -> None:
    encoder = Encoder(TRAINING)
    found = measure(encoder, tuned(encoder, TRAINING, VALIDATION, "none"), TEST, seed=0)

    for one, other in DIFFERENCES:
        assert found[one] == pytest.approx(found[other], abs=1e-9)


def test_with_all_personas_a_rejected_response_is_the_better_one_for_its_own() -> None:
    encoder = Encoder(TRAINING)
    words, pairs = examples(encoder, TEST, "all")

    assert len(words) == len(pairs) == 2 * len(TEST)
    assert pairs[len(TEST) :] == pytest.approx(-pairs[: len(TEST)])
    assert words[len(TEST) :] == pytest.approx(encoder.personas([row["rejected_persona_gold"] for row in TEST]))


def test_a_stronger_hold_makes_smaller_weights_but_leaves_what_holds_for_all_free() -> None:
    random = np.random.default_rng(4)
    words = np.concatenate([random.integers(0, 2, (300, 3)), np.ones((300, 1))], axis=1).astype(float)
    pairs = random.normal(1.0, 1.0, (300, 2))
    loose, tight = fit(words, pairs, 1e-3), fit(words, pairs, 100.0)

    assert np.abs(tight[:-1]).max() < 0.01 < np.abs(loose[:-1]).max()
    assert np.abs(tight[-1]).max() > 0.1
    chances = 1 / (1 + np.exp(-margins(tight, words, pairs)))
    assert ((1 - chances)[:, None] * pairs).mean(axis=0) == pytest.approx(0.0, abs=1e-2)


def test_features_count_words_and_refusals_whatever_their_case() -> None:
    plain, refusal = features("We can help with that."), features("SORRY, we cannot help.")

    assert plain[0] == pytest.approx(np.log(6))
    assert plain[-1] == 0.0
    assert refusal[-1] == pytest.approx(np.log(3))
