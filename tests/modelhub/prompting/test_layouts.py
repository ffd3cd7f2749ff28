"""Prompts as models are given them."""

import pytest

from modelhub.prompting.grammar import first_person
from modelhub.prompting.layouts import PersonaStyle, released_first_person, render_prompt

PERSONA = "The user is practical and prefers short answers."


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        (PersonaStyle.FIELD, f"Prompt: Why?\nPersona: {PERSONA}\nResponse:"),
        (PersonaStyle.FIRST_PERSON, "Prompt: Why? I am practical and prefer short answers.\nResponse:"),
        (PersonaStyle.RELEASED_FIRST_PERSON, "Prompt: Why? I am practical and prefers short answers.\nResponse:"),
        (PersonaStyle.NONE, "Prompt: Why?\nResponse:"),
    ],
)
def test_each_style_has_its_layout(style: PersonaStyle, expected: str) -> None:
    assert render_prompt(prompt="Why?", persona=PERSONA, style=style) == expected


@pytest.mark.parametrize("style", list(PersonaStyle))
def test_an_empty_persona_leaves_no_trace(style: PersonaStyle) -> None:
    assert render_prompt(prompt="Why?", persona=" ", style=style) == "Prompt: Why?\nResponse:"


def test_the_answers_start_follows_the_response_label() -> None:
    rendered = render_prompt(prompt="dour", persona="", style="none", answer_start="Dour sounds like")
    assert rendered == "Prompt: dour\nResponse: Dour sounds like"


@pytest.mark.parametrize(
    ("persona", "expected"),
    [
        ("The user is curious and prefers depth.", "I am curious and prefer depth."),
        ("The user is a careful cook who prefers exact times.", "I am a careful cook who prefers exact times."),
        ("The user values honesty, preferring plain words.", "I value honesty, preferring plain words."),
        ("The user prioritizes safety and wants clear steps.", "I prioritize safety and want clear steps."),
        ("The user has a cat, likes lists and is often tired.", "I have a cat, like lists and am often tired."),
        ("The user likes maps.", "I like maps."),
        ("The user is open, and generally enjoys debate.", "I am open, and generally enjoy debate."),
        ("The user is shy and prefers help with their work.", "I am shy and prefer help with my work."),
        ("The user isn't patient and doesn't like long texts.", "I am not patient and don't like long texts."),
        ("The user's goal is to learn, and the user studies at night.", "My goal is to learn, and I study at night."),
        ("The user is calm. The user watches birds.", "I am calm. I watch birds."),
    ],
)  # fmt: skip
def test_the_first_person_is_grammatical(persona: str, expected: str) -> None:
    assert first_person(persona) == expected


@pytest.mark.parametrize(
    ("persona", "expected"),
    [
        ("The user is loyal to their beliefs and values.", "I am loyal to my beliefs and values."),
        ("The user is keen on tips that save time and is calm.", "I am keen on tips that save time and am calm."),
        ("The user is keen on a tip that works and is cheap.", "I am keen on a tip that works and is cheap."),
        ("The user is kind and helps people with their problems.", "I am kind and help people with their problems."),
    ],
)  # fmt: skip
def test_words_that_do_not_speak_of_the_user_stay(persona: str, expected: str) -> None:
    assert first_person(persona) == expected


@pytest.mark.parametrize("persona", ["I am a nurse and prefer short answers.", "short answers please", ""])
def test_a_persona_in_the_first_person_is_left_alone(persona: str) -> None:
    assert first_person(persona) == persona


def test_the_released_variant_changes_the_user_is_only() -> None:
    assert released_first_person("The user values depth.") == "The user values depth."
    assert released_first_person(PERSONA) == "I am practical and prefers short answers."
