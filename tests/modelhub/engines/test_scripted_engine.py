"""The scripted engine and how it reads personas."""

from pathlib import Path

import pytest

from modelhub.engines import engine_module
from modelhub.engines.base import EngineError, EngineSettings, GenerationRequest, GenerationResult
from modelhub.engines.scripted import create, persona_parts
from tests.modelhub.engines.asking import came_of
from tests.modelhub.live import write_script

KNOWN = "How do I spend free evening number 1?"


def answer(folder: Path, prompt: str, persona: str, **decoding: str) -> str:
    engine = create(EngineSettings(model=str(write_script(folder)), decoding=decoding))
    (result,) = came_of(engine, [GenerationRequest(rendered="", prompt=prompt, persona=persona)])
    assert isinstance(result, GenerationResult)
    return result.text


def test_the_general_style_does_not_look_at_the_persona(tmp_path: Path) -> None:
    assert answer(tmp_path, KNOWN, "The user is a nurse and prefers short answers.") == "Take a walk."


def test_the_tailored_style_takes_trait_and_preference_from_the_persona(tmp_path: Path) -> None:
    text = answer(tmp_path, KNOWN, "I am a nurse and I prefer short answers.", style="tailored")
    assert text == "As you are a nurse, and prefer short answers, stay at home."


def test_known_prompts_are_found_whatever_their_case_and_spacing(tmp_path: Path) -> None:
    assert answer(tmp_path, "  how do i spend\nfree evening number 1? ", "") == "Take a walk."


def test_unknown_prompts_get_the_fallback(tmp_path: Path) -> None:
    text = answer(tmp_path, "Why?", "cats, mostly", style="tailored")
    assert text == "Since you prefer cats, mostly: it depends."


def test_tailored_without_a_persona_is_general(tmp_path: Path) -> None:
    assert answer(tmp_path, KNOWN, "", style="tailored") == "Take a walk."


def test_braces_in_a_persona_are_not_placeholders(tmp_path: Path) -> None:
    text = answer(tmp_path, "Why?", "The user is odd and prefers {trait}.", style="tailored")
    assert text == "Since you prefer {trait}: it depends."


def test_a_rehearsed_failure_hits_only_the_prompts_it_names(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="fail_on"):
        answer(tmp_path, KNOWN, "", fail_on="evening")
    assert answer(tmp_path, "Why?", "", fail_on="evening") == "It depends."


@pytest.mark.parametrize(
    ("persona", "trait", "preference"),
    [
        ("The user is practical and prefers short answers.", "practical", "short answers"),
        ("The user is a parent who prefers plans for their child.", "a parent", "plans for your child"),
        ("I'm a nurse, and I like my answers short!", "a nurse", "your answers short"),
        ("The user values directness, preferring clear words.", "someone who knows what helps you", "clear words"),
        ("The user has two kids and wants quick meals", "someone who has two kids", "quick meals"),
        ("just give me numbers", "someone who knows what helps you", "just give you numbers"),
        ("", "someone who knows what helps you", "answers that fit your own situation"),
    ],
)
def test_personas_of_many_wordings_give_a_trait_and_a_preference(persona: str, trait: str, preference: str) -> None:
    parts = persona_parts(persona)
    assert (parts.trait, parts.preference) == (trait, preference)


def test_a_very_long_persona_is_shortened_at_a_word() -> None:
    assert len(persona_parts("I prefer " + "words and " * 100).preference) <= 140


def test_an_unknown_engine_names_the_known_ones() -> None:
    with pytest.raises(EngineError, match="no engine called 'gpt'.*scripted"):
        engine_module("gpt")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("prompts: [", "not valid YAML"),
        ("prompts: []", "fallback: Field required"),
        ("prompts: [{prompt: a, general: b}]\nfallback: {general: a, tailored: b}", r"prompts\.0\.tailored: Field"),
        ("prompts: []\nfallback: {general: a, tailored: b}\nextra: 1", "extra: Extra inputs"),
    ],
)
def test_a_bad_script_says_where(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "script.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(EngineError, match=message):
        create(EngineSettings(model=str(path)))


@pytest.mark.parametrize("decoding", [{"style": "loud"}, {"temperature": 1}, {"fail_on": 3}])
def test_decoding_settings_it_does_not_know_are_refused(tmp_path: Path, decoding: dict[str, object]) -> None:
    with pytest.raises(EngineError):
        create(EngineSettings(model=str(write_script(tmp_path)), decoding=decoding))
