"""Decoding settings, and what the engines that run language models make of a request."""

import pytest

from modelhub.engines.base import EngineError, GenerationRequest
from modelhub.engines.decoding import chat_messages, parse_decoding, plain_text
from modelhub.engines.tokens import tail_length

REQUEST = GenerationRequest("Prompt: Why?\nResponse:", "Why?", "", system_message="Be brief.")


def test_the_defaults_are_greedy_with_ten_to_512_new_tokens_up_to_the_next_prompt() -> None:
    decoding = parse_decoding({})
    assert (decoding.temperature, decoding.min_new_tokens, decoding.max_new_tokens) == (0.0, 10, 512)
    assert (decoding.stop, decoding.chat, decoding.dtype) == (("\nPrompt:",), False, "auto")


def test_every_mistake_is_named_at_once_with_what_is_known() -> None:
    with pytest.raises(EngineError) as caught:
        parse_decoding({"max_tokens": 5, "temperature": -1, "stop": "word", "dtype": "int4"})
    message = str(caught.value)
    assert "max_tokens: is not known" in message
    for name in ("temperature:", "stop:", "dtype:", "Known are: max_new_tokens, min_new_tokens"):
        assert name in message


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"min_new_tokens": 20, "max_new_tokens": 10}, r"min_new_tokens \(20\) is more than max_new_tokens"),
        ({"max_new_tokens": 0}, "max_new_tokens"),
        ({"stop": [""]}, "would end every answer at once"),
        ({"top_p": 0}, "top_p"),
    ],
)
def test_settings_that_make_no_sense_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(EngineError, match=message):
        parse_decoding(values)


def test_a_list_from_json_is_taken_as_stop_texts() -> None:
    assert parse_decoding({"stop": ["a", "b"]}).stop == ("a", "b")
    assert parse_decoding({"stop": []}).stop == ()


def test_without_chat_the_system_message_stands_before_the_prompt() -> None:
    assert plain_text(REQUEST) == "Be brief.\n\nPrompt: Why?\nResponse:"
    assert plain_text(GenerationRequest("Why?", "Why?", "")) == "Why?"


def test_with_chat_the_system_message_is_a_message_of_its_own() -> None:
    system, user = chat_messages(REQUEST)
    assert system == {"role": "system", "content": "Be brief."}
    assert user == {"role": "user", "content": "Prompt: Why?\nResponse:"}
    assert len(chat_messages(GenerationRequest("Why?", "Why?", ""))) == 1


def test_the_tail_that_is_searched_has_room_for_a_token_per_byte() -> None:
    assert tail_length(("ab", "–")) == 4
