"""What a recipe hands on to TRL, PEFT and bitsandbytes: checked by their classes, used, kept with the result."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from annotation.errors import ServiceError
from modelhub.training.config import load_recipe
from modelhub.training.dpo import make_dpo_trainer, train_dpo
from modelhub.training.job import FolderState, folder_state
from modelhub.training.manifest import read_manifest
from modelhub.training.passing import check_passed, check_trackers
from modelhub.training.sft import make_sft_trainer, train_sft
from modelhub.training.trainer import prepare
from tests.modelhub.training.making import make_job, recipe


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("trl_sft.optimm=adamw_torch", "trl_sft.optimm: is not known there; is it optim?"),
        ("trl_sft.optim=adamm", "trl_sft: .*adamm"),
        ("trl_sft.learning_rate=0.1", "trl_sft.learning_rate: is said by sft.learning_rate"),
        ("trl_sft.seed=3", "trl_sft.seed: is said by --seed"),
        ("trl_sft.max_steps=3", "trl_sft.max_steps: is not for a recipe to say"),
        ("trl_sft.push_to_hub=true", "trl_sft.push_to_hub: is not for a recipe to say"),
        ("trl_sft.use_liger_kernel=true", "trl_sft.use_liger_kernel: needs the package liger-kernel"),
        ("trl_sft.deepspeed=zero.json", "trl_sft.deepspeed: needs the package deepspeed"),
        ("peft.r=3", "peft.r: is said by lora.r"),
        ("peft.use_doora=true", "peft.use_doora: is not known there; is it use_dora?"),
        ("peft.layers_pattern=h", "peft: .*layers_pattern.*cannot be used"),
        ("model.dtype=float16", "model.dtype: is said by precision"),
        ("model.device_map=auto", "model.device_map: is not for a recipe to say"),
        ("quantization.load_in_5bit=true", "quantization.load_in_5bit: is not known there; is it load_in_[48]bit?"),
        ("quantization.bnb_4bit_quant_type=nf4", "quantization: says neither load_in_4bit"),
    ],
)
def test_what_a_library_would_refuse_is_refused_before_anything_is_loaded(setting: str, said: str) -> None:
    with pytest.raises(ServiceError, match=re.compile(f"- {said}", re.DOTALL)):
        check_passed(recipe(setting), "sft")


def test_all_that_is_wrong_is_named_at_once_and_the_other_training_is_left_alone() -> None:
    wrong = recipe("trl_sft.nothing=1", "peft.nobody=1", "trl_dpo.nowhere=1")
    with pytest.raises(ServiceError) as caught:
        check_passed(wrong, "sft")
    assert str(caught.value).count("\n- ") == 2 and "nowhere" not in str(caught.value)
    with pytest.raises(ServiceError, match=r"trl_dpo\.nowhere"):
        check_passed(wrong, "dpo")


def test_a_quantized_base_is_refused_without_a_gpu_before_anything_is_written(
    tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("modelhub.training.passing.on_gpu", lambda: False)
    job = make_job("sft", tiny_llama, tmp_path / "out", "quantization.load_in_4bit=true")
    with pytest.raises(ServiceError, match="trained on a GPU with CUDA, and there is none here"):
        train_sft(job)
    assert not job.out.exists()


def test_the_libraries_are_given_what_the_recipe_passes_on(tiny_llama: Path, sft_folder: Path, tmp_path: Path) -> None:
    passed = ("trl_sft.neftune_noise_alpha=5", "trl_sft.optim=adafactor", "peft.use_rslora=true",
              "model.attn_implementation=eager", "sft.scheduler=cosine_with_restarts")  # fmt: skip
    job = make_job("sft", tiny_llama, tmp_path / "sft", *passed)
    trainer = make_sft_trainer(job, prepare(job))
    assert (trainer.args.neftune_noise_alpha, str(trainer.args.optim.value)) == (5, "adafactor")
    model: Any = trainer.model
    assert model.peft_config["default"].use_rslora and model.config._attn_implementation == "eager"

    dpo = make_job("dpo", tiny_llama, tmp_path / "dpo", 'trl_dpo.loss_type=["ipo"]', "trl_dpo.label_smoothing=0.0",
                   sft=sft_folder)  # fmt: skip
    assert make_dpo_trainer(dpo, prepare(dpo)).args.loss_type == ["ipo"]


def test_what_is_passed_on_is_kept_with_the_result_and_makes_another_training(
    tiny_llama: Path, sft_folder: Path, tmp_path: Path
) -> None:
    job = make_job("dpo", tiny_llama, tmp_path / "dpo", "trl_dpo.loss_type=['hinge']", "dpo.epochs=1", sft=sft_folder)
    train_dpo(job)
    assert read_manifest(job.out)["recipe"]["trl_dpo"] == {"loss_type": ["hinge"]}
    with pytest.raises(ServiceError, match="belongs to another training"):
        folder_state(make_job("dpo", tiny_llama, tmp_path / "dpo", "dpo.epochs=1", sft=sft_folder))


def test_a_recipe_that_passes_nothing_on_is_described_as_it_was_before_it_could(sft_folder: Path) -> None:
    assert set(read_manifest(sft_folder)["recipe"]) == {"lora", "sft"}
    assert load_recipe().effective("dpo").keys() == {"lora", "dpo"}


def test_an_unknown_tracker_and_one_that_is_not_installed_are_refused(
    tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ServiceError, match="--report-to tensorbord: is not known. Known: .*trackio"):
        check_trackers(["tensorbord"])
    monkeypatch.setattr("transformers.integrations.integration_utils.is_wandb_available", lambda: False)
    with pytest.raises(ServiceError, match="--report-to wandb: needs its package here: pip install wandb"):
        prepare(make_job("sft", tiny_llama, tmp_path / "out", report_to=("wandb",)))


def test_the_curves_that_tensorboard_reads_stay_beside_the_adapter(tiny_llama: Path, tmp_path: Path) -> None:
    job = make_job("sft", tiny_llama, tmp_path / "out", "sft.epochs=1", report_to=("tensorboard",))
    train_sft(job)
    assert list((job.out / "curves").glob("events.out.tfevents.*"))
    assert folder_state(job) == FolderState.FINISHED
    assert not json.loads((job.out / "training-job.json").read_text()).get("curves")
