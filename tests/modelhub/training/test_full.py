"""Training all weights of a tiny model: SFT, the DPO that goes on from it, and what their folders are good for."""

import json
import math
import shutil
from collections.abc import Iterator
from contextlib import closing
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from annotation.errors import ServiceError
from modelhub.engines.base import EngineError, EngineSettings
from modelhub.engines.digests import JOB, MANIFEST, model_digest
from modelhub.engines.transformers import engine as transformers_engine
from modelhub.models import System
from modelhub.pipeline_results.training_summary import training_summary
from modelhub.systems.registering import engine_settings, present_fingerprint
from modelhub.training.dpo import make_dpo_trainer, train_dpo
from modelhub.training.manifest import read_manifest
from modelhub.training.merge import merge_adapter
from modelhub.training.sft import train_sft
from modelhub.training.trainer import EVALUATION, TRAIN, LogEntry, Watch, prepare
from tests.modelhub.engines.asking import answers, requests
from tests.modelhub.engines.live_asking import ask
from tests.modelhub.engines.spoiling import spoiled, without
from tests.modelhub.training.making import examples, load, make_job, margins, same_weights, weights
from tests.modelhub.training.stored import store_pairs, train

FULL = ("lora.enabled=false", "sft.learning_rate=2e-3", "dpo.learning_rate=1e-4")


@pytest.fixture(scope="module")
def full_sft(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model of a finished SFT training of all weights."""
    out = tmp_path_factory.mktemp("full") / "sft"
    train_sft(make_job("sft", tiny_llama, out, *FULL))
    return out


@pytest.fixture(scope="module")
def full_log() -> list[LogEntry]:
    """What the training of `full_dpo` logged."""
    return []


@pytest.fixture(scope="module")
def full_dpo(tiny_llama: Path, full_sft: Path, full_log: list[LogEntry]) -> Path:
    """The model of a finished DPO training that went on from `full_sft`."""
    out = full_sft.parent / "dpo"
    train_dpo(make_job("dpo", tiny_llama, out, *FULL, sft=full_sft), Watch(logged=full_log.append))
    return out


def test_all_weights_are_trained_and_written_as_one_model_with_its_tokenizer(tiny_llama: Path, full_sft: Path) -> None:
    before, after = weights(tiny_llama), weights(full_sft)
    assert {name: one.shape for name, one in before.items()} == {name: one.shape for name, one in after.items()}
    assert all(bool((one != after[name]).any()) for name, one in before.items())
    names = {path.name for path in full_sft.iterdir()}
    assert {"config.json", "tokenizer.json", JOB, MANIFEST} <= names
    assert not names & {"adapter_config.json", "checkpoints", "training_args.bin"}


def test_the_manifest_has_the_digests_of_the_base_and_of_what_was_written(tiny_llama: Path, full_sft: Path) -> None:
    manifest = read_manifest(full_sft)
    assert manifest["base"]["digest"] == model_digest(str(tiny_llama))
    assert manifest["model_digest"] == model_digest(str(full_sft))
    assert "adapter_digest" not in manifest
    assert manifest["recipe"]["lora"] == {"enabled": False}


def test_the_page_of_the_run_says_that_there_is_no_adapter(full_sft: Path) -> None:
    told = training_summary({"recipe": read_manifest(full_sft)["recipe"]}, None)
    assert ("Trained", "all weights, without an adapter") in told


def test_sft_of_all_weights_learns_to_answer_as_the_examples_do(tiny_llama: Path, full_sft: Path) -> None:
    assert sum(margins(*load(full_sft), examples(12, 16))) > sum(margins(*load(tiny_llama), examples(12, 16))) + 10


def test_dpo_starts_at_log_2_and_its_margins_are_those_over_the_sft_model(
    full_sft: Path, full_dpo: Path, full_log: list[LogEntry]
) -> None:
    first = next(entry for entry in full_log if entry.kind == TRAIN)
    assert first.values["loss"] == pytest.approx(math.log(2), abs=1e-6)
    before, after = margins(*load(full_sft), examples(12, 16)), margins(*load(full_dpo), examples(12, 16))
    growth = sum(late - early for early, late in zip(before, after, strict=True)) / len(before)
    reported = [entry.values["eval_rewards/margins"] for entry in full_log if entry.kind == EVALUATION]
    assert growth > 0 and reported[-1] == pytest.approx(0.1 * growth, rel=1e-3)


def test_the_reference_is_a_frozen_copy_of_the_sft_model(tiny_llama: Path, full_sft: Path, tmp_path: Path) -> None:
    job = make_job("dpo", tiny_llama, tmp_path / "out", *FULL, "dpo.epochs=1", sft=full_sft)
    trainer = make_dpo_trainer(job, prepare(job))
    trainer.train()
    saved = weights(full_sft)
    reference, policy = (dict(model.named_parameters()) for model in (trainer.ref_model, trainer.model))
    assert all(bool((reference[name] == one).all()) for name, one in saved.items())
    assert all(bool((policy[name] != one).any()) for name, one in saved.items())
    assert read_manifest(full_sft)["model_digest"] == model_digest(str(full_sft))


def test_the_manifest_of_dpo_names_the_sft_model_and_the_same_base(full_sft: Path, full_dpo: Path) -> None:
    manifest = read_manifest(full_dpo)
    assert manifest["parent"]["digest"] == model_digest(str(full_sft))
    assert manifest["base"] == read_manifest(full_sft)["base"]
    assert manifest["model_digest"] == model_digest(str(full_dpo))


def test_a_base_in_half_precision_is_trained_and_written_in_float32_with_its_cache(
    tiny_llama: Path, tmp_path: Path
) -> None:
    import torch

    half = load(tiny_llama)[0].to(torch.bfloat16)
    shutil.copytree(tiny_llama, tmp_path / "half")
    half.save_pretrained(tmp_path / "half")
    settings = ("sft.precision=bfloat16", "sft.gradient_checkpointing=true", "sft.epochs=1", "sft.learning_rate=1e-6")
    train_sft(make_job("sft", tmp_path / "half", tmp_path / "out", *FULL, *settings))
    before, after = weights(tmp_path / "half"), weights(tmp_path / "out")
    assert {one.dtype for one in after.values()} == {torch.float32}
    # Steps as small as these would have been lost in bfloat16.
    assert any(bool((one.float() != after[name]).any()) for name, one in before.items())
    assert all(bool((one == after[name].to(torch.bfloat16)).float().mean() > 0.9) for name, one in before.items())
    config = json.loads((tmp_path / "out" / "config.json").read_text("utf-8"))
    assert (config["dtype"], config["use_cache"]) == ("float32", True)


@pytest.mark.parametrize(
    "settings",
    [
        ("peft.use_dora=true",),
        ("quantization.load_in_4bit=true",),
        ("quantization.load_in_8bit=true", "peft.use_rslora=true"),
    ],
)
def test_what_needs_an_adapter_is_refused_without_one(tiny_llama: Path, settings: tuple[str, ...]) -> None:
    with pytest.raises(ServiceError) as caught:
        make_job("sft", tiny_llama, Path("unused"), "lora.enabled=false", *settings)
    assert "- lora.enabled = false trains all weights of the base, so leave out section" in str(caught.value)
    for section in {one.partition(".")[0] for one in settings}:
        assert f"section {section}: " in str(caught.value)


def test_a_model_that_is_not_what_was_trained_is_neither_trained_on_nor_asked(
    tiny_llama: Path, full_sft: Path, tmp_path: Path
) -> None:
    half = spoiled(full_sft, tmp_path / "half", without("layers.1"))
    with pytest.raises(ServiceError, match="half is not the model that was trained there: its files differ"):
        train_dpo(make_job("dpo", tiny_llama, tmp_path / "out", *FULL, sft=half))
    with pytest.raises(EngineError, match="half is not the model that was trained there: its files differ"):
        transformers_engine.check(EngineSettings(model=str(half)))
    (half / MANIFEST).unlink()
    with pytest.raises(EngineError, match="training of .*half has begun and is not finished"):
        transformers_engine.check(EngineSettings(model=str(half)))
    (half / JOB).unlink()
    with pytest.raises(EngineError, match="half does not load whole .* 9 missing from its files"):
        transformers_engine.create(EngineSettings(model=str(half)))


def test_there_is_nothing_to_merge_in_a_whole_model(full_dpo: Path, tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="holds a whole model.*there is nothing to merge"):
        merge_adapter(full_dpo, tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What accelerate tells of a launch that keeps weights in pieces."""
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    monkeypatch.setenv("FSDP_STATE_DICT_TYPE", "SHARDED_STATE_DICT")
    yield


def test_a_launch_that_would_leave_the_model_in_pieces_is_refused(
    tiny_llama: Path, tmp_path: Path, launched: None
) -> None:
    with pytest.raises(ServiceError, match="Set fsdp_state_dict_type to FULL_STATE_DICT"):
        train_sft(make_job("sft", tiny_llama, tmp_path / "out", *FULL))
    assert not (tmp_path / "out").exists()


def said(command: str, **options: Any) -> str:
    out = StringIO()
    train(command, stdout=out, set=list(FULL), **options)
    return out.getvalue()


@pytest.mark.django_db
def test_commands_train_register_and_answer_with_a_whole_model(tiny_llama: Path, tmp_path: Path) -> None:
    store_pairs()
    said("train_sft", base=str(tiny_llama), out=str(tmp_path / "sft"))
    said("train_dpo", sft=str(tmp_path / "sft"), out=str(tmp_path / "dpo"), register="PT_full")
    system = System.objects.get(name="PT_full")
    assert (system.model, system.adapter, system.persona_style) == (str(tmp_path / "dpo"), "", "field")
    engine = transformers_engine.create(engine_settings(system))
    told = answers(engine, requests(4))
    assert all(one.text for one in told)
    with closing(transformers_engine.live(engine_settings(system))) as live:
        assert [one.text for one in ask(live, requests(4))] == [one.text for one in told]


@pytest.mark.django_db
def test_a_whole_model_is_registered_by_its_folder_and_known_by_its_files(full_dpo: Path, tmp_path: Path) -> None:
    folder = tmp_path / "dpo"
    shutil.copytree(full_dpo, folder)
    call_command("register_system", "whole", engine="transformers", model=str(folder), stdout=StringIO())
    system = System.objects.get(name="whole")
    assert present_fingerprint(system) == system.fingerprint
    spoiled(full_dpo, tmp_path / "other", without("layers.1"))
    shutil.copy(tmp_path / "other" / "model.safetensors", folder)
    assert present_fingerprint(system) != system.fingerprint
    with pytest.raises(CommandError, match="is not the model that was trained there"):
        call_command("register_system", "again", engine="transformers", model=str(folder), stdout=StringIO())


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("sft", "dpo", "message"),
    [
        ((), ("lora.enabled=false",), "Leave lora.enabled out, or train that model with lora.enabled=false too"),
        (FULL, ("lora.r=4",), "all of whose weights were trained: it has no adapter. Leave the lora settings out"),
        (FULL, ("quantization.load_in_4bit=true",), "section quantization: weights of 4 or 8 bits cannot be"),
        (FULL, ("peft.use_dora=true",), "section peft: there is no adapter"),
    ],
)
def test_dpo_goes_on_as_its_sft_model_was_trained_or_not_at_all(
    tiny_llama: Path, tmp_path: Path, sft: tuple[str, ...], dpo: tuple[str, ...], message: str
) -> None:
    store_pairs()
    quick = ["sft.epochs=1", *sft]
    train("train_sft", base=str(tiny_llama), out=str(tmp_path / "sft"), set=quick, stdout=StringIO())
    with pytest.raises(CommandError, match=message):
        train("train_dpo", sft=str(tmp_path / "sft"), out=str(tmp_path / "dpo"), set=list(dpo), stdout=StringIO())
    assert not (tmp_path / "dpo").exists()


def test_two_trainings_of_all_weights_make_the_same_model(tiny_llama: Path, full_sft: Path, tmp_path: Path) -> None:
    train_sft(make_job("sft", tiny_llama, tmp_path / "again", *FULL))
    assert same_weights(tmp_path / "again", full_sft)
