"""A small Llama trained from scratch on texts, and the log-probabilities that a model gives to responses."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch
    from transformers import LlamaForCausalLM, PreTrainedModel, PreTrainedTokenizerBase, PreTrainedTokenizerFast

FloatArray = NDArray[np.float64]
HEAD = 32
IGNORED = -100  # the label that the loss leaves out


@dataclass(frozen=True)
class Size:
    """What the base model is, and how long it is pretrained. `hidden` is a multiple of 32; lengths are in tokens."""

    hidden: int
    layers: int
    vocabulary: int
    context: int
    epochs: int
    batch: int = 16
    learning_rate: float = 2e-3


def make_tokenizer(texts: Sequence[str], size: Size) -> "PreTrainedTokenizerFast":
    """Return a byte-level BPE tokenizer trained on these texts; it puts `<s>` before a text, as Llama's does."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size.vocabulary, special_tokens=["<pad>", "<s>", "</s>"], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>", model_max_length=size.context
    )


def make_base(texts: Sequence[str], folder: Path, size: Size, *, seed: int) -> list[float]:
    """Train a tokenizer and a Llama on the texts, save both, and return the mean loss per token of every epoch."""
    import torch

    torch.manual_seed(seed)
    tokenizer = make_tokenizer(texts, size)
    model = _llama(tokenizer, size).to(device())
    rows = [tokenizer(text + tokenizer.eos_token).input_ids[: size.context] for text in texts]
    losses = _pretrain(model, rows, size, pad=tokenizer.pad_token_id)
    model.cpu().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return losses


def device() -> str:
    """Return where models run: the GPU if there is one."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _llama(tokenizer: "PreTrainedTokenizerFast", size: Size) -> "LlamaForCausalLM":
    from transformers import LlamaConfig, LlamaForCausalLM

    heads = size.hidden // HEAD
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=size.hidden, intermediate_size=size.hidden * 8 // 3,
        num_hidden_layers=size.layers, num_attention_heads=heads, num_key_value_heads=heads,
        max_position_embeddings=size.context, tie_word_embeddings=True, bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    return LlamaForCausalLM(config)


def _pretrain(model: "LlamaForCausalLM", rows: list[list[int]], size: Size, *, pad: int) -> list[float]:
    import torch

    batches = len(_batches(rows, size.batch))
    optimizer = torch.optim.AdamW(model.parameters(), lr=size.learning_rate, weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=size.learning_rate, total_steps=size.epochs * batches, pct_start=0.1
    )
    losses = []
    for _ in range(size.epochs):
        total, tokens = 0.0, 0
        order = _batches(rows, size.batch)
        for number in torch.randperm(batches).tolist():
            ids, mask = _padded([rows[one] for one in order[number]], pad)
            labels = ids.masked_fill(mask == 0, IGNORED)
            loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            count = int(mask.sum()) - len(ids)
            total, tokens = total + loss.item() * count, tokens + count
        losses.append(total / tokens)
    return losses


def log_probabilities(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    rows: Sequence[tuple[str, str]],
    *,
    most: Sequence[int],
    batch: int = 32,
) -> tuple[FloatArray, FloatArray]:
    """Return log p(response | prompt) in nats and the response's tokens, both of shape (rows,), in the rows' order.

    `rows` are prompts and responses as texts. A response ends with the end-of-text token, and its first `most` tokens
    count.
    """
    import torch

    prompts = [tokenizer(prompt).input_ids for prompt, _ in rows]
    answers = [tokenizer(text, add_special_tokens=False).input_ids + [tokenizer.eos_token_id] for _, text in rows]
    whole = [one + two[:count] for one, two, count in zip(prompts, answers, most, strict=True)]
    sums, counts = np.zeros(len(rows)), np.zeros(len(rows))
    model.eval()
    for numbers in _batches(whole, batch):
        ids, mask = _padded([whole[one] for one in numbers], tokenizer.pad_token_id)
        labels = ids.masked_fill(mask == 0, IGNORED)
        for place, one in enumerate(numbers):
            labels[place, : len(prompts[one])] = IGNORED
        kept = ids.shape[1] - min(len(prompts[one]) for one in numbers) + 1  # places from the first response's on
        with torch.no_grad():
            logits = model(input_ids=ids, attention_mask=mask, logits_to_keep=kept).logits[:, :-1].float()
        losses = torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), labels[:, 1 - kept :].flatten(), reduction="none", ignore_index=IGNORED
        ).view(logits.shape[:2])
        sums[numbers] = -losses.double().sum(1).cpu().numpy()
        counts[numbers] = (labels[:, 1:] != IGNORED).sum(1).cpu().numpy()
    return sums, counts


def _batches(rows: Sequence[Sequence[int]], size: int) -> list[list[int]]:
    """Return the numbers of the rows, those of like length together."""
    order = sorted(range(len(rows)), key=lambda one: len(rows[one]))
    return list(_chunks(order, size))


def _chunks(numbers: list[int], size: int) -> Iterator[list[int]]:
    for start in range(0, len(numbers), size):
        yield numbers[start : start + size]


def _padded(rows: Sequence[Sequence[int]], pad: int) -> tuple["torch.Tensor", "torch.Tensor"]:
    """Return token ids and attention mask, both (rows, longest row), padded on the right."""
    import torch

    width = max(map(len, rows))
    ids = torch.full((len(rows), width), pad)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    for number, row in enumerate(rows):
        ids[number, : len(row)] = torch.tensor(row)
        mask[number, : len(row)] = 1
    return ids.to(device()), mask.to(device())
