"""Checkpoints: what can be used is loaded with its own weights each time, and all else is refused with its reason."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from annotation.errors import ServiceError
from modelhub.retrieval.checkpoint import find_checkpoint
from modelhub.retrieval.colbert import Encoder, cure
from tests.modelhub.engines.spoiling import added, wider
from tests.modelhub.engines.spoiling import without as without_weights


@pytest.fixture
def copied(tiny_colbert: Path, tmp_path: Path) -> Path:
    """A copy of the checkpoint, to be damaged."""
    return Path(shutil.copytree(tiny_colbert, tmp_path / "copy"))


def without_projection(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    del weights["linear.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def with_config(**changes: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **changes}), encoding="utf-8")

    return change


def without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (without_projection, "no linear.weight, so that every load would make up another one"),
        (with_config(model_type="mystery"), "no model of the type 'mystery'"),
        (with_config(auto_map={"AutoModel": "code.Model"}), "its own program code"),
        (without("artifact.metadata"), "artifact.metadata is missing"),
        (without("config.json"), "config.json is missing"),
        (without("model.safetensors"), "there are no weights in it"),
    ],
)
def test_a_checkpoint_that_cannot_be_used_is_refused_with_its_reason(
    copied: Path, damage: Callable[[Path], None], reason: str
) -> None:
    damage(copied)
    with pytest.raises(ServiceError, match=reason):
        find_checkpoint(str(copied))


def test_all_that_is_wrong_with_a_checkpoint_is_said_at_once(copied: Path) -> None:
    without("artifact.metadata")(copied)
    without_projection(copied)
    with pytest.raises(ServiceError, match=r"artifact\.metadata.*; .*linear\.weight"):
        find_checkpoint(str(copied))


@pytest.mark.parametrize("name", ["/nowhere/at/all", "owner/unknown-checkpoint"])
def test_a_checkpoint_that_is_nowhere_is_an_error(name: str) -> None:
    with pytest.raises(ServiceError, match="There is no folder"):
        find_checkpoint(name)


def test_weights_that_do_not_fit_the_settings_are_an_error(copied: Path) -> None:
    path = copied / "artifact.metadata"
    path.write_text(path.read_text(encoding="utf-8").replace('"dim": 32', '"dim": 16'), encoding="utf-8")
    with pytest.raises(ServiceError, match="does not load"):
        Encoder(find_checkpoint(str(copied)))


def changed(folder: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    from safetensors.torch import load_file, save_file

    path = folder / "model.safetensors"
    save_file(change(dict(load_file(path))), path, metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            without_weights("encoder.layer.1."),
            r"16 missing from its files \(bert.encoder.layer.1.attention.*and 13 more",
        ),
        (wider("word_embeddings"), r"1 of another shape \(bert.embeddings.word_embeddings.weight\)"),
        (added("bert.encoder.layer.9.output.dense.bias", 3), r"1 in its files and unknown.*layer.9.output.dense.bias"),
        (wider("linear.weight"), r"1 of another shape \(linear.weight\)"),
    ],
)
def test_an_encoder_that_is_not_whole_is_refused_with_the_number_and_names_of_its_weights(
    copied: Path, change: Callable[[dict[str, Any]], dict[str, Any]], reason: str
) -> None:
    changed(copied, change)
    with pytest.raises(ServiceError, match=f"{copied} does not load whole: of its weights, {reason}"):
        Encoder(find_checkpoint(str(copied)))


def test_weights_that_retrieval_never_asks_are_neither_missed_nor_in_the_way(copied: Path, tiny_colbert: Path) -> None:
    whole = Encoder(find_checkpoint(str(tiny_colbert))).queries(["How do I bake?"])
    changed(copied, without_weights("pooler"))
    changed(copied, added("cls.predictions.bias", 3))
    changed(copied, added("bert.embeddings.position_ids", 1, 64))
    assert Encoder(find_checkpoint(str(copied))).queries(["How do I bake?"]).equal(whole)


def test_the_digest_is_that_of_the_content(copied: Path, tiny_colbert: Path) -> None:
    before = find_checkpoint(str(tiny_colbert))
    assert find_checkpoint(str(copied)).digest == before.digest
    assert before.retriever == f"colbert:{before.digest[:12]}"
    with_config(note="changed")(copied)
    assert find_checkpoint(str(copied)).digest != before.digest


def test_two_loads_encode_alike_and_shapes_are_as_documented(tiny_colbert: Path) -> None:
    files = find_checkpoint(str(tiny_colbert))
    one, two = Encoder(files), Encoder(files)
    assert one.queries(["How do I bake?", "Why?"]).equal(two.queries(["How do I bake?", "Why?"]))
    assert tuple(one.queries(["How do I bake?"]).shape) == (1, 32, 32)
    tokens, lengths = one.documents(["How do I bake?", "Why?"])
    assert tuple(tokens.shape) == (sum(lengths), 32)


def test_a_checkpoint_works_whatever_model_it_says_it_was_trained_from(copied: Path) -> None:
    path = copied / "artifact.metadata"
    settings = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**settings, "model_name": "owner/base-model"}), encoding="utf-8")
    Encoder(find_checkpoint(str(copied)))


def test_the_cure_is_applied_once_and_lets_no_other_model_in(tiny_colbert: Path) -> None:
    from colbert.modeling import base_colbert, hf_colbert

    cure()
    cured = hf_colbert.class_factory
    cure()
    assert hf_colbert.class_factory is cured is base_colbert.class_factory
    assert cured(str(tiny_colbert))._keys_to_ignore_on_load_unexpected == {"cls"}
    with pytest.raises(ServiceError, match="fell back to bert-base-uncased"):
        cured("bert-base-uncased")


def test_a_gpu_does_not_change_the_precision(tiny_colbert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from colbert.infra import ColBERTConfig

    files = find_checkpoint(str(tiny_colbert))
    without = Encoder(files).documents(["How do I bake?"])[0]
    # What colbert-ai decides by; here the tensors stay on the processor.
    monkeypatch.setattr(ColBERTConfig, "total_visible_gpus", 1)
    seen = Encoder(files)
    assert seen.documents(["How do I bake?"])[0].equal(without)
    assert str(seen._model.docFromText(["How do I bake?"]).dtype) == "torch.float32"


def test_encoding_needs_no_git(tiny_colbert: Path) -> None:
    code = (
        "import django; django.setup()\n"
        "from modelhub.retrieval.checkpoint import find_checkpoint\n"
        "from modelhub.retrieval.colbert import Encoder\n"
        f"print(Encoder(find_checkpoint({str(tiny_colbert)!r})).dim)"
    )
    own = {"PATH": "/nowhere", "DJANGO_SETTINGS_MODULE": "personaeval.settings"}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | own
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "32"), done.stderr
