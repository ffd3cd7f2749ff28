"""Folders that several processes make at once: one of them is kept, whole, and nobody's work is pulled away."""

import os
import socket
import stat
from pathlib import Path

import numpy as np
import pytest

from annotation.errors import ServiceError
from modelhub.retrieval import collection as module
from modelhub.retrieval import store
from modelhub.retrieval.collection import Collection, embeddings_of
from modelhub.retrieval.splits import PromptRow


def made(folder: Path, text: str) -> Path:
    path = store.begin(folder)
    (path / "content").write_text(text, encoding="utf-8")
    return path


def test_what_a_killed_process_has_left_is_removed_and_what_a_living_one_makes_is_not(tmp_path: Path) -> None:
    ours = store.begin(tmp_path / "index")
    dead = ours.rename(ours.with_name(ours.name.replace(str(os.getpid()), "99999999", 1)))
    alive = store.begin(tmp_path / "index")
    again = store.begin(tmp_path / "index")
    assert not dead.exists()
    assert alive.is_dir()
    assert again.is_dir()


def test_what_another_machine_makes_in_a_shared_folder_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(socket, "gethostname", lambda: "worker-2")
        other = store.begin(tmp_path / "index")
        theirs = other.rename(other.with_name(other.name.replace(f"-{os.getpid()}-", "-99999999-")))
    for name in ("worker", "worker-1"):
        monkeypatch.setattr(socket, "gethostname", lambda name=name: name)
        store.begin(tmp_path / "index")
    assert theirs.is_dir()


def test_of_two_that_make_the_same_at_once_the_first_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    first, second = made(folder, "first"), made(folder, "second")
    store.publish(first, folder, {"of": 1})
    store.publish(second, folder, {"of": 1})
    assert (folder / "content").read_text(encoding="utf-8") == "first"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".publishing", "index"]


def test_of_two_that_replace_an_older_one_at_once_the_first_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    store.publish(made(folder, "old"), folder, {"of": 0})
    first, second = made(folder, "first"), made(folder, "second")
    store.publish(first, folder, {"of": 1})
    store.publish(second, folder, {"of": 1})
    assert (folder / "content").read_text(encoding="utf-8") == "first"
    assert store.holds(folder, {"of": 1})
    assert sorted(path.name for path in tmp_path.iterdir()) == [".publishing", "index"]


def test_what_is_published_has_the_usual_permissions(tmp_path: Path) -> None:
    (tmp_path / "usual").mkdir()
    store.publish(made(tmp_path / "index", "text"), tmp_path / "index", {})
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("usual", "index")]
    assert modes[0] == modes[1]


class FixedEncoder:
    """Gives every text one token, and lets something happen meanwhile."""

    def documents(self, texts: list[str]) -> tuple[object, list[int]]:
        import torch

        return torch.ones((len(texts), 2)), [1] * len(texts)


def test_embeddings_that_another_run_replaces_while_they_are_read_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = Collection.of([PromptRow("t", 1, "a", "one"), PromptRow("t", 2, "b", "two")])
    other = Collection.of([PromptRow("t", 3, "c", "three")])
    folder, load, original = tmp_path / "embeddings", FixedEncoder, np.load
    embeddings_of(folder, mine, "checkpoint", load)  # type: ignore[arg-type]

    def replaced(path: Path) -> object:
        lengths = original(path)
        with monkeypatch.context() as undisturbed:
            undisturbed.setattr(module.np, "load", original)
            embeddings_of(folder, other, "checkpoint", load)  # type: ignore[arg-type]
        return lengths

    monkeypatch.setattr(module.np, "load", replaced)
    with pytest.raises(ServiceError, match=r"made anew by another run|reshape"):
        embeddings_of(folder, mine, "checkpoint", load)  # type: ignore[arg-type]
