"""Exact MaxSim: for every token of a query its best match in a document, summed over the query's tokens.

Source: Khattab and Zaharia, "ColBERT" (SIGIR 2020), equation 3. The formula is computed as it stands; colbert-ai's own
routine for CPUs counts a token's best match as 0 where it is negative, which trained checkpoints do not have.

Documents are scored block by block, and of each query the best are kept: memory is bounded whatever their number.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from modelhub.retrieval.collection import Embeddings

if TYPE_CHECKING:
    import torch

DECIMALS = 4
"""Scores are rounded to so many decimals: what is left below is the noise of summing in another order."""

Range = tuple[int, int]


@dataclass(frozen=True)
class BlockSizes:
    """How much is computed at a time: `tokens` of documents in a block, and `numbers` (inner products) of 4 bytes."""

    tokens: int
    numbers: int


# On a processor, inner products that stay in its caches save a quarter of the time; a GPU wants few, large products.
ON_PROCESSOR = BlockSizes(tokens=1024, numbers=2**19)
ON_GPU = BlockSizes(tokens=2**16, numbers=2**26)

_RANGE = 2**32  # of what decides between equal scores


@dataclass(frozen=True)
class Best:
    """The best documents of each query, the best first: tensors of shape (queries, most).

    `ranks` order them, and are all different: by the rounded score, then by precedence.
    """

    ranks: "torch.Tensor"
    documents: "torch.Tensor"
    scores: "torch.Tensor"

    def merged(self, other: "Best", most: int) -> "Best":
        """Return the best of both."""
        import torch

        ranks = torch.cat((self.ranks, other.ranks), dim=1)
        documents = torch.cat((self.documents, other.documents), dim=1)
        return _top(ranks, documents, torch.cat((self.scores, other.scores), dim=1), most)


def scoring_device() -> str:
    """Return where scores are computed: on the GPU, if there is one."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def best(
    queries: "torch.Tensor",
    documents: Embeddings,
    most: int,
    precedence: npt.NDArray[np.int64],
    *,
    device: str,
    on_share: Callable[[float], object] = lambda share: None,
) -> Best:
    """Return the `most` best documents of every query, or all if there are fewer, on the device.

    `queries` has shape (queries, query tokens, dim). Scores count to DECIMALS decimals, and are returned unrounded; of
    equal ones that of the smaller `precedence` comes first. `on_share` is told what share is done. Documents of like
    length should stand together, since those of a block are padded.
    """
    import torch

    sizes = ON_PROCESSOR if device == "cpu" else ON_GPU
    blocks = list(_blocks(documents.lengths, sizes.tokens))
    moved, order = queries.to(device), torch.from_numpy(precedence).to(device)

    def of_block(block: Range) -> Best:
        with torch.inference_mode():
            scores = maxsim(moved, padded(documents, block).to(device), sizes.numbers)
            places = torch.arange(*block, device=device)
            ranks = _ranks(scores, order[block[0] : block[1]])
            return _top(ranks, places.expand_as(ranks), scores, most)

    with _full_precision(), _mapping(device, len(blocks)) as mapping, closing(mapping(of_block, blocks)) as parts:
        found = next(parts)
        on_share(1 / len(blocks))
        for number, part in enumerate(parts, start=2):
            found = found.merged(part, most)
            on_share(number / len(blocks))
    return found


def maxsim(queries: "torch.Tensor", documents: "torch.Tensor", numbers: int) -> "torch.Tensor":
    """Return the scores of every query with every document, of shape (queries, documents), not rounded.

    `queries` has shape (queries, query tokens, dim), `documents` (documents, tokens, dim), as `padded` makes them. At
    most `numbers` inner products are held at a time, or those of one query.
    """
    import torch

    _, tokens, dim = queries.shape
    count, width, _ = documents.shape
    flat = documents.reshape(-1, dim)
    parts = []
    for part in queries.split(max(numbers // (count * width * tokens), 1)):
        matches = flat @ part.reshape(-1, dim).T
        parts.append(matches.view(count, width, len(part), tokens).amax(1).sum(-1).T)
    return torch.cat(parts)


def padded(documents: Embeddings, block: Range) -> "torch.Tensor":
    """Return a block's documents made equally long, of shape (documents, longest, dim).

    A short one repeats its last token, which changes no highest match, so that nothing has to be masked.
    """
    import torch

    first, last = block
    lengths, starts = documents.lengths[first:last], documents.starts[first:last]
    columns = np.minimum(np.arange(int(lengths.max()))[None, :], lengths[:, None] - 1)
    tokens = np.asarray(documents.tokens[starts[0] : documents.starts[last]])
    return torch.from_numpy(tokens[(starts - starts[0])[:, None] + columns])


def _ranks(scores: "torch.Tensor", precedence: "torch.Tensor") -> "torch.Tensor":
    """Return whole numbers that order documents by their rounded scores, and equal ones by precedence."""
    import torch

    rounded = (scores * 10**DECIMALS).round().to(torch.int64)
    return rounded * _RANGE - precedence


def _top(ranks: "torch.Tensor", documents: "torch.Tensor", scores: "torch.Tensor", most: int) -> Best:
    highest = ranks.topk(min(most, ranks.shape[1]), dim=1)
    return Best(highest.values, documents.gather(1, highest.indices), scores.gather(1, highest.indices))


def _blocks(lengths: Sequence[int] | npt.NDArray[np.int64], tokens: int) -> Iterator[Range]:
    """Yield ranges of documents that, padded to the longest of each, have at most so many tokens, or one document."""
    first, width = 0, 0
    for number, length in enumerate(lengths):
        width = max(width, int(length))
        if number > first and width * (number + 1 - first) > tokens:
            yield first, number
            first, width = number, int(length)
    if len(lengths):
        yield first, len(lengths)


Mapping = Callable[[Callable[[Range], Best], Iterable[Range]], Generator[Best]]


@contextmanager
def _mapping(device: str, blocks: int) -> Iterator[Mapping]:
    """Give what applies a function to blocks: on a processor, as many at a time as torch would use threads for one.

    Threads that share a small product wait for each other after each one, which takes many times as long on a machine
    where others are at work.
    """
    import torch

    threads = torch.get_num_threads()
    if device != "cpu" or threads == 1 or blocks == 1:
        yield lambda work, ranges: (work(one) for one in ranges)
        return
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(threads) as pool:
            yield pool.map  # type: ignore[misc]
    finally:
        torch.set_num_threads(threads)


@contextmanager
def _full_precision() -> Iterator[None]:
    """Keep a GPU from multiplying float32 with fewer digits, whatever training in this process has asked for."""
    import torch

    before = torch.backends.cuda.matmul.fp32_precision
    torch.backends.cuda.matmul.fp32_precision = "ieee"
    try:
        yield
    finally:
        torch.backends.cuda.matmul.fp32_precision = before
