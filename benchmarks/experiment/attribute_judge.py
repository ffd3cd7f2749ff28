"""A judge that needs no network: which of two responses has more of what people with such a persona preferred.

It is the linear preference model of benchmarks.tailoring_linear, fitted to the training pairs under both personas for
Personalization, and without personas for Quality. Its verdicts do not depend on the order of the two responses.
"""

from collections.abc import Sequence

import numpy as np

from benchmarks.tailoring import Row
from benchmarks.tailoring_linear import Encoder, margins, tuned
from modelhub.stats.winrate import PERSONALIZATION, QUALITY
from tests.tools.smallmodels import FloatArray

TIE = 0.2  # logits: what is preferred with a probability of 45 to 55 %
TRAINED_ON = {PERSONALIZATION: "all", QUALITY: "none"}


class AttributeJudge:
    """Fitted to whole splits, so that it does not depend on the size of an experiment."""

    def __init__(self, training: Sequence[Row], validation: Sequence[Row]) -> None:
        self._encoder = Encoder(training)
        self._weights = {
            metric: tuned(self._encoder, training, validation, personas) for metric, personas in TRAINED_ON.items()
        }

    def logits(self, metric: str, personas: Sequence[str], test: Sequence[str], base: Sequence[str]) -> FloatArray:
        """Return how much it prefers the test system's responses, shape (responses,), above 0 where it does."""
        rows = [{"chosen": one, "rejected": other} for one, other in zip(test, base, strict=True)]
        words = self._encoder.personas(["" if metric == QUALITY else persona for persona in personas])
        return margins(self._weights[metric], words, self._encoder.pairs(rows))

    def outcomes(self, metric: str, personas: Sequence[str], test: Sequence[str], base: Sequence[str]) -> list[str]:
        """Return win, loss or tie_genuine of the test system's response, one for each; equal texts are a tie."""
        found = self.logits(metric, personas, test, base)
        return list(np.where(found > TIE, "win", np.where(found < -TIE, "loss", "tie_genuine")))


def agreement(judge: AttributeJudge, rows: Sequence[Row]) -> list[tuple[str, float, float, int]]:
    """Return how often the judge says what the data's people said: question, share of the decided, share of ties, n.

    The chosen response should win without a persona and for its own persona, and lose for that of the rejected one.
    """
    chosen, rejected = ([row[side] for row in rows] for side in ("chosen", "rejected"))
    asked = (
        ("Quality: chosen over rejected", QUALITY, [""] * len(rows), "win"),
        ("Personalization, persona of the chosen response", PERSONALIZATION, _gold(rows, "chosen"), "win"),
        ("Personalization, persona of the rejected response", PERSONALIZATION, _gold(rows, "rejected"), "loss"),
    )
    found = []
    for name, metric, personas, right in asked:
        outcomes = judge.outcomes(metric, personas, chosen, rejected)
        decided = [one for one in outcomes if one != "tie_genuine"]
        found.append((name, decided.count(right) / max(1, len(decided)), 1 - len(decided) / len(rows), len(rows)))
    return found


def _gold(rows: Sequence[Row], side: str) -> list[str]:
    return [row[f"{side}_persona_gold"] for row in rows]
