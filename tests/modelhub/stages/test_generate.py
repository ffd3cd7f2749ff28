"""What systems answer to stored pairs: which persona each is given, what is kept, and what is made once only."""

import io
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from modelhub.engines.transformers import basemodels
from modelhub.models import Generation, PairOutput, PreferencePair, RetrievedPersona, Run, System
from modelhub.profiles import load_profile
from modelhub.prompting.layouts import PersonaStyle
from modelhub.queries.persona_sources import persona_key
from modelhub.runs.lifecycle import run_start
from modelhub.systems.registering import system_register
from tests.factories import make_user
from tests.modelhub.pair_rows import make_pair, make_persona, make_system, picking_script

pytestmark = pytest.mark.django_db

SOURCES = ("none", "gold_chosen", "gold_rejected", "retrieved_chosen", "retrieved_rejected", "system")


def make_data(dataset: str = "BeaverTails", count: int = 4) -> None:
    """Pairs with both personas each, and for every one a training pair with its own two."""
    inferring, run = make_system(), run_start(stage="retrieve_personas", arguments={})
    for row in range(1, count + 1):
        pair, source = (
            make_pair(dataset, split, row, prompt=f"{split} {row}: how do I bake?") for split in ("test", "sft_train")
        )
        for one in (pair, source):
            for direction in ("chosen", "rejected"):
                make_persona(one, direction, inferring, f"The user is {one.split} {direction} and prefers {row}.")
        RetrievedPersona.objects.create(pair=pair, source=source, retriever="colbert", rank=1, run=run)


def register(folder: Path, name: str = "A", style: str = "field", **decoding: Any) -> System:
    script = picking_script(folder, "x")
    decoding = {"style": "tailored", **decoding}
    return system_register(
        name=name, engine="scripted", model=str(script), persona_style=style, decoding=decoding
    )  # fmt: skip


def generate(*arguments: str, dataset: str = "BeaverTails") -> str:
    out = io.StringIO()
    call_command("generate", "--dataset", dataset, *arguments, stdout=out)
    return out.getvalue()


def test_every_source_gives_its_own_persona_to_every_pair(tmp_path: Path) -> None:
    make_data()
    register(tmp_path)
    assert "24 outputs made, 0 failed" in generate("--system", "A", "--persona", *SOURCES)
    given = {
        (one.pair.row, one.source): one.persona
        for one in PairOutput.objects.filter(pair__split="test").select_related("pair")
    }
    for row in range(1, 5):
        assert [given[row, source] for source in SOURCES] == [
            "",
            f"The user is test chosen and prefers {row}.",
            f"The user is test rejected and prefers {row}.",
            f"The user is sft_train chosen and prefers {row}.",
            f"The user is sft_train rejected and prefers {row}.",
            load_profile("BeaverTails").system_persona,
        ]
    assert PairOutput.objects.count() == 24


def test_answers_begin_with_every_part_of_the_term_capitalised_and_no_run_mixes_this_with_an_earlier_rule(
    tmp_path: Path,
) -> None:
    make_pair("Mnemonic", "test", 1, prompt="self-effacing")
    register(tmp_path)
    generate("--system", "A", "--persona", "none", dataset="Mnemonic")
    made = PairOutput.objects.get()
    assert made.generation.given_prompt == "Prompt: self-effacing\nResponse: Self-Effacing sounds like"
    assert made.text.startswith("Self-Effacing sounds like ")
    Run.objects.update(conditions={"template": "1", "answer_start": "{Term} sounds like"})
    with pytest.raises(CommandError, match="under other conditions.*every part capitalised"):
        generate("--system", "A", "--persona", "none", dataset="Mnemonic")


def test_an_output_keeps_its_persona_its_prompt_as_rendered_and_its_run(tmp_path: Path) -> None:
    make_data(count=1)
    register(tmp_path)
    generate("--system", "A", "--persona", "gold_chosen", "none")
    tailored, generic = (PairOutput.objects.get(source=source) for source in ("gold_chosen", "none"))
    assert tailored.generation.given_prompt == (
        "Prompt: test 1: how do I bake?\nPersona: The user is test chosen and prefers 1.\nResponse:"
    )
    assert generic.generation.given_prompt == "Prompt: test 1: how do I bake?\nResponse:"
    assert (tailored.text, generic.text) == ("An answer for you.", "An answer.")
    assert tailored.persona_key == persona_key(tailored.persona) and len(tailored.persona_key) == 12
    assert (generic.persona, generic.persona_key) == ("", "")
    run = tailored.run
    assert (run.stage, run.state, run.total, run.done) == ("generate", "finished", 2, 2)
    assert tailored.generation.run == run and tailored.generation.finish_reason == "stop"
    assert run.arguments["selection"] == "test gold_chosen+none"


def test_the_prompt_is_given_as_it_is_stored_like_in_training(tmp_path: Path) -> None:
    make_pair("HHH", "test", 1, prompt="Human: How do I bake?\n\nAssistant:")
    register(tmp_path)
    generate("--system", "A", "--persona", "none", dataset="HHH")
    assert PairOutput.objects.get().generation.given_prompt == (
        "Prompt: Human: How do I bake?\n\nAssistant:\nResponse:"
    )


def test_every_system_is_given_personas_in_its_own_way(tmp_path: Path) -> None:
    make_data(count=1)
    for style in PersonaStyle:
        register(tmp_path, style, style)
    generate("--system", *PersonaStyle, "--persona", "gold_chosen")
    prompts = dict(PairOutput.objects.values_list("system__name", "generation__rendered_prompt"))
    asked = "Prompt: test 1: how do I bake?"
    assert prompts == {
        "field": f"{asked}\nPersona: The user is test chosen and prefers 1.\nResponse:",
        "first_person": f"{asked} I am test chosen and prefer 1.\nResponse:",
        "released_first_person": f"{asked} I am test chosen and prefers 1.\nResponse:",
        "system_message": "Answer in the way that suits this user best. The user is test chosen and prefers 1.\n\n"
        f"{asked}\nResponse:",
        "none": f"{asked}\nResponse:",
    }


def test_answers_of_mnemonics_start_as_they_must_and_are_whole(tmp_path: Path) -> None:
    make_pair("Mnemonic", "test", 1, prompt="aphoristic", chosen="", rejected="")
    register(tmp_path)
    generate("--system", "A", "--persona", "none", "system", dataset="Mnemonic")
    outputs = {one.source: one for one in PairOutput.objects.all()}
    assert outputs["none"].text == "Aphoristic sounds like An answer."
    assert outputs["system"].generation.given_prompt.endswith("\nResponse: Aphoristic sounds like")


def test_pairs_without_a_persona_are_counted_and_named(tmp_path: Path) -> None:
    make_data()
    RetrievedPersona.objects.filter(pair__row__in=[2, 4]).delete()
    register(tmp_path)
    said = generate("--system", "A", "--persona", "retrieved_chosen", "none")
    assert "2 of 4 pairs have no persona of retrieved_chosen and get no output: rows 2, 4." in said
    assert Counter(PairOutput.objects.values_list("source", flat=True)) == {"none": 4, "retrieved_chosen": 2}


def test_the_page_of_the_run_shows_what_it_answered(tmp_path: Path, client: Client) -> None:
    make_data(count=2)
    register(tmp_path)
    generate("--system", "A", "--persona", "gold_chosen")
    client.force_login(make_user("admin", is_superuser=True))
    page = client.get(reverse("modelhub:run", args=[Run.objects.get(stage="generate").key])).content.decode()
    assert "Answers (2)" in page and page.count("An answer for you.") == 2
    assert "Gold, of the chosen response, A" in page


def test_the_same_command_makes_nothing_again_and_goes_on_where_it_was(tmp_path: Path) -> None:
    make_data()
    register(tmp_path)
    arguments = ("--system", "A", "--persona", "gold_chosen", "none")
    assert "3 outputs made" in generate(*arguments, "--limit", "3")
    assert "5 outputs made" in generate(*arguments)
    assert "0 outputs made" in generate(*arguments)
    assert PairOutput.objects.count() == 8


def test_another_persona_of_the_same_pair_is_another_output(tmp_path: Path) -> None:
    make_data(count=2)
    second = make_system("second")
    for pair in PreferencePair.objects.filter(split="test"):
        make_persona(pair, "chosen", second, f"The user is new and prefers {pair.row}.")
    register(tmp_path)
    generate("--system", "A", "--persona", "gold_chosen", "--inferring-system", "inferrer")
    generate("--system", "A", "--persona", "gold_chosen", "--inferring-system", "second")
    assert PairOutput.objects.filter(source="gold_chosen").count() == 4
    with pytest.raises(CommandError, match="Several systems have inferred personas"):
        generate("--system", "A", "--persona", "gold_chosen")


def test_a_profile_with_another_start_of_answers_does_not_mix_with_the_first(tmp_path: Path) -> None:
    make_data(count=2)
    register(tmp_path)
    generate("--system", "A", "--persona", "none", "--limit", "1")
    for more in ([], ["--dry-run"]):
        with pytest.raises(CommandError, match="under other conditions"):
            generate("--system", "A", "--persona", "none", "--profile", "mnemonic", *more)


def test_a_dry_run_shows_the_prompts_of_each_system_and_writes_nothing(tmp_path: Path) -> None:
    make_data()
    register(tmp_path)
    register(tmp_path, "B", "first_person")
    said = generate("--system", "A", "B", "--persona", "gold_chosen", "--dry-run")
    assert said.count("4 outputs to make") == 2 and "I am test chosen" in said and "\nPersona: " in said
    assert not Run.objects.filter(stage="generate").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--system", "ghost", "--persona", "none"), "no system called 'ghost'"),
        (("--system", "inferrer", "--persona", "none"), "inferrer: imported texts only"),
        (("--system", "A", "--persona", "none", "--split", "dev"), "has no split dev"),
        (("--system", "A", "--persona", "retrieved_chosen", "--rank", "2"), "No pair of .* has a persona of retrieved"),
        (("--system", "A", "--persona", "retrieved_chosen", "--retriever", "x"), "'x' has retrieved nothing"),
        (("--system", "A", "--persona", "written"), "invalid choice: 'written'"),
    ],
)
def test_what_cannot_be_made_is_said(tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    make_data(count=1)
    register(tmp_path)
    with pytest.raises(CommandError, match=says):
        generate(*arguments)
    assert not PairOutput.objects.exists()


def test_two_adapters_answer_differently_on_one_base_that_is_loaded_once(
    tiny_llama: Path, tiny_adapters: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[str] = []
    original = basemodels._load

    def load(name: str, **settings: Any) -> Any:
        loaded.append(name)
        return original(name, **settings)

    monkeypatch.setattr(basemodels, "_load", load)
    for row, task in enumerate(("bake bread", "grow tomatoes"), start=1):
        make_pair("BeaverTails", "test", row, prompt=f"How do I {task}?")
    for name, adapter in {"base": "", **tiny_adapters}.items():
        system_register(
            name=name, engine="transformers", model=str(tiny_llama), adapter=str(adapter), persona_style="field",
            decoding={"max_new_tokens": 40}, options={"device": "cpu"},
        )  # fmt: skip
    generate("--system", "base", "brief", "stepwise", "--persona", "none")
    texts = {name: {one.text for one in PairOutput.objects.filter(system__name=name)} for name in ("brief", "stepwise")}
    assert all(text.startswith("In short") for text in texts["brief"])
    assert all(text.startswith("First,") for text in texts["stepwise"])
    assert len(loaded) == 1
    for made in Generation.objects.filter(system__name="base"):
        assert made.prompt_tokens and made.completion_tokens and made.completion_tokens <= 40 and made.seconds


def test_a_real_model_takes_exemplars_before_its_prompt(tiny_llama: Path) -> None:
    inferring = make_system()
    for row in (1, 2):
        pair = make_pair("BeaverTails", "fewshot", row, prompt=f"How do I run {row}?", chosen=f"Run slowly {row}.")
        make_persona(pair, "chosen", inferring)
    make_pair("BeaverTails", "test", 1, prompt="How do I grow tomatoes?")
    call_command(
        "register_system", "few-shot", "--engine", "transformers", "--model", str(tiny_llama), "--few-shot",
        "BeaverTails", "--shots", "2", "--decoding", '{"max_new_tokens": 20}', "--options", '{"device": "cpu"}',
    )  # fmt: skip
    generate("--system", "few-shot", "--persona", "system")
    output = PairOutput.objects.get()
    assert output.generation.given_prompt.count("Prompt: ") == 3
    assert output.generation.prompt_tokens and output.generation.prompt_tokens > 60
