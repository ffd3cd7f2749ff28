"""Screening says what to look at in a persona, and why; it decides nothing."""

from collections import Counter
from pathlib import Path

import pyarrow.parquet
import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st

from modelhub.profiles import builtin_profiles
from modelhub.screening.flags import Flag
from modelhub.screening.persona_flags import (
    COPIED_WORDS,
    LOOKED_AT,
    found_terms,
    longest_shared,
    persona_form,
    screen_persona,
)

DATA = Path(settings.BASE_DIR).parent / "shared" / "data" / "persona-tailoring"
GOOD = "The user is a patient planner and prefers thorough guidance that leaves nothing open."
PROMPT = "How do I plant tulips in a pot on my balcony?"
RESPONSES = ["Fill the pot with loose soil and set the bulbs close together.", "Buy them when they bloom."]


def kinds(text: str) -> list[str]:
    return [flag.kind for flag in screen_persona(text, prompt=PROMPT, responses=RESPONSES)]


def details(text: str) -> str:
    return " ".join(flag.detail for flag in screen_persona(text, prompt=PROMPT, responses=RESPONSES))


def test_a_persona_as_it_should_be_has_no_flag() -> None:
    assert kinds(GOOD) == []


@pytest.mark.parametrize("text", ["", "  \n"])
def test_a_blank_persona_is_flagged_as_empty_and_nothing_else(text: str) -> None:
    assert kinds(text) == ["empty"]


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("The user is calm and prefers plain words.", "strict"),
        ("The user is a calm, orderly reader and prefers plain words.", "strict"),
        ("The user is calm, and prefers plain words.", "strict"),
        ("The user is a reader who prefers plain words.", "loose"),
        ("The user is calm, preferring plain words.", "loose"),
        ("The user prefers plain words.", "loose"),
        ("The user has a preference for plain words.", "loose"),
        ("the user is calm and prefers plain words.", "loose"),
        ("The user is calm and values plain words.", "other"),
        ("I am calm and prefer plain words.", "other"),
        ("Users prefer plain words.", "other"),
    ],
)
def test_the_form_is_strict_loose_or_neither(text: str, form: str) -> None:
    assert persona_form(text) == form


def test_a_departure_from_the_form_is_flagged_with_what_was_asked_for() -> None:
    (loose,) = screen_persona(GOOD.replace(" and prefers", " who prefers"), prompt=PROMPT, responses=RESPONSES)
    assert loose == Flag("form", "Says what the user prefers, but not as “The user is … and prefers …”.")
    assert kinds("Somebody calm who likes to be told everything in order.") == ["form"]


def test_length_is_flagged_at_both_ends_and_for_a_second_sentence() -> None:
    assert kinds("The user is calm and prefers order.") == ["length"]
    assert kinds(GOOD.removesuffix(".") + " and order" * 15 + ".") == ["length"]
    assert "Has 2 sentences" in details(GOOD + " They take their time.")
    assert kinds("The user is a planner and prefers aids, e.g. Lists or vs. Tables, that leave nothing open.") == []


def test_of_a_persona_without_end_the_beginning_is_looked_at_and_said_to_be() -> None:
    found = details(f"{GOOD} A gun. " + "word " * 200_000 + "A knife.")
    assert f"characters, of which the first {LOOKED_AT} alone were looked at" in found
    assert "“gun”" in found and "knife" not in found


def test_copied_wording_is_shown_as_the_longest_run_of_words() -> None:
    text = "The user is handy and prefers to “fill the pot, with LOOSE soil” over shopping."
    assert "Shares 6 words in a row with a response: “fill the pot with loose soil”." in details(text)
    assert "with the prompt: “in a pot on my balcony”" in details(
        "The user is green-fingered and prefers plants in a pot on my balcony."
    )
    assert COPIED_WORDS == 4
    assert kinds("The user is a gardener and prefers when they bloom early in spring.") == []  # three words


def test_a_prompt_of_one_word_is_copied_when_the_persona_names_it() -> None:
    flags = screen_persona(
        "The user is observant and prefers frugal hints to long-winded tales.", prompt="Frugal", responses=["It is so."]
    )
    assert flags == (Flag("copied", "Shares 1 word with the prompt: “frugal”."),)


@pytest.mark.parametrize(
    ("words", "category"),
    [
        ("a devout Christian", "religion"),
        ("a Muslim", "religion"),
        ("religious", "religion"),
        ("an Asian gardener", "race or ethnicity"),
        ("a Black woman", "race or ethnicity"),
        ("aware of their race", "race or ethnicity"),
        ("a German who gardens", "nationality or origin"),
        ("an immigrant", "nationality or origin"),
        ("a mother of two", "gender or sex"),
        ("sure of himself", "gender or sex"),
        ("gay", "sexual orientation"),
        ("elderly", "age"),
        ("old", "age"),
        ("younger", "age"),
        ("a young adult", "age"),
        ("a 70-year-old", "age"),
        ("a wheelchair user", "disability or health"),
        ("blind", "disability or health"),
        ("overcoming an addiction", "disability or health"),
        ("at ease with scripture", "religion"),
    ],
)
def test_protected_attributes_are_flagged_by_category(words: str, category: str) -> None:
    text = f"The user is {words} and prefers guidance that leaves nothing open."
    assert category in found_terms(text, "protected")
    assert f"Speaks of {category}: “" in details(text)


@pytest.mark.parametrize(
    "words",
    [
        "racing through a race against time",
        "a Christian Bale admirer",
        "open to black and white photography",
        "religiously punctual",
        "drawn to man-made materials",
        "fond of Asian cuisine",
        "an English teacher",
        "a chess expert blind to distractions",
        "embracing change",
        "a seasoned engineer",
    ],
)
def test_words_that_only_look_like_protected_attributes_are_not(words: str) -> None:
    assert found_terms(f"The user is {words} and prefers order.", "protected") == {}


@pytest.mark.parametrize(
    ("words", "category"),
    [
        ("vengeful", "violence"),
        ("manipulative", "deception or abuse"),
        ("racist", "hatred"),
        ("looking for illegal ways", "crime"),
        ("suicidal", "self-harm"),
        ("fond of marijuana", "drugs or sexual content"),
        ("casual about drug use", "drugs or sexual content"),
        ("after pirated films", "crime"),
    ],
)
def test_harm_is_flagged_with_the_words(words: str, category: str) -> None:
    assert list(found_terms(f"The user is {words} and prefers order.", "harm")) == [category]
    assert "harm" in kinds(f"The user is {words} and prefers guidance that leaves nothing open.")


def test_skills_are_no_harm() -> None:
    assert found_terms("The user is skilled at killing time and prefers bath bombs.", "harm") == {}


def test_a_term_found_twice_is_named_once() -> None:
    assert found_terms("A gun is a gun.", "harm") == {"violence": ["gun"]}


@given(st.lists(st.sampled_from("abc"), max_size=12), st.lists(st.sampled_from("abc"), max_size=12))
def test_the_longest_shared_run_is_in_both_and_none_is_longer(first: list[str], second: list[str]) -> None:
    runs = [
        first[start:end]
        for start in range(len(first))
        for end in range(start + 1, len(first) + 1)
        if any(second[place : place + end - start] == first[start:end] for place in range(len(second)))
    ]
    found = longest_shared(" ".join(first), [" ".join(second)])
    assert len(found) == max(map(len, runs), default=0)
    assert not found or found in runs


@pytest.mark.parametrize("profile", builtin_profiles(), ids=lambda profile: profile.name)
def test_the_personas_that_models_are_shown_pass_it_themselves(profile) -> None:
    for shot in profile.exemplars:
        for persona in (shot.chosen_persona, shot.rejected_persona):
            assert screen_persona(persona, prompt=shot.prompt, responses=[shot.chosen, shot.rejected]) == ()
    assert screen_persona(profile.system_persona, prompt="-", responses=[]) == ()


def test_forms_of_the_published_personas() -> None:
    """Of 4,996 published personas 1,226 are said to be strict and 4,806 loose; BeaverTails' 1,996 of them are here.

    The 4,996 are those of the ten comparisons (4 × 499 of BeaverTails, 6 × 500 of the other two). The rest of them is
    not at hand, so that the published counts can be bounded only: what BeaverTails has of each may not exceed them, nor
    leave more to the others than there are.
    """
    path = DATA / "BeaverTails" / "test.parquet"
    if not path.exists():
        pytest.skip(f"{path} is absent: the released data is not part of the project.")
    rows = pyarrow.parquet.read_table(path).to_pylist()
    forms = Counter(persona_form(text) for row in rows for column, text in row.items() if "persona" in column)
    assert forms == {"strict": 879, "loose": 976, "other": 141}
    others = 4_996 - forms.total()
    for published, found in ((1_226, forms["strict"]), (4_806, forms["strict"] + forms["loose"])):
        assert 0 <= published - found <= others
