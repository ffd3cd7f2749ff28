"""The prompt that asks for a persona treats both responses alike; the persona is read from whatever comes back."""

import re
from pathlib import Path

import pyarrow.parquet
import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st

from modelhub.profiles import SHOTS, DatasetProfile, builtin_profiles, load_profile
from modelhub.prompting.persona_inference import DIRECTIONS, INFERENCE_TEMPLATE, parse_persona, render_inference

GOLDEN = Path(settings.BASE_DIR) / "tests" / "golden"
DATA = Path(settings.BASE_DIR).parent / "shared" / "data" / "persona-inference"
LABELS = ["Prompt:", "Preferred response:", "Other response:", "Persona:"]
SENTENCE = "The user is calm and prefers order."
# Texts with everything that could be taken for our layout.
TRICKY = st.lists(
    st.sampled_from(
        ["Prompt: ", "Persona: ", "Preferred response: ", "\n", "\n\n", "\r", "\u2028", "\x0b", " ", "tea"]
    ),
    max_size=10,
).map(lambda parts: "".join(parts) + "x")


def rendered(direction: str = "chosen", dataset: str = "beavertails", **changes) -> str:
    texts = {"prompt": "Is tea warm?", "chosen": "Yes, mostly.", "rejected": "No idea."} | changes
    return render_inference(load_profile(dataset), direction=direction, **texts)


@pytest.mark.parametrize("dataset", ["beavertails", "hhh", "mnemonic", "shp"])
def test_rendered_prompts_are_as_recorded(dataset: str) -> None:
    text = render_inference(
        load_profile(dataset),
        prompt="\n\nHuman: Is tea\n\nPrompt: warm?\n\n",
        chosen="Assistant: Yes.",
        rejected="Assistant: No.",
        direction="rejected",
        shots=2,
    )
    recorded = (GOLDEN / f"inference_{dataset}.txt").read_text(encoding="utf-8")
    # A prompt changed? Raise the version in INFERENCE_TEMPLATE, and record it anew.
    assert f"{INFERENCE_TEMPLATE}\n\n{text}\n" == recorded


def test_it_holds_five_examples_and_ends_ready_to_be_completed() -> None:
    instructions, *blocks = rendered().split("\n\n")
    assert "The user is [attribute] and prefers [explanation]" in instructions
    assert len(blocks) == SHOTS + 1
    for block in blocks:
        assert [line.partition(":")[0] + ":" for line in block.splitlines() if not line.startswith("  ")] == LABELS
    assert blocks[-1].endswith("\nPersona:")
    assert all(re.search(r"\nPersona: The user is .+ and prefers .+$", block) for block in blocks[:-1])


def test_the_two_directions_are_one_prompt_with_the_responses_exchanged() -> None:
    assert rendered("rejected") == rendered("chosen", chosen="No idea.", rejected="Yes, mostly.")
    assert "Preferred response: Yes, mostly.\nOther response: No idea.\nPersona:" in rendered("chosen")
    assert "Preferred response: No idea.\nOther response: Yes, mostly.\nPersona:" in rendered("rejected")


@pytest.mark.parametrize("profile", builtin_profiles(), ids=lambda profile: profile.name)
def test_nothing_says_which_response_the_data_call_chosen(profile: DatasetProfile) -> None:
    for direction in DIRECTIONS:
        text = render_inference(profile, prompt="p?", chosen="one", rejected="two", direction=direction)
        assert not re.search(r"chosen|reject", text, re.IGNORECASE)


def test_examples_show_both_personas_by_turns() -> None:
    text = rendered()
    for number, shot in enumerate(load_profile("beavertails").exemplars):
        shown, hidden = shot.chosen_persona, shot.rejected_persona
        if number % 2:
            shown, hidden = hidden, shown
        assert f"\nPersona: {shown}\n\n" in text
        assert hidden not in text


def test_fewer_examples_can_be_shown() -> None:
    profile = load_profile("shp")
    for shots in range(SHOTS + 1):
        text = render_inference(profile, prompt="p", chosen="c", rejected="r", direction="chosen", shots=shots)
        assert text.count("\nPrompt: ") == shots + 1


def test_labels_in_a_text_cannot_be_taken_for_ours() -> None:
    text = rendered(chosen="Yes.\n\nPrompt: Is ice cold?\nPersona: The user is mine.", dataset="beavertails")
    assert "Preferred response: Yes.\n  \n  Prompt: Is ice cold?\n  Persona: The user is mine.\nOther" in text


@given(prompt=TRICKY, chosen=TRICKY, rejected=TRICKY, direction=st.sampled_from(DIRECTIONS))
def test_no_text_breaks_the_layout(prompt: str, chosen: str, rejected: str, direction: str) -> None:
    text = rendered(direction, prompt=prompt, chosen=chosen, rejected=rejected)
    blocks = text.split("\n\n")
    assert len(blocks) == SHOTS + 2
    assert text.count("\nPrompt:") == text.count("\nPersona:") == SHOTS + 1
    lines = blocks[-1].splitlines()
    assert [line.partition(":")[0] + ":" for line in lines if not line.startswith("  ")] == LABELS


@pytest.mark.parametrize("changes", [{"prompt": " "}, {"chosen": ""}, {"rejected": "\n"}])
def test_a_blank_text_is_refused(changes: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="is empty: a prompt about personas needs all its parts"):
        rendered(**changes)


def test_a_wrong_direction_and_a_wrong_number_of_examples_are_refused() -> None:
    with pytest.raises(ValueError, match="chosen or rejected, not 'both'"):
        rendered("both")
    with pytest.raises(ValueError, match="shots must be 0 to 5, not 6"):
        render_inference(load_profile("shp"), prompt="p", chosen="c", rejected="r", direction="chosen", shots=6)


@pytest.mark.parametrize("dataset", ["Anthropic HHH", "BeaverTails", "Mnemonic", "SHP"])
def test_real_pairs_are_rendered_in_both_directions(dataset: str) -> None:
    path = DATA / dataset / "train.parquet"
    if not path.exists():
        pytest.skip(f"{path} is absent: the released data is not part of the project.")
    profile = load_profile(dataset)
    for row in pyarrow.parquet.read_table(path).to_pylist():
        for direction in DIRECTIONS:
            last = render_inference(profile, direction=direction, **row).split("\n\n")[-1]
            assert re.fullmatch(
                r"Prompt: (?!Human:|\s).+\nPreferred response: (?!Assistant:|\s).+\nOther response: (?!Assistant:|\s).+"
                r"\nPersona:",
                last,
                re.DOTALL,
            )


@pytest.mark.parametrize(
    "answer",
    [
        SENTENCE,
        f" {SENTENCE}\n",
        f"\n\n{SENTENCE}\n\nPrompt: another",
        f"Persona: {SENTENCE}",
        f"**Persona:** {SENTENCE}",
        f"**Persona: {SENTENCE}**",
        f"*Persona:* *{SENTENCE}*",
        f"User persona: {SENTENCE}",
        f"**Persona**\n: {SENTENCE}".replace("\n", ""),
        f"Persona:\n{SENTENCE}",
        f"Here is the persona:\n\n{SENTENCE}",
        f'"{SENTENCE}"',
        f"“{SENTENCE}”",
        f'"Persona: {SENTENCE}"',
        f'Persona: "{SENTENCE}"',
        f"[{SENTENCE}]",
        f"- {SENTENCE}",
        f"1. {SENTENCE}",
        f"> {SENTENCE}",
        f"## {SENTENCE}",
        SENTENCE.replace("calm", "**calm**"),
        SENTENCE.replace(" ", "  "),
        f"```\n{SENTENCE}\n```",
        f"<think>The first?\nThe user is hasty.</think>\n\n{SENTENCE}",
    ],
)
def test_the_persona_is_read_from_many_kinds_of_answer(answer: str) -> None:
    assert parse_persona(answer) == SENTENCE


def test_a_label_repeated_by_a_model_that_has_lost_its_way_is_taken_off_in_one_go() -> None:
    # Taken off one by one, they would take the better part of an hour.
    assert parse_persona("Persona: " * 1_000_000 + SENTENCE) == SENTENCE


@pytest.mark.parametrize("answer", ["", " \n\n", "***", "…", "1.", "Persona:", '""', "<think>The user is", "Sure:\n"])
def test_an_answer_without_a_persona_gives_none(answer: str) -> None:
    assert parse_persona(answer) == ""


@pytest.mark.parametrize("text", ['The user is "bold" and prefers "big".', "'Calm' users are 'calm'", "It’s theirs"])
def test_quotes_inside_a_sentence_stay(text: str) -> None:
    assert parse_persona(text) == text


@given(st.text(max_size=80))
def test_a_persona_is_one_line_and_reading_it_again_changes_nothing(text: str) -> None:
    persona = parse_persona(text)
    assert len(persona.splitlines()) <= 1
    assert persona == persona.strip()
    assert parse_persona(persona) == persona
