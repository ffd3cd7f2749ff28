"""Profiles of datasets: four are built in, others are YAML files, and every mistake in one is named."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from annotation.errors import ServiceError
from modelhub.profiles import SHOTS, builtin_profiles, load_profile
from modelhub.screening.persona_flags import longest_shared

DIALOGUE = "\n\nHuman: Is tea warm?\n\nAssistant: Often.\n\nHuman: And ice?\n\n"


def custom() -> dict[str, Any]:
    shot = {"chosen": "Yes.", "rejected": "No.", "chosen_persona": "The user …", "rejected_persona": "The user, …"}
    return {
        "name": "our-data",
        "task": "People ask, and others answer.",
        "system_persona": "The user is kind and prefers kindness.",
        "exemplars": [{"prompt": f"Question {number}?", **shot} for number in range(5)],
    }


def written(folder: Path, data: Any) -> Path:
    path = folder / "ours.yaml"
    path.write_text(data if isinstance(data, str) else yaml.safe_dump(data, allow_unicode=True), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("beavertails", "beavertails"),
        ("BeaverTails", "beavertails"),
        ("PKU-Alignment/BeaverTails", "beavertails"),
        ("SHP", "shp"),
        ("Anthropic HHH", "hhh"),
        ("anthropic_hhh", "hhh"),
        ("Mnemonic", "mnemonic"),
    ],
)
def test_a_dataset_is_known_by_the_names_it_goes_by(name: str, expected: str) -> None:
    assert load_profile(name).name == expected


def test_no_name_belongs_to_two_profiles() -> None:
    names = [name.casefold() for profile in builtin_profiles() for name in (profile.name, *profile.aliases)]
    assert sorted(names) == sorted(set(names))


def test_an_unknown_name_is_told_what_there_is() -> None:
    with pytest.raises(ServiceError, match="no dataset profile 'tails'. Built in: beavertails, hhh, mnemonic, shp"):
        load_profile("tails")


@pytest.mark.parametrize("profile", builtin_profiles(), ids=lambda profile: profile.name)
def test_exemplars_are_complete_and_lean_on_no_length(profile) -> None:
    assert len(profile.exemplars) == SHOTS
    longer = [len(shot.chosen) > len(shot.rejected) for shot in profile.exemplars]
    assert 2 <= sum(longer) <= 3  # chosen is not simply the longer one
    shown = [is_longer if number % 2 == 0 else not is_longer for number, is_longer in enumerate(longer)]
    assert 2 <= sum(shown) <= 3  # nor is the preferred one, as the examples are shown
    personas = [text for shot in profile.exemplars for text in (shot.chosen_persona, shot.rejected_persona)]
    for number, persona in enumerate(personas):
        assert len(longest_shared(persona.partition(" and prefers ")[2], personas[:number])) < 4


def test_speakers_are_stripped_from_both_sides() -> None:
    hhh = load_profile("hhh")
    assert hhh.clean_prompt("\n\nHuman: Is tea warm?\n\n") == "Is tea warm?"
    assert hhh.clean_prompt("Human: Is tea warm?\n\nAssistant:") == "Is tea warm?"
    assert hhh.clean_response("Assistant: Often.") == "Often."
    assert load_profile("shp").clean_prompt("Human: all too human?") == "Human: all too human?"


def test_a_dialogue_keeps_all_its_turns_and_who_said_them() -> None:
    assert load_profile("hhh").clean_prompt(DIALOGUE) == DIALOGUE.strip()
    assert load_profile("hhh").clean_prompt(DIALOGUE + "Assistant:") == DIALOGUE.strip()
    assert load_profile("hhh").clean_response("Assistant: Hm.\n\nHuman: What?") == "Hm.\n\nHuman: What?"


def test_marks_for_line_ends_become_line_ends() -> None:
    assert load_profile("shp").clean_prompt("A title <sep> and a text") == "A title\nand a text"
    assert load_profile("beavertails").clean_prompt("What is <sep>?") == "What is <sep>?"


# As the authors of Mnemonic capitalise: each run of letters by itself, the first one large and the others small.
TERMS = {
    "negligible": "Negligible", " Negligible\n": "Negligible", "de facto": "De Facto",
    "self-effacing": "Self-Effacing", "Self-effacing": "Self-Effacing", "vis-à-vis": "Vis-À-Vis",
    "jack-o'-lantern": "Jack-O'-Lantern", "don't": "Don'T", "will-o’-the-wisp": "Will-O’-The-Wisp",
    "and/or": "And/Or", "e.g.": "E.G.", "catch22b": "Catch22B", "3rd rail": "3Rd Rail", "NATO": "Nato",
    "McGuffin": "Mcguffin", "élan": "Élan", "straße": "Straße", "ßa": "Ssa", "ilk": "Ilk", "ırmak": "Irmak",
    "İzmir": "İzmir", "ǆ": "ǅ", "αβ": "Αβ", "学习": "学习", "42": "42",
}  # fmt: skip


@pytest.mark.parametrize(("prompt", "term"), TERMS.items())
def test_an_answer_starts_with_every_part_of_the_term_capitalised(prompt: str, term: str) -> None:
    assert load_profile("mnemonic").answer_start(prompt) == f"{term} sounds like"


def test_data_sets_without_given_words_have_no_start() -> None:
    assert load_profile("hhh").answer_start("Human: negligible") == ""


@given(st.lists(st.sampled_from(["Human:", "Assistant:", " ", "\n", "<sep>", "tea", "\r\n"]), max_size=12).map("".join))
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    for profile in builtin_profiles():
        once = profile.clean_prompt(text)
        assert profile.clean_prompt(once) == once
        once = profile.clean_response(text)
        assert profile.clean_response(once) == once


def test_a_file_makes_a_profile(tmp_path: Path) -> None:
    data = {**custom(), "answer_start": "{term}:", "prompt_prefixes": ["Q:"], "response_prefixes": ["A:"]}
    profile = load_profile(written(tmp_path, data))
    assert profile.name == "our-data"
    assert profile.clean_prompt("Q: Why?") == "Why?"
    assert profile.answer_start("Q: why") == "why:"
    assert load_profile(str(tmp_path / "ours.yaml")) == profile


def test_every_mistake_in_a_file_is_named_at_once(tmp_path: Path) -> None:
    data = custom()
    del data["task"]
    data |= {"name": "Our Data", "shots": 5, "answer_start": "{word} is", "system_persona": "The user\nis two lines"}
    data["exemplars"][0]["persona"] = "The user …"
    data["exemplars"][1]["chosen"] = " "
    data["exemplars"][2]["rejected"] = "Yes."
    with pytest.raises(ServiceError) as caught:
        load_profile(written(tmp_path, data))
    message = str(caught.value)
    assert message.startswith(f"The profile {tmp_path / 'ours.yaml'} has mistakes:\n")
    for problem in (
        "- task: is missing",
        "- name: must be small letters, digits, - and _",
        "- shots: is no key of a profile; these are: name, aliases, task",
        "- answer_start: only {term} and {Term} can stand in braces",
        "- system_persona: must be one line",
        "- exemplars[0].persona: is unknown",
        "- exemplars[1].chosen: is empty",
        "- exemplars[2]: chosen and rejected are the same text",
    ):
        assert problem in message


@pytest.mark.parametrize("count", [4, 6])
def test_exemplars_are_five(tmp_path: Path, count: int) -> None:
    data = custom()
    data["exemplars"] = [{**data["exemplars"][0], "prompt": f"{number}?"} for number in range(count)]
    with pytest.raises(ServiceError, match=r"exemplars: .* at (least|most) 5 items"):
        load_profile(written(tmp_path, data))


def test_the_same_prompt_in_two_exemplars_is_refused(tmp_path: Path) -> None:
    data = custom()
    data["exemplars"][4]["prompt"] = "Question 0?"
    with pytest.raises(ServiceError, match="two exemplars have the same prompt"):
        load_profile(written(tmp_path, data))


def test_a_key_given_twice_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, yaml.safe_dump(custom()) + "name: other\n")
    with pytest.raises(ServiceError, match="name: stands here twice, the second time on line"):
        load_profile(path)
    path = written(tmp_path, "name: other\nname: another\n")
    with pytest.raises(ServiceError, match=r"name: stands here twice.*\n(?s:.*)- task: is missing"):
        load_profile(path)


@pytest.mark.parametrize(
    ("content", "message"), [("- a\n- b\n", "must be a mapping"), ("a: [", "not readable as YAML"), ("", "a mapping")]
)
def test_a_file_that_is_no_profile_is_refused(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(ServiceError, match=message):
        load_profile(written(tmp_path, content))


def test_a_file_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match=r"none\.yml cannot be read: No such file"):
        load_profile(tmp_path / "none.yml")
    (tmp_path / "latin.yaml").write_bytes("name: é".encode("latin-1"))
    with pytest.raises(ServiceError, match="not in UTF-8"):
        load_profile(tmp_path / "latin.yaml")
