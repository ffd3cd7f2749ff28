"""MaxSim: the formula, whatever the blocks; colbert-ai's own scores; what is kept of each query, and where."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelhub.retrieval import maxsim as module
from modelhub.retrieval.checkpoint import find_checkpoint
from modelhub.retrieval.colbert import Encoder, quiet
from modelhub.retrieval.collection import Embeddings
from modelhub.retrieval.maxsim import DECIMALS, BlockSizes, best
from tests.tools.tinycolbert import prompts

if TYPE_CHECKING:
    import torch

Numbers = npt.NDArray[np.float32]


def by_definition(queries: Numbers, documents: Embeddings) -> Numbers:
    ends = np.cumsum(documents.lengths)
    parts = [documents.tokens[end - length : end] for end, length in zip(ends, documents.lengths, strict=True)]
    return np.array([[(query @ part.T).max(axis=1).sum() for part in parts] for query in queries], dtype=np.float32)


def made_up(seed: int, documents: int, queries: int) -> tuple[Numbers, Embeddings]:
    random = np.random.default_rng(seed)
    lengths = random.integers(1, 9, size=documents)
    tokens = random.normal(size=(int(lengths.sum()), 8)).astype(np.float32)
    return random.normal(size=(queries, 5, 8)).astype(np.float32), Embeddings(tokens, lengths)


def one_token(values: list[float]) -> "tuple[torch.Tensor, Embeddings]":
    """A query, and documents that have these scores with it."""
    import torch

    return torch.ones((1, 1, 1)), Embeddings(
        np.array(values, dtype=np.float32)[:, None], np.ones(len(values), np.int64)
    )


@pytest.mark.parametrize("sizes", [BlockSizes(1, 1), BlockSizes(30, 400), BlockSizes(2**16, 2**20)])
def test_the_best_are_those_of_the_formula_whatever_the_blocks(
    sizes: BlockSizes, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr(module, "ON_PROCESSOR", sizes)
    queries, documents = made_up(0, 40, 3)
    scores = by_definition(queries, documents)
    found = best(torch.from_numpy(queries), documents, 7, np.arange(40), device="cpu")
    expected = np.argsort(-scores, axis=1)[:, :7]
    assert found.documents.tolist() == expected.tolist()
    np.testing.assert_allclose(found.scores.numpy(), np.take_along_axis(scores, expected, 1), atol=1e-4)


def test_fewer_documents_than_wanted_are_all_found() -> None:
    import torch

    queries, documents = made_up(0, 4, 2)
    assert best(torch.from_numpy(queries), documents, 9, np.arange(4), device="cpu").documents.shape == (2, 4)


def test_a_match_below_zero_counts_as_it_is() -> None:
    import torch

    query = torch.tensor([[[1.0, 0.0]]])
    documents = Embeddings(np.array([[-1.0, 0.0], [-0.5, 0.0]], dtype=np.float32), np.array([2]))
    assert best(query, documents, 1, np.arange(1), device="cpu").scores.tolist() == [[-0.5]]


def test_scores_equal_those_of_colbert_ai(tiny_colbert: Path) -> None:
    encoder = Encoder(find_checkpoint(str(tiny_colbert)))
    from colbert.infra import ColBERTConfig
    from colbert.modeling.colbert import colbert_score

    texts = prompts(60)
    tokens, lengths = encoder.documents(texts)
    documents = Embeddings(tokens.numpy(), np.array(lengths))
    queries = encoder.queries(texts[:10])
    with quiet():
        padded, mask = encoder._model.doc(*encoder._model.doc_tokenizer.tensorize(texts), keep_dims="return_mask")
    found = best(queries, documents, 60, np.arange(60), device="cpu")
    for place, query in enumerate(queries):
        theirs = colbert_score(query[None], padded.clone(), mask.clone(), config=ColBERTConfig())
        np.testing.assert_allclose(found.scores[place], theirs[found.documents[place]], atol=1e-4)
        assert found.documents[place, 0] == place


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=30), st.data())
@settings(max_examples=50, deadline=None)
def test_of_equal_scores_the_one_with_precedence_is_found_whatever_the_blocks(
    values: list[int], data: st.DataObject
) -> None:
    most = data.draw(st.integers(1, len(values)))
    precedence = data.draw(st.permutations(range(len(values))))
    sizes = BlockSizes(data.draw(st.integers(1, 9)), 100)
    expected = sorted(range(len(values)), key=lambda place: (-values[place], precedence[place]))[:most]
    query, documents = one_token([float(value) for value in values])
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "ON_PROCESSOR", sizes)
        found = best(query, documents, most, np.array(precedence), device="cpu")
    assert found.documents[0].tolist() == expected


def test_scores_that_differ_only_by_rounding_noise_are_equal() -> None:
    query, documents = one_token([1.000001, 1.000004, 0.5])
    assert best(query, documents, 1, np.arange(3), device="cpu").documents.tolist() == [[0]]


def test_nothing_leaves_the_device_that_was_asked_for() -> None:
    import torch

    queries, documents = made_up(0, 40, 3)
    found = best(torch.from_numpy(queries), documents, 2, np.arange(40), device="meta")
    assert [(part.device.type, part.shape) for part in (found.ranks, found.documents, found.scores)] == [
        ("meta", (3, 2))
    ] * 3


def test_a_gpu_finds_what_a_processor_finds() -> None:
    import torch

    if not torch.cuda.is_available():
        pytest.skip("There is no GPU here.")
    random = np.random.default_rng(0)
    lengths = np.sort(random.integers(10, 41, size=3000))
    tokens = torch.nn.functional.normalize(torch.randn(int(lengths.sum()), 128), dim=-1).numpy()
    queries = torch.nn.functional.normalize(torch.randn(300, 32, 128), dim=-1)
    both = [best(queries, Embeddings(tokens, lengths), 3, np.arange(3000), device=one) for one in ("cpu", "cuda")]
    np.testing.assert_allclose(both[0].scores, both[1].scores.cpu(), atol=1.5 * 10**-DECIMALS)


def test_float32_is_multiplied_with_all_its_digits_whatever_else_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    precision = torch.backends.cuda.matmul
    seen: list[str] = []
    original = module.maxsim

    def watched(*given: Any) -> Any:
        seen.append(precision.fp32_precision)
        return original(*given)

    monkeypatch.setattr(module, "maxsim", watched)
    before = precision.fp32_precision
    try:
        precision.fp32_precision = "tf32"
        query, documents = one_token([1.0])
        best(query, documents, 1, np.arange(1), device="cpu")
        assert (seen, precision.fp32_precision) == (["ieee"], "tf32")
    finally:
        precision.fp32_precision = before


@pytest.mark.parametrize("threads", [1, 3])
def test_an_interruption_ends_the_search_at_once_and_leaves_torch_its_threads(
    threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr(module, "ON_PROCESSOR", BlockSizes(1, 100))
    queries, documents = made_up(0, 500, 2)
    before, original = torch.get_num_threads(), module.maxsim
    scored: list[int] = []

    def watched(*given: Any) -> Any:
        scored.append(1)
        return original(*given)

    monkeypatch.setattr(module, "maxsim", watched)

    def interrupted(share: float) -> None:
        raise KeyboardInterrupt

    torch.set_num_threads(threads)
    try:
        with pytest.raises(KeyboardInterrupt):
            best(torch.from_numpy(queries), documents, 1, np.arange(500), device="cpu", on_share=interrupted)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert 1 <= len(scored) < 500


def test_several_threads_find_what_one_finds_and_the_share_grows_to_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(module, "ON_PROCESSOR", BlockSizes(20, 100))
    queries, documents = made_up(1, 100, 4)
    before, found = torch.get_num_threads(), []
    pools: list[int] = []
    shares: list[float] = []

    class Counted(ThreadPoolExecutor):
        def __init__(self, workers: int) -> None:
            pools.append(workers)
            super().__init__(workers)

    monkeypatch.setattr(module, "ThreadPoolExecutor", Counted)
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            found.append(
                best(torch.from_numpy(queries), documents, 3, np.arange(100), device="cpu", on_share=shares.append)
            )
    finally:
        torch.set_num_threads(before)
    assert pools == [3]
    assert all(one.equal(other) for one, other in zip(astuple(found[0]), astuple(found[1]), strict=True))
    whole = [number for number, share in enumerate(shares) if share == 1.0]
    assert len(whole) == 2
    assert shares[: whole[0] + 1] == sorted(shares[: whole[0] + 1])
