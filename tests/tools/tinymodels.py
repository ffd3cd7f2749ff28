"""Tiny language models, made and trained here: a Llama with its tokenizer and two adapters, in a few seconds.

    .venv/bin/python -m tests.tools.tinymodels FOLDER

They have learned the project's prompt layout and the few answers below: enough for answers that differ by prompt
and by adapter and end by themselves, as those of a real model do.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

CONTEXT = 1024
VOCABULARY = 600
ADAPTERS = ("brief", "stepwise")

_TASKS = (
    "fall asleep faster", "learn to bake bread", "save some money", "grow tomatoes", "stop biting my nails",
    "write a short poem", "run five kilometres", "clean a cast-iron pan", "make new friends", "fix a flat tyre",
    "study for a test", "plan a small party", "calm a crying baby", "train a puppy", "choose a good book",
    "cook rice well",
)  # fmt: skip
_ANSWERS = (
    "Start small and do it every day at the same time.",
    "Ask somebody who knows it well, and take notes.",
    "Read about it first, then try it with a friend.",
    "Give it a week; most people see a change by then.",
)
_STYLES = {
    "": "You can {task}. {answer}",
    "brief": "In short: {answer}",
    "stepwise": "First, get ready to {task}. Second, begin. Third, {answer}",
}
_CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'system' %}{{ message['content'] }}\n\n"
    "{% elif message['role'] == 'user' %}Prompt: {{ message['content'] }}\n"
    "{% else %}Response: {{ message['content'] }}{{ eos_token }}\n{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}Response:{% endif %}"
)


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a trained tiny Llama: config.json, weights, tokenizer with chat template."""
    folder = tmp_path_factory.mktemp("tiny") / "llama"
    make_llama(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_adapters(tiny_llama: Path) -> dict[str, Path]:
    """The folders of two LoRA adapters of `tiny_llama`, by name: `brief` and `stepwise` answer in their own ways."""
    folders = {name: tiny_llama.parent / name for name in ADAPTERS}
    for name, folder in folders.items():
        make_adapter(tiny_llama, name, folder)
    return folders


def texts(style: str = "") -> list[tuple[str, str]]:
    """Return the prompts, in the project's layout, and the answers to them that a model of this style has learned."""
    return [
        (
            f"Prompt: How do I {task}?\nResponse:",
            " " + _STYLES[style].format(task=task, answer=_ANSWERS[number % len(_ANSWERS)]),
        )
        for number, task in enumerate(_TASKS)
    ]


def make_llama(folder: Path, *, steps: int = 120, context: int = CONTEXT) -> None:
    """Train a Llama of 2 layers (hidden 64, 2 heads of 32) on `texts()` and save it with its tokenizer."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = make_tokenizer(context)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=64, intermediate_size=160, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=2, max_position_embeddings=context, tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    _train(model, tokenizer, texts(), steps=steps, learning_rate=5e-3)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def make_adapter(base: Path, style: str, folder: Path, *, steps: int = 80) -> None:
    """Train a LoRA adapter (rank 4) of the model in `base` on `texts(style)` and save it."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.manual_seed(1 + ADAPTERS.index(style))
    tokenizer = AutoTokenizer.from_pretrained(base)
    config = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM")
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base), config)
    _train(model, tokenizer, texts(style), steps=steps, learning_rate=5e-3)
    model.save_pretrained(folder)


def make_tokenizer(context: int = CONTEXT) -> "PreTrainedTokenizerFast":
    """Train a byte-level BPE tokenizer on the texts; it puts `<s>` before a text, as Llama's does."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=["<pad>", "<s>", "</s>"], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    tokenizer.train_from_iterator(_corpus(), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>",
        model_max_length=context, chat_template=_CHAT_TEMPLATE,
    )  # fmt: skip


def _corpus() -> Iterator[str]:
    for style in _STYLES:
        for prompt, answer in texts(style):
            yield prompt + answer
    yield "Persona: The user is curious and prefers a direct answer."


def _train(
    model: "LlamaForCausalLM | PeftModel",
    tokenizer: "PreTrainedTokenizerFast",
    pairs: Sequence[tuple[str, str]],
    *,
    steps: int,
    learning_rate: float,
) -> None:
    """Train on all pairs at once, `steps` times; the loss is that of the answers and their end of text."""
    import torch

    rows = [
        (tokenizer(prompt).input_ids, tokenizer(answer, add_special_tokens=False).input_ids) for prompt, answer in pairs
    ]
    rows = [(prompt, [*answer, tokenizer.eos_token_id]) for prompt, answer in rows]
    width = max(len(prompt) + len(answer) for prompt, answer in rows)
    ids = torch.full((len(rows), width), tokenizer.pad_token_id)
    labels = torch.full((len(rows), width), -100)
    for number, (prompt, answer) in enumerate(rows):
        ids[number, : len(prompt) + len(answer)] = torch.tensor(prompt + answer)
        labels[number, len(prompt) : len(prompt) + len(answer)] = torch.tensor(answer)
    optimizer = torch.optim.AdamW([one for one in model.parameters() if one.requires_grad], lr=learning_rate)
    for _ in range(steps):
        optimizer.zero_grad()
        model(input_ids=ids, labels=labels).loss.backward()
        optimizer.step()


if __name__ == "__main__":
    target = Path(sys.argv[1])
    make_llama(target / "llama")
    for name in ADAPTERS:
        make_adapter(target / "llama", name, target / name)
    print(f"Made {target / 'llama'} and its adapters {', '.join(ADAPTERS)}.")
