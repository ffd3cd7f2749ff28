"""Models of several architectures through SFT, DPO, merging and generation, each under its own chat template."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from annotation.errors import ServiceError
from modelhub.engines import load_engine
from modelhub.engines.base import EngineSettings, GenerationRequest, GenerationResult
from modelhub.engines.chat import prompt_text, template_messages
from modelhub.prompting.layouts import render_prompt, system_message
from modelhub.training.config import continue_adapter, load_recipe
from modelhub.training.dpo import train_dpo
from modelhub.training.manifest import read_manifest
from modelhub.training.merge import merge_adapter
from modelhub.training.sft import make_sft_trainer, train_sft
from modelhub.training.trainer import prepare
from tests.modelhub.training.making import PERSONA, examples, make_job
from tests.tools.tinymodels import make_tokenizer

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LLAMA3 = (
    "{{ bos_token }}{% for m in messages %}<|start_header_id|>{{ m['role'] }}<|end_header_id|>\n\n"
    "{{ m['content'] | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
GEMMA = (
    "{{ bos_token }}"
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for m in messages %}<start_of_turn>{{ 'model' if m['role'] == 'assistant' else m['role'] }}\n"
    "{{ m['content'] | trim }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
PHI3 = (
    "{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
PLAIN = (
    "{% for m in messages %}{{ m['role'] }}:\n{{ m['content'] }}"
    "{% if m['role'] == 'assistant' %}{{ eos_token }}{% endif %}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:\n{% endif %}"
)


@dataclass(frozen=True)
class Kind:
    """An architecture: its configuration's class, what a tiny one takes, and a chat template of its family."""

    config: str
    template: str
    values: dict[str, Any]
    system: bool = True


_SMALL: dict[str, Any] = {
    "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 2, "max_position_embeddings": 512,
}  # fmt: skip
KINDS = {
    "llama": Kind("LlamaConfig", LLAMA3, _SMALL),
    "qwen2": Kind("Qwen2Config", CHATML, _SMALL),
    "qwen3": Kind("Qwen3Config", CHATML, {**_SMALL, "head_dim": 32}),
    "gemma2": Kind("Gemma2Config", GEMMA, {**_SMALL, "head_dim": 32}, system=False),
    "gemma3": Kind("Gemma3TextConfig", GEMMA, {**_SMALL, "head_dim": 32}, system=False),
    "phi3": Kind("Phi3Config", PHI3, _SMALL),
    "gpt2": Kind("GPT2Config", PLAIN, {"n_embd": 64, "n_layer": 2, "n_head": 2, "n_positions": 512}),
}
CHAT = ("layout.chat=true", "layout.persona=system_message", "sft.epochs=1", "dpo.epochs=1")


def make_base(kind: Kind, folder: Path) -> Path:
    """Make an untrained model of this kind with its tokenizer and template."""
    import torch
    import transformers

    tokenizer = make_tokenizer(512)
    tokenizer.chat_template = kind.template
    tokens = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, "vocab_size": len(tokenizer) + 8}
    torch.manual_seed(0)
    config = getattr(transformers, kind.config)(**kind.values, **tokens)
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def asked(prompt: str, persona: str = PERSONA) -> GenerationRequest:
    """Return what a system of this layout is asked."""
    rendered = render_prompt(prompt=prompt, persona=persona, style="system_message")
    return GenerationRequest(
        rendered, prompt, persona, system_message=system_message(persona=persona, style="system_message")
    )


@pytest.mark.parametrize("name", KINDS)
def test_a_model_is_trained_merged_and_asked_under_its_own_template(name: str, tmp_path: Path) -> None:
    base = make_base(KINDS[name], tmp_path / "base")
    looked_at = make_job("sft", base, tmp_path / "looked at", *CHAT)
    prepared = prepare(looked_at)
    _check_rows(make_sft_trainer(looked_at, prepared), prepared.tokenizer, KINDS[name])
    sft = make_job("sft", base, tmp_path / "sft", *CHAT)
    train_sft(sft)

    recipe = continue_adapter(load_recipe("tiny", settings=["dpo.epochs=1"]), "tiny", read_manifest(sft.out)["recipe"])
    dpo = make_job("dpo", base, tmp_path / "dpo", sft=sft.out, recipe=recipe)
    assert recipe.layout.chat
    train_dpo(dpo)
    merge_adapter(dpo.out, tmp_path / "merged")

    decoding = {"chat": True, "max_new_tokens": 8, "min_new_tokens": 1, "dtype": "float32"}
    answers = []
    for model, adapter in ((base, str(dpo.out)), (tmp_path / "merged", "")):
        engine = load_engine("transformers", EngineSettings(str(model), adapter, decoding=decoding))
        answers += [result for _, result in engine.stream(iter([asked("How do I sleep?")]), ahead=1)]
    assert all(isinstance(answer, GenerationResult) for answer in answers), answers
    assert answers[0].text == answers[1].text


def _check_rows(trainer: Any, tokenizer: Any, kind: Kind) -> None:
    """Hold a row of the trainer to what generation asks, and its loss to the answer with the template's end of it."""
    one = examples(0, 1)[0]
    batch = trainer.data_collator([trainer.train_dataset[0]])
    ids, labels = batch["input_ids"][0].tolist(), batch["labels"][0].tolist()
    prompt = prompt_text(tokenizer, template_messages(tokenizer, asked(one.prompt)))
    begins = list(tokenizer(prompt, add_special_tokens=False).input_ids)
    assert ids[: len(begins)] == begins
    assert labels[: len(begins)] == [-100] * len(begins)
    learned = tokenizer.decode([token for token in labels if token != -100])
    assert learned.startswith(one.response) and len(learned) > len(one.response)
    assert (PERSONA in prompt) and ("system" in prompt) is kind.system


def test_a_base_without_a_chat_template_is_not_trained_under_one(tiny_llama: Path, tmp_path: Path) -> None:
    base = make_base(KINDS["llama"], tmp_path / "base")
    (base / "chat_template.jinja").unlink()
    with pytest.raises(ServiceError, match="has no chat template"):
        prepare(make_job("sft", base, tmp_path / "out", "layout.chat=true"))


def test_a_template_whose_prompt_changes_once_an_answer_follows_is_refused(tmp_path: Path) -> None:
    base = make_base(replace(KINDS["gpt2"], template=PLAIN.replace(":\n", ": ")), tmp_path / "base")
    with pytest.raises(ServiceError, match="row 0: the chat template renders the end of the prompt otherwise"):
        prepare(make_job("sft", base, tmp_path / "out", "layout.chat=true"))


def test_dpo_keeps_the_layout_of_the_sft_model(tmp_path: Path) -> None:
    trained = load_recipe("tiny", settings=["layout.chat=true"]).effective("sft")
    assert continue_adapter(load_recipe("tiny"), "tiny", trained).layout.chat
    with pytest.raises(ServiceError, match="goes on with the layout of the SFT model"):
        continue_adapter(load_recipe("tiny", settings=["layout.persona=first_person"]), "tiny", trained)
    assert "layout" not in load_recipe("tiny").effective("sft")
