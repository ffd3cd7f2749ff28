"""Which short texts are nearest to another one by the words they share: BM25, exactly. Pure: no model, no files.

Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), with the weight of a word as
Lucene has it, log(1 + (N - n + 0.5) / (n + 0.5)), which is never negative. Personas are a sentence or two: a few
thousand are ranked within milliseconds.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence

K1, B = 1.2, 0.75
# Scripts that are written without blanks count by the character.
_TERM = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]|[^\W_\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]+")


def terms(text: str) -> list[str]:
    """Return the words of a text, without regard to capitals."""
    return _TERM.findall(text.casefold())


class Bm25:
    """Texts to be ranked, in an order that decides between equals."""

    def __init__(self, texts: Sequence[str]) -> None:
        counts = [Counter(terms(text)) for text in texts]
        lengths = [counted.total() for counted in counts]
        mean = sum(lengths) / len(lengths) if any(lengths) else 1.0
        self._size = len(texts)
        self._holding: defaultdict[str, list[tuple[int, float]]] = defaultdict(list)
        for place, (counted, length) in enumerate(zip(counts, lengths, strict=True)):
            for term, times in counted.items():
                part = times * (K1 + 1) / (times + K1 * (1 - B + B * length / mean))
                self._holding[term].append((place, part))

    def nearest(self, text: str, *, count: int, without: Collection[int] = ()) -> list[tuple[int, float]]:
        """Return the places of the `count` nearest texts with their scores, the nearest first.

        Texts that share no word have the score 0. Those at the places `without` are left out.
        """
        scores = [0.0] * self._size
        for term in sorted(set(terms(text))):  # in one order, since sums of floats depend on it
            holding = self._holding.get(term, ())
            weight = math.log(1 + (self._size - len(holding) + 0.5) / (len(holding) + 0.5))
            for place, part in holding:
                scores[place] += weight * part
        left_out = set(without)
        ranked = sorted((place for place in range(self._size) if place not in left_out), key=lambda one: -scores[one])
        return [(place, scores[place]) for place in ranked[:count]]
