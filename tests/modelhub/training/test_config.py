"""Recipes: the paper's, what overrides it, and every mistake at once."""

import re
from pathlib import Path

import pytest

from annotation.errors import ServiceError
from modelhub.training.config import continue_adapter, load_recipe, recipe_names


def test_the_paper_recipe_has_the_published_hyper_parameters() -> None:
    recipe = load_recipe()
    assert (recipe.lora.r, recipe.lora.alpha, recipe.lora.dropout, recipe.lora.bias) == (16, 32, 0.05, "none")
    sft, dpo = recipe.sft, recipe.dpo
    assert (sft.epochs, sft.learning_rate, sft.max_length, sft.batch_size) == (10, 2e-5, 512, 1)
    assert (dpo.epochs, dpo.learning_rate, dpo.beta, dpo.batch_size) == (10, 5e-6, 0.1, 1)
    assert (dpo.max_length, dpo.max_prompt_length) == (512, 128)


def test_every_built_in_recipe_is_complete() -> None:
    assert recipe_names() == ["paper", "tiny"]
    assert all(load_recipe(name) for name in recipe_names())


def test_a_file_overrides_the_recipe_and_single_settings_override_the_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("[dpo]\nbeta = 0.3\nepochs = 2\n", encoding="utf-8")
    recipe = load_recipe("paper", config=file, settings=["dpo.beta=0.2", "sft.scheduler=cosine", "sft.packing=true"])
    assert (recipe.dpo.beta, recipe.dpo.epochs, recipe.dpo.learning_rate) == (0.2, 2, 5e-6)
    assert (recipe.sft.scheduler, recipe.sft.packing) == ("cosine", True)


def test_lists_and_nothing_can_be_set() -> None:
    recipe = load_recipe(settings=['lora.target_modules=["q_proj", "v_proj"]', "dpo.max_prompt_length=none"])
    assert recipe.lora.target_modules == ("q_proj", "v_proj")
    assert recipe.dpo.max_prompt_length is None


def test_every_unknown_key_and_wrong_type_is_named_at_once() -> None:
    with pytest.raises(ServiceError) as caught:
        load_recipe(settings=["dpo.betta=0.2", "sft.epochs=many", "lora.r=0", "beta=0.2", "rl.steps=3"])
    message = str(caught.value)
    for part in ("dpo.betta: is not known", "sft.epochs", "lora.r", "beta=0.2: write section.key=value", "rl: is not"):
        assert part in message
    assert "Known in dpo: " in message


@pytest.mark.parametrize(
    "setting",
    [
        "sft.epochs=true", "sft.epochs='3'", "sft.packing=1", "sft.packing=yes", "sft.learning_rate=inf",
        "dpo.beta=inf",
        "dpo.beta=nan", "sft.weight_decay=inf", "lora.target_modules=[]", "lora.target_modules=", "lora.dropout=true",
    ],
)  # fmt: skip
def test_a_value_of_another_type_or_without_a_bound_is_refused(setting: str) -> None:
    with pytest.raises(ServiceError, match=re.escape(f"- {setting.partition('=')[0]}")):
        load_recipe(settings=[setting])


@pytest.mark.parametrize(
    ("text", "said"), [("[dpo\n", "not valid TOML"), ("[dpo]\nbeta = 'x'\n", "dpo.beta"), ("dpo = 3\n", "dpo")]
)
def test_a_file_that_cannot_be_used_is_refused_by_what_is_wrong(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ServiceError, match=said):
        load_recipe(config=file)


def test_a_missing_file_and_an_unknown_recipe_are_named(tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match=r"nowhere\.toml"):
        load_recipe(config=tmp_path / "nowhere.toml")
    with pytest.raises(ServiceError, match="Built in: paper, tiny"):
        load_recipe("papper")


def test_prompts_must_leave_room_for_responses() -> None:
    with pytest.raises(ServiceError, match="leaves no room for responses"):
        load_recipe(settings=["dpo.max_prompt_length=512"])


def test_dpo_takes_over_the_adapter_settings_of_the_sft_model() -> None:
    smaller = load_recipe(settings=["lora.r=4"]).effective("sft")
    assert continue_adapter(load_recipe(), "paper", smaller).lora.r == 4
    with pytest.raises(ServiceError, match="it cannot have r=8"):
        continue_adapter(load_recipe(settings=["lora.r=8"]), "paper", smaller)
