"""Where an answer ends, and why."""

import pytest

from modelhub.prompting.endings import FinishReason, before_end, completion, text_behind_end, whole_answer

MARKS = [
    "<|end_of_text|>", "<|eot_id|>", "<|eom_id|>", "</s>", "<|endoftext|>", "<|im_end|>", "<eos>", "<end_of_turn>",
    "<|end|>", "<|return|>", "<|END_OF_TURN_TOKEN|>", "<｜end▁of▁sentence｜>",
]  # fmt: skip


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("reported", ["stop", "length", "unknown"])
def test_an_end_of_text_token_ends_an_answer_whatever_is_reported(mark: str, reported: FinishReason) -> None:
    made = completion(f"Done.{mark}junk{mark}", reported=reported)
    assert (made.text, made.finish_reason) == ("Done.", "stop")
    assert (before_end(f"Done.{mark}junk{mark}"), text_behind_end(f"Done.{mark}junk{mark}")) == ("Done.", "junk")


@pytest.mark.parametrize("reported", ["stop", "length", "unknown"])
def test_a_text_without_an_end_ended_for_the_reason_that_is_reported(reported: FinishReason) -> None:
    made = completion("Cut o", reported=reported)
    assert (made.text, made.finish_reason) == ("Cut o", reported)
    assert (before_end("Cut o"), text_behind_end("Cut o")) == ("Cut o", "")


@pytest.mark.parametrize(
    ("text", "stop", "expected"),
    [
        ("one two three", ("three", "two"), ("one ", "stop")),
        ("one</s> two", ("two",), ("one", "stop")),
        ("one two</s>", ("two",), ("one ", "stop")),
        ("one", ("two",), ("one", "length")),
        ("one", (), ("one", "length")),
        ("two", ("two",), ("", "stop")),
    ],
)
def test_an_answer_ends_at_the_first_of_its_stop_texts_and_tokens(
    text: str, stop: tuple[str, ...], expected: tuple[str, str]
) -> None:
    made = completion(text, stop=stop, reported="length")
    assert (made.text, made.finish_reason) == expected


def test_a_stop_text_in_a_data_set_ends_nothing() -> None:
    assert before_end("Write this:\nPrompt: a cat") == "Write this:\nPrompt: a cat"


def test_a_reader_sees_the_given_start_once() -> None:
    assert whole_answer("Dour sounds like", " sour") == "Dour sounds like sour"
    assert whole_answer("Dour sounds like", "Dour sounds like sour") == "Dour sounds like sour"
    assert whole_answer("Self-Effacing sounds like", "Self-effacing sounds like x") == "Self-effacing sounds like x"
    assert whole_answer("Dour sounds like", "  ") == ""
