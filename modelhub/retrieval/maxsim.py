"""Exact MaxSim: for every token of a query its best match in a document, summed over the query's tokens.

Source: Khattab and Zaharia, "ColBERT" (SIGIR 2020), equation 3. The formula is computed as it stands; colbert-ai's own
routine for CPUs counts a token's best match as 0 where it is negative, which trained checkpoints do not have.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch

DECIMALS = 4
"""Scores are rounded to so many decimals: what is left below is the noise of summing in another order."""

MEMORY = 8 * 2**20
"""The most numbers, at four bytes each, that are held at a time."""

Scores = npt.NDArray[np.float32]


def maxsim(
    queries: "torch.Tensor", documents: npt.NDArray[np.float32], lengths: Sequence[int] | npt.NDArray[np.int64]
) -> Scores:
    """Return the scores of every query with every document, of shape (queries, documents), not rounded.

    `queries` has shape (queries, query tokens, dim), `documents` (tokens, dim) with one document after the other, and
    `lengths` says how many tokens (at least one) each has. Documents are taken in portions, so that memory is bounded
    by MEMORY numbers whatever their number; those of like length should stand together, since a portion is padded.
    """
    import torch

    count, tokens, dim = queries.shape
    flat = queries.reshape(count * tokens, dim).T.contiguous()
    sizes = np.asarray(lengths, dtype=np.int64)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    scores = np.empty((count, len(sizes)), dtype=np.float32)
    with torch.inference_mode():
        for first, last in _portions(sizes, MEMORY // max(count * tokens, 1)):
            places = _padded(sizes[first:last])
            part = torch.from_numpy(np.array(documents[starts[first] : starts[last]], dtype=np.float32)[places])
            matches = part.view(-1, dim) @ flat
            best_matches = matches.view(*places.shape, count, tokens).amax(1)
            scores[:, first:last] = best_matches.sum(-1).T.numpy()
    return scores


def _padded(lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return which token stands where, of shape (documents, longest), if all documents are made equally long.

    A short one repeats its last token, which changes no highest match, so that nothing has to be masked.
    """
    starts = np.cumsum(lengths) - lengths
    columns = np.minimum(np.arange(int(lengths.max()))[None, :], lengths[:, None] - 1)
    return np.asarray(starts[:, None] + columns)


def _portions(lengths: npt.NDArray[np.int64], tokens: int) -> Iterator[tuple[int, int]]:
    """Yield ranges of documents that, padded to the longest of each, have at most so many tokens, or one document."""
    first, width = 0, 0
    for number, length in enumerate(lengths):
        width = max(width, int(length))
        if number > first and width * (number + 1 - first) > tokens:
            yield first, number
            first, width = number, int(length)
    if len(lengths):
        yield first, len(lengths)


def best(scores: Scores, k: int) -> npt.NDArray[np.int64]:
    """Return the places of the k highest of one query's scores, the highest first; of equal ones the earlier place.

    Scores count to DECIMALS decimals. There must be at least k of them.
    """
    rounded = np.round(scores, DECIMALS)
    least = np.partition(rounded, -k)[-k]
    places = np.flatnonzero(rounded >= least)
    return places[np.argsort(-rounded[places], kind="stable")][:k]
