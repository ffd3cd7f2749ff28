"""Sentence encoders as retrievers of their own kind: their vectors, what they find, and what is refused."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError

from annotation.errors import ServiceError
from modelhub.models import RetrievedPersona, Run
from modelhub.retrieval.checkpoint import find_checkpoint
from modelhub.retrieval.lengths import ReadLengths
from modelhub.retrieval.sentences import SentenceEncoder
from tests.modelhub.retrieval.test_retrieve_personas import TESTS, call, pairs, retrieve
from tests.tools.tinycolbert import SENTENCE_TOKENS, prompts

__all__ = ["pairs"]

TEXTS = ["How do I bake?", "How do I repair old maps at night with two children?"]


def encoder(folder: Path, **wanted: int) -> SentenceEncoder:
    files = find_checkpoint(str(folder))
    return SentenceEncoder(files, ReadLengths(files, **wanted))


def changed(folder: Path, copy: Path, name: str, content: Any) -> Path:
    """Return a copy of the encoder with other content in one of its JSON files."""
    shutil.copytree(folder, copy)
    (copy / name).write_text(json.dumps(content), encoding="utf-8")
    return copy


def states(folder: Path, text: str, most: int = SENTENCE_TOKENS) -> Any:
    """Return the encoder's states of a text alone, without padding, shape (tokens, hidden)."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    ids = AutoTokenizer.from_pretrained(folder)(text, truncation=True, max_length=most, return_tensors="pt")
    with torch.no_grad():
        return AutoModel.from_pretrained(folder).eval()(**ids).last_hidden_state[0].numpy()


def test_a_text_is_the_mean_of_its_tokens_at_length_one_whatever_else_is_in_its_batch(
    tiny_sentence_encoder: Path,
) -> None:
    queries = encoder(tiny_sentence_encoder).queries(TEXTS).numpy()
    documents, lengths = encoder(tiny_sentence_encoder).documents(TEXTS)

    assert queries.shape == (2, 1, 64) and lengths == [1, 1]
    np.testing.assert_array_equal(queries[:, 0], documents.numpy())
    for text, vector in zip(TEXTS, queries[:, 0], strict=True):
        mean = states(tiny_sentence_encoder, text).mean(axis=0)
        np.testing.assert_allclose(vector, mean / np.linalg.norm(mean), atol=1e-5)


def test_an_encoder_that_pools_by_its_first_token_is_read_so(tiny_sentence_encoder: Path, tmp_path: Path) -> None:
    first = changed(
        tiny_sentence_encoder, tmp_path / "first", "1_Pooling/config.json", {"pooling_mode_cls_token": True}
    )
    expected = states(first, TEXTS[0])[0]

    np.testing.assert_allclose(
        encoder(first).queries(TEXTS[:1]).numpy()[0, 0], expected / np.linalg.norm(expected), atol=1e-5
    )


def test_as_much_is_read_of_a_text_as_the_folder_says_or_is_asked_for(tiny_sentence_encoder: Path) -> None:
    lengths = ReadLengths(find_checkpoint(str(tiny_sentence_encoder)))
    words = ["home"] * (SENTENCE_TOKENS - 2)  # its beginning and its end are two more
    long = " ".join([*words, "home maps"])

    assert (lengths.query, lengths.document, lengths.changed) == (SENTENCE_TOKENS, SENTENCE_TOKENS, {})
    assert lengths.cut_queries([" ".join(words), long]) == 1
    short, whole = encoder(tiny_sentence_encoder), encoder(tiny_sentence_encoder, wanted_query=40)
    assert short.queries([long]).equal(short.queries([long + " maps"]))
    assert not whole.queries([long]).equal(whole.queries([long + " maps"]))


@pytest.mark.django_db(transaction=True)
def test_rows_are_found_by_cosine_and_say_that_a_sentence_encoder_found_them(
    pairs: None, tiny_sentence_encoder: Path
) -> None:
    printed = retrieve(tiny_sentence_encoder)

    run = Run.objects.get(stage="retrieve_personas")
    stored = RetrievedPersona.objects.select_related("pair", "source").order_by("pair__row")
    rows = {row.pair.row: row for row in stored}
    vectors, _ = encoder(tiny_sentence_encoder).documents(prompts(60))
    assert len(rows) == TESTS and "searched exactly" in printed
    for row in rows.values():
        cosines = (vectors @ encoder(tiny_sentence_encoder).queries([row.pair.prompt])[0, 0]).numpy()
        assert row.source.prompt == prompts(60)[int(cosines.argmax())]
        assert row.score == pytest.approx(float(cosines.max()), abs=2e-4)
        assert row.retriever == f"sentence-encoder:{run.arguments['checkpoint_sha256'][:12]}"


@pytest.mark.django_db(transaction=True)
def test_an_index_of_colberts_vectors_is_refused_before_anything_is_encoded(
    pairs: None, tiny_sentence_encoder: Path
) -> None:
    with pytest.raises(CommandError, match="is a sentence encoder, with one vector a text"):
        call("index_personas", tiny_sentence_encoder, "--index")
    assert not Run.objects.filter(stage="index_personas").exists()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("modules.json", [{"type": "sentence_transformers.models.Dense"}], "its module Dense is not known"),
        ("1_Pooling/config.json", {"pooling_mode_max_tokens": True}, "its pooling is neither"),
        ("1_Pooling/config.json", {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True}, "its pooling is"),
        ("config_sentence_transformers.json", {"prompts": {"query": "query: "}}, "puts texts of its own before"),
        ("config.json", {"model_type": "bert", "auto_map": {"AutoModel": "own.Model"}}, "brings its own program code"),
    ],
)
def test_an_encoder_that_would_be_read_otherwise_than_it_was_meant_is_refused(
    tiny_sentence_encoder: Path, tmp_path: Path, name: str, content: Any, said: str
) -> None:
    folder = changed(tiny_sentence_encoder, tmp_path / "copy", name, content)
    with pytest.raises(ServiceError, match=rf"no sentence encoder that can be used: .*{said}"):
        find_checkpoint(str(folder))


def test_an_encoder_with_a_weight_missing_is_refused_with_its_name(tiny_sentence_encoder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "copy"
    shutil.copytree(tiny_sentence_encoder, folder)
    weights = load_file(folder / "model.safetensors")
    del weights["encoder.layer.1.output.dense.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})

    with pytest.raises(ServiceError, match=r"1 missing from its files \(encoder\.layer\.1\.output\.dense\.weight\)"):
        encoder(folder)
