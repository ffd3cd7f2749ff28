"""DPO starts where its reference stands: nothing is random in its passes, and what routers add is told apart."""

import math
from pathlib import Path
from typing import Any

import pytest

from annotation.errors import ServiceError
from modelhub.training.dpo import make_dpo_trainer, train_dpo
from modelhub.training.job import TrainingJob, folder_state
from modelhub.training.sft import train_sft
from modelhub.training.trainer import TRAIN, LogEntry, Watch, prepare
from tests.modelhub.training.making import make_job

ONE_EPOCH = ("dpo.epochs=1", "sft.epochs=1")


def model_of(kind: str, tiny_llama: Path, folder: Path) -> Path:
    """Return a model of another architecture, with the tiny one's tokenizer and much dropout; nothing is learned."""
    import torch
    from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel, MixtralConfig, MixtralForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(tiny_llama)
    torch.manual_seed(0)
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    common: dict[str, Any] = {"vocab_size": len(tokenizer), "attention_dropout": 0.5, **ends}
    if kind == "gpt2":
        config = GPT2Config(n_embd=32, n_layer=2, n_head=2, embd_pdrop=0.5, attn_pdrop=0.5, resid_pdrop=0.5, **common)
        model: Any = GPT2LMHeadModel(config)
    else:
        model = MixtralForCausalLM(
            MixtralConfig(
                hidden_size=32, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=2,
                num_local_experts=4, router_aux_loss_coef=0.25, router_jitter_noise=0.3, output_router_logits=True,
                **common,
            )
        )  # fmt: skip
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def dpo_job(base: Path, folder: Path, *, module: str) -> TrainingJob:
    """Return a DPO job on an SFT adapter that was trained with dropout of its own."""
    how = (*ONE_EPOCH, f'lora.target_modules=["{module}"]', "lora.dropout=0.5")
    train_sft(make_job("sft", base, folder / "sft", *how))
    return make_job("dpo", base, folder / "dpo", *how, sft=folder / "sft")


@pytest.mark.parametrize("kind", ["gpt2", "mixtral"])
def test_an_architecture_with_dropout_of_any_kind_starts_at_log_2(tiny_llama: Path, tmp_path: Path, kind: str) -> None:
    base = model_of(kind, tiny_llama, tmp_path / "base")
    job = dpo_job(base, tmp_path, module="c_attn" if kind == "gpt2" else "q_proj")
    log: list[LogEntry] = []
    train_dpo(job, Watch(logged=log.append))
    first = next(entry for entry in log if entry.kind == TRAIN).values
    routers = 0.25 * (first["aux_loss"] or 0) if kind == "mixtral" else 0.0
    assert first["loss"] == pytest.approx(math.log(2) + routers, abs=1e-4)
    assert job.describe()["recipe"].get("router_aux_loss") == (0.25 if kind == "mixtral" else None)


def test_what_routers_add_is_what_the_recipe_says(tiny_llama: Path, tmp_path: Path) -> None:
    base = model_of("mixtral", tiny_llama, tmp_path / "base")
    job = make_job("dpo", base, tmp_path / "dpo", "trl_dpo.router_aux_loss_coef=0.5")
    assert job.describe()["recipe"]["router_aux_loss"] == 0.5
    off = make_job("dpo", base, tmp_path / "dpo", "trl_dpo.router_aux_loss_coef=0.0")
    assert "router_aux_loss" not in off.describe()["recipe"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ((), r"the loss is \d\.\d+, not log 2 = 0\.693147; rewards/chosen is .*, not 0.* \(tolerance 0\.0001\)"),
        (('trl_dpo.loss_type=["hinge"]',), r"start at its reference: rewards/chosen is .*, not 0"),
    ],
    ids=["sigmoid", "hinge"],
)
def test_a_policy_that_is_not_its_reference_stops_before_anything_is_trained(
    tiny_llama: Path, sft_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any, message: str
) -> None:
    def moved(job: TrainingJob, prepared: Any) -> Any:
        trainer = make_dpo_trainer(job, prepared)
        for name, parameter in trainer.model.named_parameters():
            if "lora_B.default" in name:
                parameter.data.add_(0.05)
        return trainer

    job = make_job("dpo", tiny_llama, tmp_path / "out", *settings, sft=sft_folder)
    monkeypatch.setattr("modelhub.training.dpo.make_dpo_trainer", moved)
    with pytest.raises(ServiceError, match=message):
        train_dpo(job)
    assert folder_state(job) == "new"


@pytest.mark.parametrize("loss", ["ipo", "bco_pair", "robust", "aot", "discopop"])
def test_other_losses_start_when_policy_and_reference_agree(
    tiny_llama: Path, sft_folder: Path, tmp_path: Path, loss: str
) -> None:
    settings = ("dpo.epochs=1", f'trl_dpo.loss_type=["{loss}"]')
    job = make_job("dpo", tiny_llama, tmp_path / "out", *settings, sft=sft_folder)
    make_dpo_trainer(job, prepare(job)).train()


def test_an_adapter_with_biases_of_the_base_is_no_start_of_dpo(
    tiny_llama: Path, sft_folder: Path, tmp_path: Path
) -> None:
    job = make_job("dpo", tiny_llama, tmp_path / "out", "lora.bias=all", sft=sft_folder)
    with pytest.raises(ServiceError, match="the reference would change with the policy"):
        train_dpo(job)
