"""Find, for each query, the nearest rows of a collection: exactly, or among an index's candidates scored exactly."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from annotation.errors import ServiceError
from modelhub.retrieval.collection import Collection, Embeddings
from modelhub.retrieval.maxsim import DECIMALS, best, scoring_device

if TYPE_CHECKING:
    import torch

    from modelhub.retrieval.plaid import Index

EXACT_BELOW = 30_000
"""Fewer rows are searched exactly, unless asked otherwise. Making an index takes as long as searching 2,000 to 3,500
queries exactly, at the sizes that were measured (docs/benchmarks.md). From here on it saves many minutes where there
are more queries than that, and costs a few where there are fewer; below, neither is worth an approximation.

Only the rows count, not the queries: how rows were searched is kept with them, and must not change with how many pairs
of a split are imported, or with the splits that are given in one command."""

CANDIDATES = 200
"""Prompts that are taken from the index for each query, at the least; they are scored exactly."""

RECALL_COMPARISONS = 2_000_000
"""Up to so many pairs of query and prompt, all queries are searched exactly too, to see what the index has missed."""

RECALL_QUERIES = 100
"""Of more pairs, so many queries."""


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
    device: str = field(default_factory=scoring_device)

    def search(
        self,
        queries: "torch.Tensor",
        keys: Sequence[str],
        k: int,
        *,
        measured: Sequence[bool] = (),
        on_share: Callable[[float], object] = lambda share: None,
    ) -> list[list[Found]]:
        """Return the k nearest rows of each query, the nearest first; of equal scores the smaller key first.

        `queries` has shape (queries, query tokens, dim). Rows with a query's own key, in `keys`, are not found.
        `measured` says which queries are searched exactly as well, for the recall of the index. `on_share` is told, now
        and then, what share of the queries is done. Raises ServiceError if there are fewer than k rows to find.
        """
        for key in keys:
            self._check_size(k, key)
        if self.index is None:
            return self._exactly(queries, keys, k, on_share)
        found = []
        for number, (query, key) in enumerate(zip(queries, keys, strict=True), start=1):
            found.append(self._by_index(query, key, k))
            on_share(number / len(keys))
        self._measure(queries, keys, found, measured)
        return found

    def _exactly(
        self,
        queries: "torch.Tensor",
        keys: Sequence[str],
        k: int,
        on_share: Callable[[float], object] = lambda share: None,
    ) -> list[list[Found]]:
        # Each of the k best rows stands in one of the k best prompts, if these are ordered by their first rows; where
        # that is the query's own row, one more may be needed.
        most = k + max((self._own(key) for key in keys), default=0)
        firsts = self.collection.first_rows
        found = best(queries, self.embeddings, most, firsts, device=self.device, on_share=on_share)
        prompts, scores = found.documents.tolist(), found.scores.cpu().numpy()
        return [self._rows(*one, k) for one in zip(prompts, scores, keys, strict=True)]

    def _by_index(self, query: "torch.Tensor", key: str, k: int) -> list[Found]:
        """Search the candidates of the index; everything if they are too few."""
        assert self.index is not None
        most = k + self._own(key)
        wanted = sorted(self.index.candidates(query, max(CANDIDATES, k + most)))
        found: list[Found] = []
        if wanted:
            candidates = np.array(wanted, dtype=np.int64)
            firsts = self.collection.first_rows[candidates]
            among = best(query[None], self.embeddings.of(candidates), most, firsts, device=self.device)
            prompts = candidates[among.documents[0].tolist()].tolist()
            found = self._rows(prompts, among.scores[0].cpu().numpy(), key, k)
        if len(found) < k:
            self.short += 1
            return self._exactly(query[None], [key], k)[0]
        return found

    def _measure(
        self, queries: "torch.Tensor", keys: Sequence[str], found: Sequence[Sequence[Found]], measured: Sequence[bool]
    ) -> None:
        """Search the measured queries exactly too, and count for how many the index gave the best row or its equal."""
        places = [place for place, wanted in enumerate(measured) if wanted]
        if not places:
            return
        exact = self._exactly(queries[places], [keys[place] for place in places], 1)
        self.recall.queries += len(places)
        for place, first in zip(places, exact, strict=True):
            # A last digit may be rounded either way.
            self.recall.found += found[place][0].score >= first[0].score - 1.5 * 10**-DECIMALS

    def _rows(self, prompts: Sequence[int], scores: npt.NDArray[np.float32], key: str, k: int) -> list[Found]:
        """Return the k best rows, without the query's own, of these prompts; fewer if they have not so many."""
        own = self.collection.rows_by_key.get(key, ())
        rounded = np.round(scores, DECIMALS)
        rows = [
            (-float(rounded[place]), row, float(scores[place]))
            for place, prompt in enumerate(prompts)
            for row in self.collection.rows_of_prompt[prompt][: k + len(own)]
            if row not in own
        ]
        return [Found(row, round(score, DECIMALS)) for _, row, score in sorted(rows)[:k]]

    def _own(self, key: str) -> int:
        return len(self.collection.rows_by_key.get(key, ()))

    def _check_size(self, k: int, key: str) -> None:
        own = self._own(key)
        if k > len(self.collection.rows) - own:
            raise ServiceError(
                f"k is {k}, but only {len(self.collection.rows) - own} rows can be found"
                f"{' beside the row itself' if own else ''}."
            )
