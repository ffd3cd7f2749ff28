"""Find, for each query, the nearest rows of a collection: exactly, or among an index's candidates scored exactly."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from annotation.errors import ServiceError
from modelhub.retrieval.collection import Collection, Embeddings
from modelhub.retrieval.maxsim import DECIMALS, Scores, best, maxsim

if TYPE_CHECKING:
    import torch

    from modelhub.retrieval.plaid import Index

EXACT_BELOW = 100_000
"""Fewer rows are searched exactly, unless asked otherwise: up to here the index was not faster where this was measured
(docs/benchmarks.md), and has to be made first."""

CANDIDATES = 200
"""Prompts that are taken from the index for each query, at the least; they are scored exactly."""

RECALL_COMPARISONS = 2_000_000
"""Up to so many pairs of query and prompt, all queries are searched exactly too, to see what the index has missed."""

RECALL_QUERIES = 100
"""Of more pairs, so many queries."""

_QUERIES_AT_ONCE = 16


@dataclass(frozen=True)
class Found:
    """A row of the collection, by its place there, and its exact score."""

    row: int
    score: float


@dataclass
class Recall:
    """Of `queries` that were searched exactly too, how often the best row (or its equal) was among the candidates."""

    queries: int = 0
    found: int = 0


@dataclass
class Nearest:
    """A collection that is ready to be searched; exactly where there is no index."""

    collection: Collection
    embeddings: Embeddings
    index: "Index | None" = None
    recall: Recall = field(default_factory=Recall)
    short: int = 0
    """Queries for which the index had fewer than k candidates, so that they were searched exactly."""

    def search(
        self, queries: "torch.Tensor", keys: Sequence[str], k: int, *, measured: Sequence[bool] = ()
    ) -> list[list[Found]]:
        """Return the k nearest rows of each query, the nearest first; of equal scores the smaller key first.

        `queries` has shape (queries, query tokens, dim). Rows with a query's own key, in `keys`, are not found.
        `measured` says which queries are searched exactly as well, for the recall of the index.
        Raises ServiceError if there are fewer than k rows to find.
        """
        for key in keys:
            self._check_size(k, key)
        if self.index is not None:
            found = [self._by_index(query, key, k) for query, key in zip(queries, keys, strict=True)]
            self._measure(queries, keys, found, measured)
            return found
        return self._exactly(queries, keys, k)

    def _exactly(self, queries: "torch.Tensor", keys: Sequence[str], k: int) -> list[list[Found]]:
        found: list[list[Found]] = []
        for start in range(0, len(keys), _QUERIES_AT_ONCE):
            part = slice(start, start + _QUERIES_AT_ONCE)
            scores = maxsim(queries[part], self.embeddings.tokens, self.embeddings.lengths)
            found += [self._best(self._by_row(row), key, k) for row, key in zip(scores, keys[part], strict=True)]
        return found

    def _by_index(self, query: "torch.Tensor", key: str, k: int) -> list[Found]:
        """Search the candidates of the index; everything if they are too few."""
        assert self.index is not None
        own = len(self.collection.rows_by_key.get(key, ()))
        candidates = np.array(sorted(self.index.candidates(query, max(CANDIDATES, 2 * k + own))), dtype=np.int64)
        scores = np.full(len(self.collection.prompts), -np.inf, dtype=np.float32)
        if len(candidates):
            part = self.embeddings.of(candidates)
            scores[candidates] = maxsim(query[None], part.tokens, part.lengths)[0]
        if self._found(scores, key) < k:
            self.short += 1
            scores = maxsim(query[None], self.embeddings.tokens, self.embeddings.lengths)[0]
        return self._best(self._by_row(scores), key, k)

    def _measure(
        self, queries: "torch.Tensor", keys: Sequence[str], found: Sequence[Sequence[Found]], measured: Sequence[bool]
    ) -> None:
        """Search the measured queries exactly too, and count for how many the index gave the best row or its equal."""
        places = [place for place, wanted in enumerate(measured) if wanted]
        exact = self._exactly(queries[places], [keys[place] for place in places], 1)
        self.recall.queries += len(places)
        for place, first in zip(places, exact, strict=True):
            # A last digit may be rounded either way.
            self.recall.found += found[place][0].score >= first[0].score - 1.5 * 10**-DECIMALS

    def _found(self, scores: Scores, key: str) -> int:
        """Return how many rows have a score, those with the query's own key left out."""
        return int(np.isfinite(self._without(self._by_row(scores), key)).sum())

    def _by_row(self, scores: Scores) -> Scores:
        return np.asarray(scores[self.collection.prompt_of])

    def _without(self, scores: Scores, key: str) -> Scores:
        own: Sequence[int] | npt.NDArray[np.int64] = self.collection.rows_by_key.get(key, [])
        if not own:
            return scores
        others = scores.copy()
        others[own] = -np.inf
        return others

    def _best(self, scores: Scores, key: str, k: int) -> list[Found]:
        others = self._without(scores, key)
        return [Found(int(row), round(float(others[row]), DECIMALS)) for row in best(others, k)]

    def _check_size(self, k: int, key: str) -> None:
        own = len(self.collection.rows_by_key.get(key, ()))
        if k > len(self.collection.rows) - own:
            raise ServiceError(
                f"k is {k}, but only {len(self.collection.rows) - own} rows can be found"
                f"{' beside the row itself' if own else ''}."
            )
