"""Long texts: prompts lose their start, responses their end, labels and persona stay, and everything is counted."""

import re
from typing import Any

import pytest

from annotation.errors import ServiceError
from modelhub.training.data import Example
from modelhub.training.fitting import Lengths, Shortening, fit_examples

PERSONA = "The user is patient and prefers detail."


def by_words(text: str) -> dict[str, Any]:
    """A tokenizer whose tokens are words, signs and the end of text."""
    return {"input_ids": re.findall(r"</s>|\w+|[^\w\s]", text)}


def example(prompt_words: int, response_words: int = 3, persona: str = PERSONA) -> Example:
    prompt = " ".join(f"w{number}" for number in range(prompt_words))
    return Example("row 7", prompt, persona, " ".join(["yes"] * response_words), "no")


def fit(one: Example, *, max_length: int = 100, most: int | None = 40) -> tuple[str, Shortening]:
    fitted = fit_examples([one], by_words, Lengths(max_length, most, "</s>"), both_responses=False)
    return str(fitted.rows[0]["prompt"]), fitted.shortening


def test_what_fits_stays_whole() -> None:
    prompt, shortening = fit(example(20))
    assert prompt.startswith("Prompt: w0 w1") and prompt.endswith(f"\nPersona: {PERSONA}\nResponse:")
    assert shortening == Shortening()
    assert str(shortening) == "nothing had to be shortened"


def test_a_long_prompt_loses_its_start_and_keeps_labels_persona_and_end() -> None:
    prompt, shortening = fit(example(200))
    words = by_words(prompt)["input_ids"]
    assert len(words) == 40
    assert words[2] != "w0" and "w199" in words
    assert prompt.startswith("Prompt: w") and prompt.endswith(f"\nPersona: {PERSONA}\nResponse:")
    assert (shortening.prompts, shortening.prompt_tokens, shortening.responses) == (1, 214 - 40, 0)


def test_a_shortened_prompt_begins_with_a_whole_word() -> None:
    words = " ".join(f"number{one}" for one in range(100))
    prompt, _ = fit(Example("row", words, PERSONA, "yes", "no"))
    assert re.match(r"Prompt: number\d+ ", prompt)


def test_a_long_prompt_without_blanks_is_cut_between_characters() -> None:
    def by_characters(text: str) -> dict[str, Any]:
        return {"input_ids": list(text)}

    one = Example("row", "猫" * 300, "", "yes", "no")
    fitted = fit_examples([one], by_characters, Lengths(200, 60, "."), both_responses=False)
    assert fitted.rows[0]["prompt"] == "Prompt: " + "猫" * (60 - len("Prompt: \nResponse:")) + "\nResponse:"


def test_a_long_response_is_counted_with_the_end_of_text_it_loses() -> None:
    prompt, shortening = fit(example(20, response_words=200))
    total = len(by_words(f"{prompt} {'yes ' * 200}</s>")["input_ids"])
    assert (shortening.prompts, shortening.responses, shortening.response_tokens) == (0, 1, total - 100)


def test_without_a_limit_of_its_own_a_prompt_gives_way_only_where_both_do_not_fit() -> None:
    assert fit(example(60, 20), most=None)[1] == Shortening()
    prompt, shortening = fit(example(200, 20), most=None)
    assert len(by_words(prompt)["input_ids"]) == 100 - 20 - 1
    assert (shortening.prompts, shortening.responses) == (1, 0)
    prompt, shortening = fit(example(200, 200), most=None)
    assert len(by_words(prompt)["input_ids"]) == 50
    assert (shortening.prompts, shortening.responses) == (1, 1)


def test_both_responses_of_a_pair_are_kept_and_counted() -> None:
    one = example(20, response_words=200)
    fitted = fit_examples([one], by_words, Lengths(100, 40, "</s>"), both_responses=True)
    assert set(fitted.rows[0]) == {"prompt", "chosen", "rejected"}
    assert fitted.shortening.responses == 1


def test_a_long_persona_stays_whole_with_the_end_of_its_prompt_and_is_counted() -> None:
    prompt, shortening = fit(example(200, persona="very " * 35))
    assert prompt.count("very") == 35
    assert "w199" in prompt and 10 <= prompt.count("w1") <= 16
    assert (shortening.prompts, shortening.beyond_limit) == (1, 1)
    assert fit(example(8, persona="very " * 35))[1] == Shortening(beyond_limit=1)


def test_a_persona_that_leaves_no_room_for_anything_else_is_refused_by_its_row() -> None:
    with pytest.raises(ServiceError, match=r"row 7: labels and persona take 86 tokens.* 100\.\nRaise max_length"):
        fit(example(200, persona="very " * 80))


def test_an_end_of_text_token_in_the_data_ends_the_response_once() -> None:
    one = Example("row", "How?", "", "Well.</s>", "no")
    fitted = fit_examples([one], by_words, Lengths(100, 40, "</s>"), both_responses=False)
    assert fitted.rows[0]["completion"] == " Well."


def test_text_behind_an_end_of_text_token_goes_and_is_counted() -> None:
    def shortening(response: str) -> Shortening:
        one = Example("row", "How?", "", response, "no")
        fitted = fit_examples([one], by_words, Lengths(100, 40, "</s>"), both_responses=False)
        assert fitted.rows[0]["completion"] == " Well."
        return fitted.shortening

    assert shortening("Well.</s> And more.") == Shortening(ended_early=1)
    assert "1 responses cut at an end-of-text token" in str(shortening("Well.</s> And more."))
    assert shortening("Well. <|eot_id|><|end_of_text|>\n") == Shortening()


def test_a_short_response_leaves_all_the_rest_to_a_long_prompt() -> None:
    prompt, shortening = fit(example(200, 3), most=None)
    assert len(by_words(prompt)["input_ids"]) == 100 - 3 - 1
    assert (shortening.prompts, shortening.responses) == (1, 0)


def test_a_prompt_may_be_given_almost_all_of_the_length() -> None:
    prompt, shortening = fit(example(200, 3), most=95)
    assert len(by_words(prompt)["input_ids"]) == 95
    assert (shortening.prompts, shortening.responses) == (1, 0)
