"""Do the personas say which response is preferred at all? A linear preference model on the same pairs.

    python -m benchmarks.tailoring_linear DATA

The margin of the chosen over the rejected response is bilinear: words of the persona times the difference in a few
features of the responses (length, lists, refusals and the like), fitted by logistic regression to the pairs that DPO
trains on: without personas, with those of the chosen responses, and with all. How strongly weights are held down is
chosen on the validation pairs. What this model finds on the test pairs, a language model of any size could find too.
"""

import argparse
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from benchmarks.tailoring import ARMS, Row, cell, differences, interval, mean_of_shuffled, personas_of, read_split
from tests.tools.smallmodels import FloatArray

LEAST = 8  # personas that a word must stand in
STRENGTHS = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
COUNTED = (
    r"\n", r"\d", r"\?", r"!", r",", r"\byou\b", r"\bi\b", r"such as|for example|including",
    r"sorry|cannot|can't|illegal|unethical|not (?:appropriate|legal|ethical)",
)  # fmt: skip


def features(text: str) -> list[float]:
    """Return the logarithms of the words and of each thing in COUNTED, one added to each."""
    return [np.log1p(len(text.split())), *(np.log1p(len(re.findall(one, text.lower()))) for one in COUNTED)]


def words_of(persona: str) -> set[str]:
    """Return the words of a persona and its pairs of neighbouring words."""
    words = re.findall(r"[a-z']+", persona.lower())
    return {*words, *(" ".join(pair) for pair in zip(words, words[1:], strict=False))}


class Encoder:
    """Turns personas and pairs into numbers; words and scales are those of the training pairs."""

    def __init__(self, rows: Sequence[Row]) -> None:
        seen = Counter(word for row in rows for side in ("chosen", "rejected")
                       for word in words_of(row[f"{side}_persona_gold"]))  # fmt: skip
        self.places = {word: place for place, word in enumerate(sorted(w for w, n in seen.items() if n >= LEAST))}
        self.scale = _differences(rows).std(axis=0) + 1e-9

    def personas(self, personas: Sequence[str]) -> FloatArray:
        """Return 1 for every word that a persona has, and for what all have; shape (personas, words + 1)."""
        found = np.zeros((len(personas), len(self.places) + 1))
        found[:, -1] = 1.0
        for number, persona in enumerate(personas):
            found[number, [self.places[word] for word in words_of(persona) if word in self.places]] = 1.0
        return found

    def pairs(self, rows: Sequence[Row]) -> FloatArray:
        """Return the features of the chosen response less those of the rejected one, shape (rows, features)."""
        return _differences(rows) / self.scale


def _differences(rows: Sequence[Row]) -> FloatArray:
    return np.array([np.subtract(features(row["chosen"]), features(row["rejected"])) for row in rows])


def examples(encoder: Encoder, rows: Sequence[Row], personas: str) -> tuple[FloatArray, FloatArray]:
    """Return persona words and feature differences, better response less worse, of what an arm is trained on."""
    pairs = encoder.pairs(rows)
    chosen = encoder.personas(["" if personas == "none" else row["chosen_persona_gold"] for row in rows])
    if personas != "all":
        return chosen, pairs
    rejected = encoder.personas([row["rejected_persona_gold"] for row in rows])
    return np.concatenate([chosen, rejected]), np.concatenate([pairs, -pairs])


def margins(weights: FloatArray, words: FloatArray, pairs: FloatArray) -> FloatArray:
    """Return the logits that the better response is preferred, shape (examples,)."""
    return np.asarray(((words @ weights) * pairs).sum(axis=1))


def fit(words: FloatArray, pairs: FloatArray, strength: float) -> FloatArray:
    """Return the weights, shape (words + 1, features), of least mean logistic loss plus `strength` times their squares.

    The last row, which holds for every persona, is free.
    """
    shape = words.shape[1], pairs.shape[1]
    held = np.ones((shape[0], 1))
    held[-1] = 0.0

    def loss(flat: FloatArray) -> tuple[float, FloatArray]:
        weights = flat.reshape(shape)
        found = margins(weights, words, pairs)
        slope = words.T @ (pairs * -expit(-found)[:, None]) / len(found) + 2 * strength * held * weights
        return float(np.logaddexp(0.0, -found).mean() + strength * (held * weights**2).sum()), slope.ravel()

    return np.asarray(minimize(loss, np.zeros(shape).ravel(), jac=True, method="L-BFGS-B").x).reshape(shape)


def tuned(encoder: Encoder, training: Sequence[Row], validation: Sequence[Row], personas: str) -> FloatArray:
    """Return the weights of the strength that has the least loss on the arm's own validation examples."""
    shown, held_out = examples(encoder, training, personas), examples(encoder, validation, personas)
    found = [fit(*shown, strength) for strength in STRENGTHS]
    return min(found, key=lambda weights: float(np.logaddexp(0.0, -margins(weights, *held_out)).mean()))


def measure(encoder: Encoder, weights: FloatArray, rows: Sequence[Row], seed: int) -> dict[str, FloatArray]:
    """Return the margins of the chosen responses in logits, by persona shown, each of shape (rows,)."""
    pairs = encoder.pairs(rows)
    shown = personas_of(rows, seed)
    return mean_of_shuffled({one: margins(weights, encoder.personas(texts), pairs) for one, texts in shown.items()})


def main() -> None:
    """Read the options, fit the three models, and print what they find as a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with dpo_train.parquet, dpo_val and test")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    training, validation, test = (read_split(options.data, name, None) for name in ("dpo_train", "dpo_val", "test"))
    encoder = Encoder(training)
    print("| trained with personas | difference | logits | pairs above 0 |\n|---|---|---:|---:|")
    for personas in ARMS:
        found = measure(encoder, tuned(encoder, training, validation, personas), test, options.seed)
        for name, shift in differences(found).items():
            print(f"| {personas} | {name} | {cell(interval(shift), 2)} | {(shift > 0).mean():.0%} |")


if __name__ == "__main__":
    main()
