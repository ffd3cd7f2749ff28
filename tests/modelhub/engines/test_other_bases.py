"""An adapter of another base is refused by the digest of its base's files, wherever it would be used."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from modelhub.engines import engine_module
from modelhub.engines.base import EngineError, EngineSettings
from modelhub.engines.digests import MANIFEST, model_digest
from modelhub.models import System
from tests.modelhub.engines.asking import load
from tests.modelhub.engines.spoiling import spoiled
from tests.tools.standin import BASE, StandIn, entry

NAMED = "is not the base that the adapter was trained on: its files differ"


@pytest.fixture
def adapter(tiny_llama: Path, tiny_adapters: dict[str, Path], tmp_path: Path) -> Path:
    """An adapter as training leaves it: beside it stands what it was trained on."""
    folder = Path(shutil.copytree(tiny_adapters["brief"], tmp_path / "adapter"))
    write_digest(folder, model_digest(str(tiny_llama)))
    return folder


@pytest.fixture
def other(tiny_llama: Path, tmp_path: Path) -> Path:
    """A base of the same kind and size, with one weight a little different."""

    def nudge(tensors: dict[str, Any]) -> dict[str, Any]:
        tensors["model.norm.weight"][0] += 0.1
        return tensors

    return spoiled(tiny_llama, tmp_path / "other", nudge)


def write_digest(folder: Path, digest: str) -> None:
    (folder / MANIFEST).write_text(json.dumps({"kind": "sft", "base": {"digest": digest}}), encoding="utf-8")


def register(model: Path | str, *more: str, engine: str = "transformers") -> None:
    call_command("register_system", "sys", "--engine", engine, "--model", str(model), *more)


@pytest.mark.django_db
@pytest.mark.parametrize("more", [(), ("--no-try",)], ids=["tried", "untried"])
def test_it_is_not_registered_on_another_base(
    tiny_llama: Path, adapter: Path, other: Path, more: tuple[str, ...]
) -> None:
    with pytest.raises(CommandError, match=NAMED):
        register(other, "--adapter", str(adapter), *more)
    assert not System.objects.exists()
    register(tiny_llama, "--adapter", str(adapter), *more)


@pytest.mark.parametrize("door", ["create", "live"])
def test_it_does_not_answer_on_another_base(tiny_llama: Path, adapter: Path, other: Path, door: str) -> None:
    with pytest.raises(EngineError, match=NAMED):
        getattr(engine_module("transformers"), door)(EngineSettings(str(other), str(adapter)))
    load("transformers", tiny_llama, adapter)


def test_vllm_is_not_given_it_on_another_base(tiny_llama: Path, adapter: Path, other: Path) -> None:
    from modelhub.exchange.answering import vllm_arguments

    with pytest.raises(EngineError, match=NAMED):
        vllm_arguments(EngineSettings(str(other), str(adapter)))
    vllm_arguments(EngineSettings(str(tiny_llama), str(adapter)))


@pytest.mark.django_db
def test_a_server_that_serves_it_on_another_base_is_found_out_where_the_folders_are_here(
    tiny_llama: Path, adapter: Path, other: Path
) -> None:
    with StandIn().started() as server:
        server.models = [entry("dpo", str(adapter), BASE), entry(BASE, str(other))]
        with pytest.raises(CommandError, match=NAMED):
            register(BASE, "--adapter", "dpo", "--endpoint", server.url, engine="openai")
        server.models = [entry("dpo", str(adapter), BASE), entry(BASE, str(tiny_llama))]
        register(BASE, "--adapter", "dpo", "--endpoint", server.url, engine="openai")


@pytest.mark.django_db
def test_a_name_on_the_hub_says_nothing_of_a_folder_and_that_is_said(
    tiny_llama: Path, adapter: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_digest(adapter, "hub:tiny/llama")
    register(tiny_llama, "--adapter", str(adapter))
    assert "a name on the Hub and the files of a folder cannot be compared" in capsys.readouterr().out
    with pytest.raises(CommandError, match=r"digest hub:tiny/other here, hub:tiny/llama in"):
        register("tiny/other", "--adapter", str(adapter))


def test_a_training_that_wrote_no_manifest_yet_is_known_by_its_job(adapter: Path, other: Path) -> None:
    (adapter / MANIFEST).unlink()
    (adapter / "training-job.json").write_text(json.dumps({"base_digest": "0" * 64}), encoding="utf-8")
    with pytest.raises(EngineError, match=NAMED):
        load("transformers", other, adapter)
