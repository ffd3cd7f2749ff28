"""An adapter and its base as one model."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from annotation.errors import ServiceError
from modelhub.engines.digests import MANIFEST, model_digest
from modelhub.training.manifest import read_manifest
from modelhub.training.merge import merge_adapter
from tests.modelhub.engines.spoiling import spoiled, without
from tests.modelhub.training.making import load


def test_the_merged_model_equals_base_and_adapter(tiny_llama: Path, dpo_folder: Path, tmp_path: Path) -> None:
    import torch

    merge_adapter(dpo_folder, tmp_path / "merged")
    adapted, tokenizer = load(tiny_llama, dpo_folder)
    merged, own_tokenizer = load(tmp_path / "merged")
    text = "Prompt: How do I cook rice well?\nPersona: The user is curious and prefers a direct answer.\nResponse:"
    ids = torch.tensor([tokenizer(text)["input_ids"]])
    assert own_tokenizer(text)["input_ids"] == ids[0].tolist()
    with torch.no_grad():
        one, other = adapted(input_ids=ids).logits, merged(input_ids=ids).logits
    assert float((one - other).abs().max()) < 1e-4
    base = load(tiny_llama)[0]
    with torch.no_grad():
        assert float((one - base(input_ids=ids).logits).abs().max()) > 0.1


def test_the_manifest_says_what_was_merged(tiny_llama: Path, dpo_folder: Path, tmp_path: Path) -> None:
    merge_adapter(dpo_folder, tmp_path / "merged")
    manifest = read_manifest(tmp_path / "merged")
    assert manifest["kind"] == "merged"
    assert manifest["parent"]["digest"] == model_digest(str(dpo_folder))
    assert manifest["base"]["digest"] == model_digest(str(tiny_llama))


def test_another_base_is_refused_and_nothing_is_left(tiny_llama: Path, dpo_folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(tiny_llama, other)
    (other / "config.json").write_text((other / "config.json").read_text() + "\n")
    with pytest.raises(ServiceError, match="not the base that the adapter was trained on"):
        merge_adapter(dpo_folder, tmp_path / "merged", base=str(other))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other"]


def test_a_base_that_has_moved_is_found_where_it_is_said_to_be(
    tiny_llama: Path, dpo_folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_llama, tmp_path / "moved")
    merge_adapter(dpo_folder, tmp_path / "merged", base=str(tmp_path / "moved"))
    assert (tmp_path / "merged" / "model.safetensors").is_file()


def test_a_broken_adapter_leaves_nothing_behind(tiny_llama: Path, dpo_folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(dpo_folder, broken)
    (broken / "adapter_model.safetensors").write_bytes(b"no tensors")
    with pytest.raises(ServiceError, match="cannot be merged"):
        merge_adapter(broken, tmp_path / "merged")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken"]


def test_a_folder_that_is_taken_or_no_adapter_is_refused(tiny_llama: Path, dpo_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="exists already"):
        merge_adapter(dpo_folder, tmp_path)
    with pytest.raises(ServiceError, match="holds no adapter"):
        merge_adapter(tiny_llama, tmp_path / "merged")


@pytest.mark.parametrize("files", [[MANIFEST], [MANIFEST, "adapter_config.json"]])
def test_a_training_that_was_killed_before_its_end_is_refused_as_unfinished(
    dpo_folder: Path, tmp_path: Path, files: list[str]
) -> None:
    killed = tmp_path / "killed"
    shutil.copytree(dpo_folder, killed)
    for name in files:
        (killed / name).unlink()
    with pytest.raises(ServiceError, match=f"{killed} .* begun and is not finished"):
        merge_adapter(killed, tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_an_adapter_that_was_trained_elsewhere_needs_no_manifest(
    tiny_llama: Path, tiny_adapters: dict[str, Path], tmp_path: Path
) -> None:
    merge_adapter(tiny_adapters["brief"], tmp_path / "merged", base=str(tiny_llama))
    assert (tmp_path / "merged" / "model.safetensors").is_file()


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"kind": "dpo", "base": "b"}'])
def test_a_manifest_that_cannot_be_read_is_named(dpo_folder: Path, tmp_path: Path, text: str) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(dpo_folder, broken)
    (broken / MANIFEST).write_text(text)
    with pytest.raises(ServiceError, match=str(broken / MANIFEST)):
        merge_adapter(broken, tmp_path / "merged")


def test_an_adapter_configuration_that_cannot_be_read_is_named(tiny_adapters: dict[str, Path], tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(tiny_adapters["brief"], broken)
    (broken / "adapter_config.json").write_text("{")
    with pytest.raises(ServiceError, match=str(broken / "adapter_config.json")):
        merge_adapter(broken, tmp_path / "merged")


def test_half_an_adapter_is_not_merged(tiny_llama: Path, dpo_folder: Path, tmp_path: Path) -> None:
    half = spoiled(dpo_folder, tmp_path / "half", without("layers.1"))
    with pytest.raises(ServiceError, match=r"does not fit this base as a whole: of its weights, \d+ missing"):
        merge_adapter(half, tmp_path / "merged")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["half"]


def adapter_of(base: Path, folder: Path, **how: Any) -> Path:
    """Return an adapter with random weights, as strong as a trained one."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    config = LoraConfig(r=4, task_type="CAUSAL_LM", **how)
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base, dtype="auto"), config)
    for parameter in model.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.1)
    model.save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    ("how", "tied"),
    [
        ({"target_modules": ["embed_tokens"]}, False),
        ({"target_modules": ["lm_head"]}, False),
        ({"target_modules": ["embed_tokens", "lm_head", "q_proj"]}, False),
        ({"target_modules": ["q_proj"], "modules_to_save": ["lm_head"]}, False),
        ({"target_modules": ["q_proj"], "trainable_token_indices": [3, 4]}, True),
        ({"target_modules": ["q_proj"], "use_dora": True}, True),
    ],
    ids=["embedding", "head", "both", "whole head", "tokens", "dora"],
)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_model_whose_embedding_and_head_are_tied_is_merged_to_what_the_adapter_was(
    tiny_llama: Path, tmp_path: Path, how: dict[str, Any], tied: bool, dtype: str
) -> None:
    base = in_precision(tiny_llama, tmp_path / "base", dtype)
    compared = merge_adapter(adapter_of(base, tmp_path / "adapter", **how), tmp_path / "merged", base=str(base))[
        "compared"
    ]
    assert (compared["dtype"], read_manifest(tmp_path / "merged")["compared"]) == (dtype, compared)
    assert compared["difference"] <= compared["tolerance"] < compared["effect_of_adapter"] / 2
    assert json.loads((tmp_path / "merged" / "config.json").read_text("utf-8"))["tie_word_embeddings"] is tied


def in_precision(base: Path, folder: Path, dtype: str) -> Path:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    AutoModelForCausalLM.from_pretrained(base, dtype=dtype).save_pretrained(folder)
    AutoTokenizer.from_pretrained(base).save_pretrained(folder)
    return folder


def test_a_merged_model_that_is_another_one_is_refused_with_the_difference_and_nothing_is_left(
    tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = adapter_of(tiny_llama, tmp_path / "adapter", target_modules=["embed_tokens"])
    monkeypatch.setattr("modelhub.training.merge._untie", lambda model: None)
    with pytest.raises(ServiceError, match=r"logits differ by up to \d.*, and rounding to float32 explains 0\.01"):
        merge_adapter(adapter, tmp_path / "merged", base=str(tiny_llama))
    assert [path.name for path in tmp_path.iterdir()] == ["adapter"]
