"""The measure of the tailoring benchmark: log-probabilities of responses, and what personas are compared."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.tailoring import interval, personas_of, pretraining_texts, response_room
from tests.tools.smallmodels import log_probabilities

ROWS = [
    {
        "prompt": f"Prompt {number}?", "chosen": "Yes.", "rejected": "No.", "chosen_persona_gold": f"chosen {number}",
        "rejected_persona_gold": f"rejected {number}", "chosen_persona_retr": f"retrieved {number}",
    }
    for number in range(20)
]  # fmt: skip


def test_a_batch_gives_the_log_probability_of_each_response_and_its_end_alone(tiny_llama: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(tiny_llama), AutoModelForCausalLM.from_pretrained(tiny_llama)
    rows = [("Prompt: How do I cook rice well?\nResponse:", " Start small."), ("Prompt: Why?\nResponse:", " Ask " * 9)]
    sums, counts = log_probabilities(model, tokenizer, rows, most=[500, 4])

    assert counts[1] == 4
    for (prompt, response), total, count in zip(rows, sums, counts, strict=True):
        before = tokenizer(prompt).input_ids
        answer = [*tokenizer(response, add_special_tokens=False).input_ids, tokenizer.eos_token_id][: int(count)]
        with torch.no_grad():
            chances = model(torch.tensor([before + answer])).logits[0].log_softmax(-1)
        alone = sum(chances[len(before) - 1 + place, token].item() for place, token in enumerate(answer))
        assert total == pytest.approx(alone, rel=1e-4)
        assert 0 < count <= 500


def test_responses_are_cut_alike_whatever_persona_is_shown(tiny_llama: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_llama)
    shown = {"none": ["Prompt: Why?", "Prompt: How?"], "chosen": ["Prompt: Why? Be brief.", "Prompt: How?"]}

    longest = [len(tokenizer(prompt).input_ids) for prompt in shown["chosen"]]
    assert response_room(shown, tokenizer, 100) == [100 - longest[0], 100 - longest[1]]


def test_a_shuffled_persona_is_another_pairs_and_each_is_used_once() -> None:
    shown = personas_of(ROWS, seed=3)

    assert sorted(shown["shuffled"]) == sorted(shown["chosen"])
    assert not any(one == other for one, other in zip(shown["shuffled"], shown["chosen"], strict=True))


def test_the_base_model_never_sees_a_persona_beside_a_response() -> None:
    for text in pretraining_texts(ROWS):
        assert ("Persona:" in text) != ("Response:" in text)


def test_the_interval_holds_the_mean_and_shrinks_with_the_pairs() -> None:
    values = np.random.default_rng(1).normal(2.0, 1.0, 400)
    mean, low, high = interval(values)
    few = interval(values[:25])

    assert low < mean < high
    assert mean == pytest.approx(values.mean())
    assert high - low < few[2] - few[1]
