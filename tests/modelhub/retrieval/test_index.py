"""The index of colbert-ai over a real checkpoint: what it finds, and that half of one never passes for a whole."""

import fcntl
import os
from pathlib import Path
from typing import Any

import pytest

from annotation.errors import ServiceError
from modelhub.retrieval import plaid, store
from modelhub.retrieval.checkpoint import CheckpointFiles, find_checkpoint
from modelhub.retrieval.colbert import Encoder, cure, silent_descriptors
from modelhub.retrieval.collection import Collection, Embeddings, embeddings_of, manifest_for
from modelhub.retrieval.extensions import compiled
from modelhub.retrieval.search import Nearest
from modelhub.retrieval.splits import PromptRow
from tests.tools.tinycolbert import make_colbert, prompts

pytestmark = pytest.mark.slow  # colbert-ai compiles its extension first
PROMPTS = 300


class Prepared:
    """A collection of 300 prompts, encoded."""

    def __init__(self, checkpoint: Path, folder: Path) -> None:
        self.files: CheckpointFiles = find_checkpoint(str(checkpoint))
        self.encoder = Encoder(self.files)
        self.texts = prompts(PROMPTS)
        self.collection = Collection.of([PromptRow("t", n, f"{n:04d}", text) for n, text in enumerate(self.texts)])
        self.embeddings: Embeddings = embeddings_of(
            folder / "embeddings", self.collection, self.files.digest, lambda: self.encoder
        )
        self.manifest = manifest_for(self.collection, self.files.digest)
        self.folder = folder / "index"

    def make(self, **changes: Any) -> bool:
        return plaid.make_index(self.folder, self.embeddings, self.files, {**self.manifest, **changes})


@pytest.fixture
def prepared(tiny_colbert: Path, compiled_extensions: Path, tmp_path: Path) -> Prepared:
    return Prepared(tiny_colbert, tmp_path)


def test_the_index_finds_what_exact_search_finds_with_the_same_scores(prepared: Prepared) -> None:
    prepared.make()
    index = plaid.Index(prepared.folder, prepared.files, PROMPTS)
    queries, keys = prepared.encoder.queries(prepared.texts[:40]), [f"{number:04d}" for number in range(40)]
    through = Nearest(prepared.collection, prepared.embeddings, index)
    found = through.search(queries, keys, 2, measured=[True] * 40)
    exact = Nearest(prepared.collection, prepared.embeddings).search(queries, keys, 2)
    for one, other in zip(found, exact, strict=True):
        assert [row.score for row in one] == pytest.approx([row.score for row in other], abs=2e-4)
    assert (through.recall.queries, through.recall.found) == (40, 40)
    # No query found the row of its own key.
    assert not [number for number, rows in enumerate(found) if number in {row.row for row in rows}]


def test_as_many_candidates_come_as_are_asked_for(prepared: Prepared) -> None:
    prepared.make()
    index = plaid.Index(prepared.folder, prepared.files, PROMPTS)
    query = prepared.encoder.queries(prepared.texts[:1])[0]
    assert [len(set(index.candidates(query, count))) for count in (5, 200, 280)] == [5, 200, 280]


def test_the_rows_found_through_the_index_are_in_order_of_exact_scores_whatever_its_own_order(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared.make()
    index = plaid.Index(prepared.folder, prepared.files, PROMPTS)
    queries = prepared.encoder.queries(prepared.texts[:5])
    monkeypatch.setattr(index, "candidates", lambda query, count: list(range(PROMPTS))[::-1])
    found = Nearest(prepared.collection, prepared.embeddings, index).search(queries, [""] * 5, 4)
    assert found == Nearest(prepared.collection, prepared.embeddings).search(queries, [""] * 5, 4)
    assert [rows[0].row for rows in found] == list(range(5))


def test_checkpoint_and_index_are_made_and_searched_wherever_git_has_no_branch(
    tmp_path: Path, compiled_extensions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import git

    def no_branch(*args: Any, **options: Any) -> None:
        raise TypeError("HEAD is a detached symbolic reference")

    cure()
    monkeypatch.setattr(git, "Repo", no_branch)
    make_colbert(tmp_path / "checkpoint")
    prepared = Prepared(tmp_path / "checkpoint", tmp_path)
    prepared.make()
    index = plaid.Index(prepared.folder, prepared.files, PROMPTS)
    assert 3 in index.candidates(prepared.encoder.queries(prepared.collection.prompts[3:4])[0], 20)


def test_nothing_is_printed_while_an_index_is_made_or_searched(
    prepared: Prepared, capfd: pytest.CaptureFixture[str]
) -> None:
    capfd.readouterr()
    prepared.make()
    index = plaid.Index(prepared.folder, prepared.files, PROMPTS)
    index.candidates(prepared.encoder.queries(prepared.texts[:1])[0], 20)
    assert tuple(capfd.readouterr()) == ("", "")
    os.write(1, b"out\n")
    os.write(2, b"err\n")
    assert tuple(capfd.readouterr()) == ("out\n", "err\n")


def test_what_was_printed_before_an_error_is_seen(prepared: Prepared, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="broken"), silent_descriptors():
        os.write(1, b"clustering\n")
        os.write(2, b"no space left\n")
        raise ValueError("broken")
    assert tuple(capfd.readouterr()) == ("", "clustering\nno space left\n")
    with pytest.raises(KeyboardInterrupt), silent_descriptors():
        os.write(2, b"half way\n")
        raise KeyboardInterrupt
    assert tuple(capfd.readouterr()) == ("", "")


def test_fewer_candidates_than_wanted_are_made_up_for_by_exact_search(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared.make()
    index = plaid.Index(prepared.folder, prepared.files, PROMPTS)
    monkeypatch.setattr(index, "candidates", lambda query, count: [0])
    nearest = Nearest(prepared.collection, prepared.embeddings, index)
    found = nearest.search(prepared.encoder.queries(prepared.texts[7:8]), [""], 3)
    assert (found[0][0].row, len(found[0]), nearest.short) == (7, 3, 1)


def test_candidates_that_miss_the_best_lower_the_recall(prepared: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared.make()
    index = plaid.Index(prepared.folder, prepared.files, PROMPTS)
    monkeypatch.setattr(index, "candidates", lambda query, count: [0, 1, 2])
    nearest = Nearest(prepared.collection, prepared.embeddings, index)
    nearest.search(prepared.encoder.queries(prepared.texts[100:104]), [""] * 4, 1, measured=[True, True, True, False])
    assert (nearest.recall.queries, nearest.recall.found) == (3, 0)


def test_an_index_interrupted_in_the_making_is_not_there_and_is_made_by_the_next_call(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    from colbert.indexing.collection_indexer import CollectionIndexer

    def interrupted(self: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(CollectionIndexer, "finalize", interrupted)
        with pytest.raises(KeyboardInterrupt):
            prepared.make()
    assert not prepared.folder.exists()
    assert prepared.make()
    assert store.holds(prepared.folder, prepared.manifest)


def test_a_whole_index_is_kept_and_one_of_other_rows_is_made_anew(prepared: Prepared) -> None:
    assert prepared.make()
    assert not prepared.make()
    said: list[str] = []
    changed = {**prepared.manifest, "collection": "other"}
    assert plaid.make_index(prepared.folder, prepared.embeddings, prepared.files, changed, say=said.append)
    assert said[0] == "The rows to be searched have changed since they were indexed: making the index anew."


def test_without_a_compiler_an_index_is_refused_and_the_way_round_it_is_named(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(ServiceError, match="not on the path here: no-such-compiler .*--exact"):
        prepared.make()


def test_no_other_process_waits_for_the_compiler_while_an_index_is_made(
    prepared: Prepared, compiled_extensions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from colbert.indexing.collection_indexer import CollectionIndexer

    original, free = CollectionIndexer.train, []

    def train(self: Any, shared: Any) -> None:
        with (compiled_extensions / ".compiling").open("w") as theirs:
            fcntl.flock(theirs, fcntl.LOCK_EX | fcntl.LOCK_NB)
        free.append(True)
        original(self, shared)

    monkeypatch.setattr(CollectionIndexer, "train", train)
    prepared.make()
    assert free == [True]


def test_a_lock_that_a_killed_compilation_has_left_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path))
    lock = tmp_path / "some_extension" / "lock"
    lock.parent.mkdir()
    lock.touch()
    with compiled():
        assert not lock.exists()


def test_with_a_gpu_and_without_nvcc_an_index_is_refused_and_the_ways_round_it_are_named(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch
    from torch.utils import cpp_extension

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(cpp_extension, "CUDA_HOME", None)
    with pytest.raises(ServiceError, match="needs nvcc.* CUDA_HOME .*CUDA_VISIBLE_DEVICES= .*--exact"):
        prepared.make()
