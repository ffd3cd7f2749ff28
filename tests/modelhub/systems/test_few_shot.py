"""Few-shot as a strategy: which exemplars are taken, and what a model is given with them."""

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from modelhub.models import PreferencePair, System
from modelhub.systems.requests import generation_request
from tests.modelhub.pair_rows import make_pair, make_persona, make_system, picking_script

pytestmark = pytest.mark.django_db

GOLDEN = """Prompt: How do I bake?
Persona: The user is calm and prefers steps.
Response: Bake sounds like cake. First, mix.

Prompt: How do I cook?
Persona: The user is rash and prefers brevity.
Response: Boil it.

Prompt: How do I run?
Persona: The user is old and prefers care.
Response:"""


def make_few_shot() -> None:
    """Three rows of a few-shot split; the second has no persona."""
    inferring = make_system()
    for row, (prompt, chosen, persona) in enumerate(
        [
            ("How do I bake?", "Bake sounds like cake. First, mix.", "The user is calm and prefers steps."),
            ("How do I dye?", "Dye it.", ""),
            ("How do I cook?", "Boil it.", "The user is rash and prefers brevity."),
        ],
        start=1,
    ):
        pair = make_pair("advice", "fewshot", row, prompt=prompt, chosen=chosen, rejected=f"No {row}.")
        if persona:
            make_persona(pair, "chosen", inferring, persona)
            make_persona(pair, "rejected", inferring, f"The user rejects {row}.")


def register(folder: Path, *options: str) -> System:
    model = str(picking_script(folder, "x"))
    call_command("register_system", "few-shot", "--engine", "scripted", "--model", model, *options)
    return System.objects.get(name="few-shot")


def test_the_model_is_given_the_exemplars_in_its_own_layout_and_then_the_prompt(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_few_shot()
    system = register(tmp_path, "--few-shot", "advice", "--shots", "2")
    request = generation_request(system, prompt="How do I run?", persona="The user is old and prefers care.")
    assert request.rendered == GOLDEN
    assert "Passed over, without a persona or a response: row 2." in capsys.readouterr().out


def test_exemplars_of_the_rejected_side_have_its_responses(tmp_path: Path) -> None:
    make_few_shot()
    system = register(tmp_path, "--few-shot", "advice/fewshot", "--shots", "2", "--few-shot-persona", "rejected")
    assert [(one["persona"], one["response"]) for one in system.exemplars] == [
        ("The user rejects 1.", "No 1."), ("The user rejects 3.", "No 3."),
    ]  # fmt: skip


def test_without_personas_the_chosen_responses_are_shown_and_every_row_counts(tmp_path: Path) -> None:
    make_few_shot()
    style = ("--persona-style", "system_message")
    system = register(tmp_path, "--few-shot", "advice", "--shots", "3", "--few-shot-persona", "none", *style)
    assert [one["response"] for one in system.exemplars] == [
        "Bake sounds like cake. First, mix.",
        "Dye it.",
        "Boil it.",
    ]
    request = generation_request(system, prompt="How do I run?", persona="The user is old.")
    assert "Persona" not in request.rendered and request.system_message.endswith("The user is old.")


def test_exemplars_are_part_of_what_a_system_is(tmp_path: Path) -> None:
    make_few_shot()
    plain = register(tmp_path).fingerprint
    two = register(tmp_path, "--few-shot", "advice", "--shots", "2").fingerprint
    one = register(tmp_path, "--few-shot", "advice", "--shots", "1").fingerprint
    assert len({plain, one, two}) == 3


def test_too_few_rows_are_refused_and_those_passed_over_named(tmp_path: Path) -> None:
    make_few_shot()
    with pytest.raises(CommandError, match=r"gives 2 exemplars of the 5 asked for.*row 2\."):
        register(tmp_path, "--few-shot", "advice")
    assert not System.objects.filter(name="few-shot").exists()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--few-shot", "advice/nowhere"), "advice has no split nowhere"),
        (("--few-shot", "elsewhere"), "no data set called 'elsewhere'"),
        (("--shots", "3"), "--shots needs --few-shot or --exemplars-from"),
        (("--few-shot", "advice", "--few-shot-system", "ghost"), "no system called 'ghost'"),
        (("--few-shot", "advice", "--shots", "2", "--persona-style", "none"), "give --few-shot-persona none"),
    ],
)
def test_what_cannot_be_is_named(tmp_path: Path, options: tuple[str, ...], says: str) -> None:
    make_few_shot()
    with pytest.raises(CommandError, match=says):
        register(tmp_path, *options)


def test_the_few_rows_of_other_splits_are_left_alone(tmp_path: Path) -> None:
    make_few_shot()
    make_pair("advice", "test", 1, prompt="How do I test?")
    system = register(tmp_path, "--few-shot", "advice", "--shots", "2")
    assert PreferencePair.objects.filter(split="test").exists()
    assert "How do I test?" not in [one["prompt"] for one in system.exemplars]
