"""colbert-ai's index over the embeddings of a collection, and the candidates it finds.

Source: Santhanam et al., "PLAID" (CIKM 2022). The index is fed the embeddings that are there already, so that nothing
is encoded again, and that its candidates can be scored with the very same ones.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from annotation.errors import ServiceError
from modelhub.retrieval import store
from modelhub.retrieval.checkpoint import CheckpointFiles
from modelhub.retrieval.colbert import colbert_config, cure, quiet, silent_descriptors
from modelhub.retrieval.collection import Embeddings
from modelhub.retrieval.extensions import compiled

if TYPE_CHECKING:
    import torch

LEAST_TOKENS = 1024
"""An index of fewer embeddings has more clusters than it can learn."""

# Wider than colbert-ai's defaults for a few results: what comes out is scored again, so that more is better here.
_CELLS, _THRESHOLD = 4, 0.3
_SKETCHED = 4
"""So many times as many prompts as candidates pass colbert-ai's first filter, a quarter of them its second."""


class Index:
    """An index that is open for searching. Raises ServiceError if its extensions cannot be compiled."""

    def __init__(self, folder: Path, files: CheckpointFiles, prompts: int) -> None:
        load_extensions()
        with quiet():
            from colbert import Searcher

            config = colbert_config(files, ncells=_CELLS, centroid_score_threshold=_THRESHOLD)
            self._searcher: Any = Searcher(
                index=folder.name, index_root=str(folder.parent), checkpoint=str(files.folder), config=config,
                collection=list(range(prompts)), verbose=0,
            )  # fmt: skip

    def candidates(self, query: "torch.Tensor", count: int) -> list[int]:
        """Return at most so many prompts for one query, of shape (query tokens, dim), the likeliest first."""
        self._searcher.configure(ndocs=_SKETCHED * count)
        with quiet():
            found, _, _ = self._searcher.dense_search(query[None], k=count)
        return [int(one) for one in found]


def make_index(
    folder: Path,
    embeddings: Embeddings,
    files: CheckpointFiles,
    manifest: dict[str, Any],
    *,
    say: Callable[[str], object] = lambda line: None,
) -> bool:
    """Make the index in `folder`, unless it is there, whole and of this collection; return whether it was made.

    Raises ServiceError for a collection that is too small, and if the extensions cannot be compiled.
    """
    if len(embeddings.tokens) < LEAST_TOKENS:
        raise ServiceError(
            f"{len(embeddings.lengths)} prompts ({len(embeddings.tokens)} tokens) are too few for an index, which "
            f"takes {LEAST_TOKENS} tokens. Search them exactly: --exact."
        )
    known = store.manifest_of(folder)
    if known != manifest:
        if known is not None:
            say("The rows to be searched have changed since they were indexed: making the index anew.")
        say(f"Indexing {len(embeddings.lengths):,} prompts; there is no bar for this, and of 100,000 it takes minutes.")
        _make(folder, embeddings, files, manifest)
    return known != manifest


def _make(folder: Path, embeddings: Embeddings, files: CheckpointFiles, manifest: dict[str, Any]) -> None:
    load_extensions()
    made = store.begin(folder)
    with silent_descriptors(), quiet():
        from colbert.indexing.collection_indexer import CollectionIndexer
        from colbert.infra import Run

        # A fresh folder each time, so that colbert-ai has nothing to overwrite, before which it would wait.
        config = colbert_config(files, index_path=str(made), index_name=folder.name, rank=0)
        config = type(config).from_existing(type(config).load_from_checkpoint(str(files.folder)), Run().config, config)
        _seed()
        with Run().context(config, inherit_config=False):
            indexer = CollectionIndexer(config, list(range(len(embeddings.lengths))), verbose=0)
            indexer.encoder = _Stored(embeddings, half=indexer.use_gpu)
            indexer.run([])
    store.publish(made, folder, manifest)


def load_extensions() -> None:
    """Load colbert-ai's extensions, compiled if need be. Raises ServiceError if they cannot be compiled.

    All of them beforehand, so that no process waits until another one's index is made.
    """
    with compiled(), quiet():
        cure()
        from colbert.indexing.codecs.residual import ResidualCodec
        from colbert.infra import ColBERTConfig
        from colbert.modeling.colbert import ColBERT
        from colbert.search.index_storage import IndexScorer
        from colbert.search.strided_tensor import StridedTensor

        for made_faster in (ColBERT, ResidualCodec, StridedTensor, IndexScorer):
            made_faster.try_load_torch_extensions(ColBERTConfig.total_visible_gpus > 0)


class _Stored:
    """Stands where colbert-ai encodes passages: here they are numbers of prompts, whose embeddings are there."""

    def __init__(self, embeddings: Embeddings, *, half: bool) -> None:
        self._embeddings, self._half = embeddings, half

    def encode_passages(self, passages: Sequence[int]) -> "tuple[torch.Tensor, list[int]]":
        import torch

        wanted = self._embeddings.of(passages)
        tokens = torch.from_numpy(np.array(wanted.tokens))
        return (tokens.half() if self._half else tokens), [int(length) for length in wanted.lengths]


def _seed() -> None:
    """Fix which prompts the clusters are learned from, so that the same collection gives the same index."""
    import random

    import torch

    random.seed(12345)
    np.random.seed(12345)
    torch.manual_seed(12345)
