"""Prompts that are lists of messages: stored as one text, and the same turns again."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.prompts_display import join_turns, split_turns
from tests.annotation.studyfiles import complaints, definition, study_data, write

TALK = [
    {"role": "user", "content": "My dog barks."},
    {"role": "assistant", "content": "How old?\nAnd since when?"},
    {"role": "user", "content": "Two."},
]
STORED = "Human: My dog barks.\n\nAssistant: How old?\nAnd since when?\n\nHuman: Two."
PERSONA = "A shift worker."


def test_messages_are_stored_as_one_text_in_the_file_in_practice_and_in_rows(tmp_path: Path) -> None:
    (tmp_path / "items.jsonl").write_text(json.dumps({"id": "b", "prompt": TALK, "persona": PERSONA}), encoding="utf-8")
    made = definition(
        tmp_path,
        items=[
            {"id": "a", "prompt": TALK, "persona": PERSONA},
            {"id": "c", "prompt": "Rest?"},
            {"file": "items.jsonl"},
        ],
        practice=[{"prompt": TALK, "persona": PERSONA, "responses": ["x", "y"]}],
    )
    assert [item.prompt for item in made.items] == [STORED, "Rest?", STORED]
    assert made.practice[0].prompt == STORED


def test_a_single_message_is_a_plain_prompt() -> None:
    assert join_turns([{"role": "user", "content": "Why?"}]) == "Why?"


WORDS = st.text(alphabet="Hua:sn \n.", min_size=1, max_size=20).filter(lambda text: text.strip())


@given(st.lists(st.tuples(st.sampled_from(["user", "assistant"]), WORDS), min_size=1, max_size=5))
def test_what_is_stored_comes_apart_into_the_same_turns_or_is_refused(turns: list[tuple[str, str]]) -> None:
    messages = [{"role": role, "content": text} for role, text in [*turns, ("user", "And?")]]
    speakers = {"user": "Human", "assistant": "Assistant"}
    assert split_turns(join_turns(messages)) == [
        (speakers[str(one["role"])], str(one["content"]).strip()) for one in messages
    ]


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ([], "must end with a message of the role user"),
        ([*TALK, {"role": "assistant", "content": "Hm."}], "must end with a message of the role user"),
        ([{"role": "system", "content": "Be kind."}, *TALK], "message 1 has the role 'system'"),
        ([{"role": "user", "text": "x"}], "message 1 must be a mapping of `role` and `content`"),
        ([{"role": "user", "content": " "}], "message 1 must have a text as its content"),
        ([*TALK, {"role": "user", "content": "He said\nHuman: no"}], "that would be a new turn"),
    ],
)
def test_a_list_that_is_no_conversation_is_refused(tmp_path: Path, prompt: object, said: str) -> None:
    items = [{"id": "a", "prompt": prompt, "persona": PERSONA}, {"id": "b", "prompt": "Rest?"}]
    (told,) = complaints(write(tmp_path, study_data(items=items)))
    assert "items[0].prompt" in told and said in told
