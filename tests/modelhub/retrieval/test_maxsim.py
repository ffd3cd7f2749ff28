"""MaxSim: the formula, whatever the portions; colbert-ai's own scores; and what equal scores are decided by."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelhub.retrieval import maxsim as module
from modelhub.retrieval.checkpoint import find_checkpoint
from modelhub.retrieval.colbert import Encoder, quiet
from modelhub.retrieval.maxsim import Scores, best, maxsim
from tests.tools.tinycolbert import prompts


def by_definition(queries: Scores, documents: Scores, lengths: list[int]) -> Scores:
    ends = np.cumsum(lengths)
    parts = [documents[end - length : end] for end, length in zip(ends, lengths, strict=True)]
    return np.array([[(query @ part.T).max(axis=1).sum() for part in parts] for query in queries], dtype=np.float32)


@pytest.mark.parametrize("memory", [1, 400, 2**20])
def test_scores_are_those_of_the_formula_whatever_the_portions(memory: int, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(module, "MEMORY", memory)
    random = np.random.default_rng(0)
    lengths = [int(length) for length in random.integers(1, 9, size=40)]
    queries = random.normal(size=(3, 5, 8)).astype(np.float32)
    documents = random.normal(size=(sum(lengths), 8)).astype(np.float32)
    found = maxsim(torch.from_numpy(queries), documents, lengths)
    assert found.shape == (3, 40)
    np.testing.assert_allclose(found, by_definition(queries, documents, lengths), atol=1e-4)


def test_a_match_below_zero_counts_as_it_is() -> None:
    import torch

    query = torch.tensor([[[1.0, 0.0]]])
    assert maxsim(query, np.array([[-1.0, 0.0], [-0.5, 0.0]], dtype=np.float32), [2])[0, 0] == -0.5


def test_scores_equal_those_of_colbert_ai(tiny_colbert: Path) -> None:
    encoder = Encoder(find_checkpoint(str(tiny_colbert)))
    from colbert.infra import ColBERTConfig
    from colbert.modeling.colbert import colbert_score

    texts = prompts(60)
    documents, lengths = encoder.documents(texts)
    queries = encoder.queries(texts[:10])
    with quiet():
        padded, mask = encoder._model.doc(*encoder._model.doc_tokenizer.tensorize(texts), keep_dims="return_mask")
    for place, query in enumerate(queries):
        theirs = colbert_score(query[None], padded.clone(), mask.clone(), config=ColBERTConfig())
        ours = maxsim(query[None], documents.numpy(), lengths)[0]
        np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-4)
        assert best(ours, 1)[0] == place


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30), st.data())
@settings(max_examples=50, deadline=None)
def test_the_best_are_the_highest_and_of_equal_ones_the_first(values: list[int], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(values)))
    expected = sorted(range(len(values)), key=lambda place: (-values[place], place))[:k]
    assert best(np.array(values, dtype=np.float32), k).tolist() == expected


def test_scores_that_differ_only_by_rounding_noise_are_equal() -> None:
    assert best(np.array([1.000001, 1.000004, 0.5], dtype=np.float32), 1).tolist() == [0]
