"""Personas are screened in quick ways, which find what the thorough ones find."""

from pathlib import Path

import pyarrow.parquet
import pytest
import yaml
from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st

from modelhub.screening import persona_flags
from modelhub.screening.persona_flags import COPIED_WORDS, found_terms, longest_shared, screen_persona

DATA = Path(settings.BASE_DIR).parent / "shared" / "data" / "persona-tailoring"


def thorough(text: str, prompt: str, responses: list[str]) -> tuple[dict[str, list[str]], list[str]]:
    """Return the terms that every pattern finds, and the runs that the search for the longest finds copied."""
    terms = {
        category: words
        for kind in ("protected", "harm")
        for category, listed in persona_flags._listed()[kind].items()
        if (words := listed.found(text))
    }
    of_prompt, of_responses = longest_shared(text, [prompt]), longest_shared(text, responses)
    whole = len(of_prompt) == len(longest_shared(prompt, [prompt])) and len(" ".join(of_prompt)) >= 5
    runs = [of_prompt] if len(of_prompt) >= COPIED_WORDS or whole else []
    return terms, [" ".join(run) for run in [*runs, *([of_responses] if len(of_responses) >= COPIED_WORDS else [])]]


def quick(text: str, prompt: str, responses: list[str]) -> tuple[dict[str, list[str]], list[str]]:
    terms = {**found_terms(text, "protected"), **found_terms(text, "harm")}
    flags = [flag for flag in screen_persona(text, prompt=prompt, responses=responses) if flag.kind == "copied"]
    return terms, [flag.detail.partition("“")[2].removesuffix("”.") for flag in flags]


def spelled_terms() -> list[str]:
    """Return every term and exception, with something for each placeholder."""
    data = yaml.safe_load(persona_flags._TERMS.read_text(encoding="utf-8"))
    people, nation = (data.pop(name).split(", ") for name in ("people", "nation"))
    listed = [
        text for categories in data.values() for entry in categories.values() for text in entry.values()
    ]  # fmt: skip
    return [
        " ".join(term.split()).format(
            people=people[number % len(people)], nation=nation[number % len(nation)], number=7
        )
        for number, term in enumerate(", ".join(listed).split(","))
    ]


TERMS = spelled_terms()
ENDS = ("", "s", "S", "-", "ish", "_", "’s", ".", "ß")
CASES = (
    str,
    str.upper,
    str.title,
    str.swapcase,
    lambda text: text.replace("s", "ſ").replace("i", "İ").replace("k", "K"),
)
WORDS = st.one_of(
    st.sampled_from(TERMS), st.sampled_from(["a", "b", "c", "d", "it's", "it’s", "x-y", "É", "ß", "ŉ", "—"])
)
PIECES = st.builds(lambda word, end, case: case(word) + end, WORDS, st.sampled_from(ENDS), st.sampled_from(CASES))
TEXTS = st.lists(PIECES, max_size=12).map(" ".join)
LETTERS = st.lists(st.sampled_from("abcdA"), max_size=25).map(" ".join)


def test_every_term_alone_is_found_the_quick_way() -> None:
    missed = [
        term for term in TERMS for end in ("", "s") if thorough(term + end, "?", [])[0] != quick(term + end, "?", [])[0]
    ]
    assert missed == [] and len(TERMS) > 300


@given(TEXTS, TEXTS, st.lists(TEXTS, max_size=3))
def test_what_is_found_the_quick_way_is_what_a_thorough_search_finds(
    text: str, prompt: str, responses: list[str]
) -> None:
    assert not text.strip() or quick(text, prompt, responses) == thorough(text, prompt, responses)


@given(LETTERS, LETTERS, st.lists(LETTERS, max_size=3))
def test_runs_of_few_words_are_found_wherever_they_stand(text: str, prompt: str, responses: list[str]) -> None:
    assert not text.strip() or quick(text, prompt, responses)[1] == thorough(text, prompt, responses)[1]


@pytest.mark.skipif(not DATA.exists(), reason=f"{DATA} is not here")
def test_real_personas_get_the_flags_of_a_thorough_search() -> None:
    rows = pyarrow.parquet.read_table(DATA / "BeaverTails" / "test.parquet").to_pylist()[::5]
    cases = [
        (row[column], row["prompt"], [row["chosen"], row["rejected"]])
        for row in rows for column in row if "persona" in column and row[column]
    ]  # fmt: skip
    assert len(cases) > 300 and [case for case in cases if quick(*case) != thorough(*case)] == []
