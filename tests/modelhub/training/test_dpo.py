"""Preference tuning of a real, tiny model that goes on from its SFT adapter."""

import math
from pathlib import Path

import pytest

from annotation.errors import ServiceError
from modelhub.engines.digests import model_digest
from modelhub.training.dpo import make_dpo_trainer, train_dpo
from modelhub.training.manifest import read_manifest
from modelhub.training.sft import train_sft
from modelhub.training.trainer import EVALUATION, TRAIN, LogEntry, prepare
from tests.modelhub.engines.spoiling import same, spoiled, without
from tests.modelhub.training.making import examples, load, make_job, margins, response_log_probability, weights


def test_the_first_loss_is_that_of_a_policy_equal_to_its_reference(dpo_folder: Path, dpo_log: list[LogEntry]) -> None:
    first = next(entry for entry in dpo_log if entry.kind == TRAIN)
    assert first.step == 1
    assert first.values["loss"] == pytest.approx(math.log(2), abs=1e-6)
    assert read_manifest(dpo_folder)["first_loss"] == pytest.approx(math.log(2), abs=1e-6)


def test_the_margin_on_held_out_pairs_grows(
    dpo_folder: Path, sft_folder: Path, tiny_llama: Path, dpo_log: list[LogEntry]
) -> None:
    before = margins(*load(tiny_llama, sft_folder), examples(12, 16))
    after = margins(*load(tiny_llama, dpo_folder), examples(12, 16))
    assert all(late > early for early, late in zip(before, after, strict=True))
    # What the trainer reports as margin is beta times the growth over the reference: the SFT model as it was saved.
    reported = [entry.values["eval_rewards/margins"] for entry in dpo_log if entry.kind == EVALUATION]
    growth = sum(late - early for early, late in zip(before, after, strict=True)) / len(before)
    assert reported[-1] == pytest.approx(0.1 * growth, rel=1e-3)


def test_the_reference_is_the_sft_model_and_stays_untouched(tiny_llama: Path, sft_folder: Path, tmp_path: Path) -> None:
    digest = model_digest(str(sft_folder))
    job = make_job("dpo", tiny_llama, tmp_path / "out", "dpo.epochs=1", sft=sft_folder)
    trainer = make_dpo_trainer(job, prepare(job))
    trainer.train()
    saved = weights(sft_folder)
    adapters: dict[str, list[bool]] = {"ref": [], "default": []}
    for name, parameter in trainer.model.named_parameters():
        kind = next((one for one in adapters if f".{one}." in name), None)
        if kind:
            assert parameter.requires_grad == (kind == "default")
            adapters[kind].append(bool((parameter == saved[name.replace(f".{kind}.", ".")]).all()))
    assert len(adapters["ref"]) == len(saved) and all(adapters["ref"])
    assert not all(adapters["default"])
    assert model_digest(str(sft_folder)) == digest


def test_only_the_policy_is_saved_as_a_plain_adapter_of_the_base(
    dpo_folder: Path, sft_folder: Path, tiny_llama: Path
) -> None:
    assert not any(path.is_dir() for path in dpo_folder.iterdir())
    assert set(weights(dpo_folder)) == set(weights(sft_folder))
    manifest = read_manifest(dpo_folder)
    assert manifest["base"] == read_manifest(sft_folder)["base"]
    assert manifest["parent"]["digest"] == model_digest(str(sft_folder))


def test_both_arms_work_on_one_loaded_base(dpo_folder: Path, sft_folder: Path, tiny_llama: Path) -> None:
    alone = [response_log_probability(*load(tiny_llama, one), "Prompt: Hi?\nResponse:", "Yes.")
             for one in (sft_folder, dpo_folder)]  # fmt: skip
    model, tokenizer = load(tiny_llama, sft_folder)
    model.load_adapter(str(dpo_folder), "dpo")
    together = []
    for name in ("default", "dpo"):
        model.set_adapter(name)
        together.append(response_log_probability(model, tokenizer, "Prompt: Hi?\nResponse:", "Yes."))
    assert together == pytest.approx(alone, abs=1e-5)
    assert alone[0] != pytest.approx(alone[1], abs=1e-3)


def test_dpo_without_an_sft_model_is_refused(tiny_llama: Path, tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="DPO starts from an SFT model"):
        train_dpo(make_job("dpo", tiny_llama, tmp_path / "out"))


def test_half_an_sft_adapter_is_not_trained_on(tiny_llama: Path, sft_folder: Path, tmp_path: Path) -> None:
    half = spoiled(sft_folder, tmp_path / "half", without("layers.1"))
    with pytest.raises(ServiceError, match=r"does not fit this base as a whole: of its weights, \d+ missing"):
        train_dpo(make_job("dpo", tiny_llama, tmp_path / "out", sft=half))


@pytest.mark.parametrize("kind", ["sft", "dpo"])
def test_a_base_that_is_not_whole_is_not_trained(tiny_llama: Path, sft_folder: Path, tmp_path: Path, kind: str) -> None:
    broken = spoiled(tiny_llama, tmp_path / "broken", same, "config.json", num_hidden_layers=3)
    with pytest.raises(ServiceError, match="does not load whole .* 9 missing from its files"):
        {"sft": train_sft, "dpo": train_dpo}[kind](make_job(kind, broken, tmp_path / "out", sft=sft_folder))
