"""A part of a model is not the model: whatever does not load whole is refused, with the numbers and the first names."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from modelhub.engines import engine_module
from modelhub.engines.base import EngineError, EngineSettings
from modelhub.engines.weights import put_adapter, whole_model
from modelhub.models import System
from tests.modelhub.engines.asking import answers, essence, load, requests
from tests.modelhub.engines.spoiling import Change, added, renamed, same, spoiled, wider, without

HEAD = "base_model.model.lm_head.weight"
EMBEDDING = "base_model.model.model.embed_tokens.weight"
GONE = r"14 missing from its files \(base_model\.model\.model\.layers\.1\.mlp\.down_proj\.lora_A\.weight, .* 11 more\)"


@pytest.mark.parametrize(
    ("change", "config", "message"),
    [
        (without("layers.1"), {}, GONE),
        (renamed("base_model.model.", ""), {}, r"28 missing .*; 28 in its files and unknown to the model \(model\."),
        (renamed("model.model.", "model._orig_mod.model."), {}, r"28 in its files and unknown .*_orig_mod"),
        (added("base_model.model.model.layers.9.mlp.down_proj.lora_A.weight", 4, 160), {}, "1 in its files and unkn"),
        (same, {"modules_to_save": ["lm_head"]}, r"1 missing from its files \(base_model\.model\.lm_head\.weight\)"),
        (added(HEAD, 64, 4), {"modules_to_save": ["lm_head"]}, r"1 of another shape \(.*lm_head"),
        (added(EMBEDDING, 700, 64), {}, r"1 of another shape \(base_model\.model\.model\.embed_tokens\.weight\)"),
        (wider("layers.0.mlp.up_proj.lora_B"), {}, r"1 of another shape \(.*layers\.0\.mlp\.up_proj\.lora_B\.weight\)"),
    ],
    ids=["half", "no prefix", "compiled", "left over", "no head", "head", "resized embeddings", "shape"],
)
def test_an_adapter_that_does_not_fit_whole_is_refused_with_numbers_and_names(
    tiny_llama: Path, tiny_adapters: dict[str, Path], tmp_path: Path, change: Change, config: Any, message: str
) -> None:
    broken = spoiled(tiny_adapters["brief"], tmp_path / "broken", change, "adapter_config.json", **config)
    model = whole_model(str(tiny_llama))
    with pytest.raises(EngineError, match=message):
        put_adapter(model, str(broken))
    assert not any("lora" in name for name, _ in model.named_modules())  # it is as it was


@pytest.mark.parametrize(
    ("change", "config", "message"),
    [
        (same, {"num_hidden_layers": 3}, r"9 missing from its files \(model\.layers\.2\.input_layernorm\.weight"),
        (same, {"num_hidden_layers": 1}, r"9 in its files and unknown to the model \(model\.layers\.1"),
        (same, {"tie_word_embeddings": False}, r"1 missing from its files \(lm_head\.weight\)"),
        (added("score.weight", 2, 64), {}, r"1 in its files and unknown to the model \(score\.weight\)"),
        (renamed("model.", "_orig_mod.model."), {}, "21 missing .*; 20 in its files and unknown"),
        (same, {"intermediate_size": 80}, r"6 of another shape \(model\.layers\.0\.mlp\.down_proj\.weight"),
    ],
    ids=["layers", "too many", "untied head", "classifier", "compiled", "shape"],
)
@pytest.mark.django_db
def test_a_base_that_is_not_whole_is_neither_loaded_nor_registered(
    tiny_llama: Path, tmp_path: Path, change: Change, config: Any, message: str
) -> None:
    broken = spoiled(tiny_llama, tmp_path / "broken", change, "config.json", **config)
    with pytest.raises(EngineError, match=message):
        load("transformers", broken)
    with pytest.raises(CommandError, match=message):
        register(broken)
    assert not System.objects.exists()


def test_a_base_that_is_cut_off_is_an_error_of_ours(tiny_llama: Path, tmp_path: Path) -> None:
    broken = Path(shutil.copytree(tiny_llama, tmp_path / "broken"))
    (broken / "model.safetensors").write_bytes((broken / "model.safetensors").read_bytes()[:-40])
    with pytest.raises(EngineError, match="cannot be loaded"):
        load("transformers", broken)


def test_a_model_folder_with_an_adapter_in_it_is_refused(
    tiny_llama: Path, tiny_adapters: dict[str, Path], tmp_path: Path
) -> None:
    both = Path(shutil.copytree(tiny_llama, tmp_path / "both"))
    shutil.copytree(tiny_adapters["brief"], both, dirs_exist_ok=True)
    with pytest.raises(EngineError, match="holds an adapter too .* unasked"):
        load("transformers", both)


# Every door


@pytest.fixture
def half(tiny_adapters: dict[str, Path], tmp_path: Path) -> Path:
    return spoiled(tiny_adapters["brief"], tmp_path / "half", without("layers.1"))


def register(model: Path, *more: str, engine: str = "transformers") -> None:
    call_command("register_system", "sys", "--engine", engine, "--model", str(model), *more)


@pytest.mark.django_db
def test_half_an_adapter_is_not_registered(tiny_llama: Path, half: Path) -> None:
    with pytest.raises(CommandError, match=GONE):
        register(tiny_llama, "--adapter", str(half))
    assert not System.objects.exists()


@pytest.mark.parametrize("door", ["create", "live"])
def test_half_an_adapter_answers_nowhere_and_leaves_its_neighbours_alone(
    tiny_llama: Path, tiny_adapters: dict[str, Path], half: Path, door: str
) -> None:
    asked = requests(6)
    whole = load("transformers", tiny_llama, tiny_adapters["stepwise"])
    before = essence(answers(whole, asked))
    settings = EngineSettings(str(tiny_llama), str(half), decoding={"dtype": "float32"})
    for _ in range(2):  # a second attempt is no better than the first
        with pytest.raises(EngineError, match=GONE):
            getattr(engine_module("transformers"), door)(settings)
    assert essence(answers(whole, asked)) == before


def test_vllm_is_given_no_half_adapter(tiny_llama: Path, half: Path) -> None:
    from modelhub.exchange.answering import vllm_arguments

    with pytest.raises(EngineError, match=GONE):
        vllm_arguments(EngineSettings(str(tiny_llama), str(half)))


@pytest.mark.parametrize("values", [{"init_lora_weights": "pissa"}, {}], ids=["start", "weights"])
def test_an_adapter_that_changes_the_base_itself_is_not_put_into_a_shared_one(
    tiny_llama: Path, tiny_adapters: dict[str, Path], tmp_path: Path, values: dict[str, Any]
) -> None:
    vocabulary = json.loads((tiny_llama / "config.json").read_text("utf-8"))["vocab_size"]
    change = same if values else added(EMBEDDING, vocabulary, 64)
    changing = spoiled(tiny_adapters["brief"], tmp_path / "changing", change, "adapter_config.json", **values)
    before = essence(answers(load("transformers", tiny_llama), requests(6)))
    with pytest.raises(EngineError, match=r"changes weights of the base itself .* Merge it"):
        load("transformers", tiny_llama, changing)
    assert essence(answers(load("transformers", tiny_llama), requests(6))) == before


def test_an_adapter_of_an_embedding_carries_the_base_along_unchanged(tiny_llama: Path, tmp_path: Path) -> None:
    import torch
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(r=4, target_modules=["embed_tokens"], task_type="CAUSAL_LM")
    model = get_peft_model(whole_model(str(tiny_llama)), config)
    torch.nn.init.normal_(model.get_parameter("base_model.model.model.embed_tokens.lora_embedding_B.default"))
    model.save_pretrained(tmp_path / "adapter")
    names = {name for name, _ in _stored(tmp_path / "adapter")}
    assert any(re.search("base_layer", name) for name in names)
    loaded = put_adapter(whole_model(str(tiny_llama)), str(tmp_path / "adapter"), shared=True)
    ids = torch.tensor([[1, 5, 9]])
    assert torch.equal(loaded(input_ids=ids).logits, model.eval()(input_ids=ids).logits)


def _stored(folder: Path) -> list[tuple[str, Any]]:
    from safetensors.torch import load_file

    return list(load_file(folder / "adapter_model.safetensors").items())
