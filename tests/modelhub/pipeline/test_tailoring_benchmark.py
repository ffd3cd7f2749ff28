"""The measure of the tailoring benchmark: log-probabilities of responses, and what personas are compared."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.tailoring import (
    DIFFERENCES,
    PERSONAS,
    SHUFFLES,
    claim,
    differences,
    in_order,
    interval,
    mean_of_shuffled,
    personas_of,
    pretraining_texts,
    report,
    response_room,
    training_rows,
)
from modelhub.training.config import load_recipe
from modelhub.training.data import build_examples
from modelhub.training.job import DPO, SFT, DataDescription, TrainingJob
from modelhub.training.sft import train_sft
from modelhub.training.trainer import prepare
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


def test_shuffled_personas_are_those_of_other_pairs_and_each_pair_sees_different_ones() -> None:
    shown = personas_of(ROWS, seed=3)
    shuffled = [shown[f"shuffled {number}"] for number in range(1, SHUFFLES + 1)]

    assert all(sorted(personas) == sorted(shown["chosen"]) for personas in shuffled)
    for own, others in zip(shown["chosen"], zip(*shuffled, strict=True), strict=True):
        assert len({own, *others}) == SHUFFLES + 1


def test_too_few_pairs_to_show_each_other_personas_are_refused() -> None:
    with pytest.raises(SystemExit, match=f"{SHUFFLES} test pairs are too few"):
        personas_of(ROWS[:SHUFFLES], seed=0)


def test_the_shuffled_margin_is_the_mean_over_the_shuffles_of_the_same_pair() -> None:
    given = {name: np.zeros((2, 2)) for name in PERSONAS if name != "shuffled"}
    first, second = np.array([[1.0, 10.0], [2.0, 20.0]]), np.array([[3.0, 30.0], [6.0, 60.0]])
    found = mean_of_shuffled({**given, "shuffled 1": first, "shuffled 2": second})

    assert list(found) == list(PERSONAS)
    assert found["shuffled"].tolist() == [[2.0, 20.0], [4.0, 40.0]]


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


def test_the_methods_effect_is_its_difference_over_the_baselines_in_the_same_pairs() -> None:
    noise = np.random.default_rng(2).normal(0.0, 50.0, (200, 2))
    flat = dict.fromkeys(PERSONAS, noise)
    tailored = {**flat, "chosen": noise + [3.0, 0.5]}
    text = report({"none": {**flat, "chosen": noise + [1.0, 0.5]}, "all": tailored})
    effects = text.split("difference over DPO's")[1]

    assert {name: shift.mean() for name, shift in differences(tailored).items()} == pytest.approx(
        {f"{one} − {other}": 1.75 if one == "chosen" else 0.0 for one, other in DIFFERENCES}
    )
    assert "| chosen − shuffled | +2.00 (+2.00 to +2.00) | +0.0000 (+0.0000 to +0.0000) | 100% |" in effects
    assert "| DPO |" not in effects


def test_a_folder_with_models_of_other_settings_is_refused_and_kept(tmp_path: Path) -> None:
    claim(tmp_path, {"seed": 0, "rows": None})
    claim(tmp_path, {"rows": None, "seed": 0})

    with pytest.raises(SystemExit, match="models of other settings"):
        claim(tmp_path, {"seed": 1, "rows": None})
    claim(tmp_path, {"seed": 0, "rows": None})


def test_both_directions_of_a_pair_stand_in_one_batch(tiny_llama: Path, tmp_path: Path) -> None:
    recipe = load_recipe("tiny", settings=["sft.epochs=1", "dpo.batch_size=4"])
    shown = build_examples(training_rows(ROWS[:6]), personas="all", both_responses=True).examples
    data = DataDescription("made up", "train", "val", personas="all")
    sft = TrainingJob(SFT, str(tiny_llama), tmp_path / "sft", recipe, data, shown, shown[:2], seed=0)
    train_sft(sft)
    dpo = replace(sft, kind=DPO, out=tmp_path / "dpo", sft=sft.out)
    trainer = in_order(dpo, prepare(dpo))

    for number, batch in enumerate(trainer.get_train_dataloader()):
        texts = trainer.processing_class.batch_decode(batch["input_ids"])
        for pair in (2 * number, 2 * number + 1):
            for side in ("chosen", "rejected"):
                assert sum(f"Persona: {side} {pair}" in text for text in texts) == 2  # with either response
