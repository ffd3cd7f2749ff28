"""Prompts as models are given them."""

import pytest

from modelhub.prompting.grammar import first_person
from modelhub.prompting.layouts import PersonaStyle, released_first_person, render_prompt, template_version

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
        ("The user just wants short answers.", "I just want short answers."),
        ("The user sometimes prefers depth.", "I sometimes prefer depth."),
        ("The user also often simply enjoys tea.", "I also often simply enjoy tea."),
        ("The user has never been abroad and always asks why.", "I have never been abroad and always ask why."),
        ("The user reads, writes and codes.", "I read, write and code."),
        ("The user reads, writes and codes in Python.", "I read, write and code in Python."),
        ("The user passes, tries, goes and fixes things.", "I pass, try, go and fix things."),
        ("The user either reads or sleeps.", "I either read or sleep."),
        ("The user reads books, writes poems and cooks a lot.", "I read books, write poems and cook a lot."),
        ("The user never cooks but bakes every day.", "I never cook but bake every day."),
        ("The user, a nurse, prefers short answers.", "I, a nurse, prefer short answers."),
        ("The user, who is a nurse, wants short answers.", "I, who am a nurse, want short answers."),
        ("The user, who often works at night, is tired.", "I, who often work at night, am tired."),
        ("The user, a parent of two, with little time, has pets.", "I, a parent of two, with little time, have pets."),
        ("The user does not like tea and doesn’t cook.", "I do not like tea and don’t cook."),
        ("The user can't cook and wouldn't try.", "I can't cook and wouldn't try."),
        ("The user is a nurse. She prefers short answers.", "I am a nurse. I prefer short answers."),
        ("The user loves her job and teaches himself.", "I love my job and teach myself."),
        ("The user thinks he knows best.", "I think I know best."),
        ("The user's work is hard. Their boss helps them.", "My work is hard. My boss helps me."),
        ("This user lives and works in Rome.", "I live and work in Rome."),
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
        ("The user loves her dog and she prefers walks.", "I love my dog and she prefers walks."),
        ("The user helps their mother with her garden.", "I help my mother with her garden."),
        ("The user hates waiting, lines and crowds.", "I hate waiting, lines and crowds."),
        ("The user prefers rules and regulations over chance.", "I prefer rules and regulations over chance."),
        ("The user reads, as always.", "I read, as always."),
        ("The user prefers advice that helps and saves time.", "I prefer advice that helps and saves time."),
    ],
)  # fmt: skip
def test_words_that_do_not_speak_of_the_user_stay(persona: str, expected: str) -> None:
    assert first_person(persona) == expected


@pytest.mark.parametrize("persona", ["I am a nurse and prefer short answers.", "short answers please", ""])
def test_a_persona_in_the_first_person_is_left_alone(persona: str) -> None:
    assert first_person(persona) == persona


@pytest.mark.parametrize("persona", [
    "The user group prefers short answers.", "The user who cooks prefers lists.", "The user-friendly way is best.",
    "The user likes tea and bakes bread.", "The user really, really likes tea.", "The user, a cook, codes daily.",
    "The user is calm, and the user group prefers tea.",
])  # fmt: skip
def test_what_is_not_understood_for_certain_stays_in_the_third_person(persona: str) -> None:
    assert first_person(persona) == persona


@pytest.mark.parametrize("style", list(PersonaStyle))
def test_the_version_of_a_style_is_raised_where_it_renders_otherwise(style: PersonaStyle) -> None:
    assert template_version(style) == ("2" if style == PersonaStyle.FIRST_PERSON else "1")


def test_the_released_variant_changes_the_user_is_only() -> None:
    assert released_first_person("The user values depth.") == "The user values depth."
    assert released_first_person(PERSONA) == "I am practical and prefers short answers."
