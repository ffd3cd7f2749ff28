"""Hints on a persona while it is written."""

import pytest

from annotation.persona_advice import persona_advice


def met(text: str) -> dict[str, bool]:
    return {advice.key: advice.is_met for advice in persona_advice(text)}


@pytest.mark.parametrize(
    "text",
    [
        "The user is new here and prefers short answers.",
        "The user values their time and wants bullet points.",
        "I am a beginner and prefer pictures to words.",
        "I'm in a hurry, so I like\nshort answers best.",
    ],
)
def test_the_usual_forms_are_recognised_in_the_first_and_the_third_person(text):
    assert met(text) == {"form": True, "length": True, "protected": True}


@pytest.mark.parametrize("text", ["", "cats", "A teacher from the north of the country"])
def test_a_text_without_a_preference_gets_the_hint_on_form(text):
    assert not met(text)["form"]


@pytest.mark.parametrize(("words", "fits"), [(0, False), (5, False), (6, True), (60, True), (61, False)])
def test_one_or_two_sentences_are_the_right_length(words, fits):
    assert met(" ".join(["word"] * words))["length"] is fits


@pytest.mark.parametrize(
    ("text", "attribute"),
    [
        ("The user is a devout Catholic and prefers calm.", "religion"),
        ("The user is 70 years old and prefers large print.", "age"),
        ("The user is deaf and prefers text.", "disability or health"),
        ("I am a woman and prefer directness.", "gender"),
    ],
)
def test_a_protected_attribute_is_named_in_the_hint(text, attribute):
    hint = next(advice for advice in persona_advice(text) if advice.key == "protected")
    assert not hint.is_met
    assert attribute in hint.text


def test_ordinary_words_raise_no_alarm():
    text = "The user is a gardener with a long history of managing whitewashed walls and prefers facts."
    assert met(text)["protected"]
