"""One request that an engine cannot take fails alone, for good, with the reason and without its text."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modelhub.engines import engine_module
from modelhub.engines.base import Engine, EngineSettings, GenerationFailure, GenerationResult
from tests.modelhub.engines.asking import came_of, load, request
from tests.modelhub.engines.openai_asking import completion, settings
from tests.modelhub.live import write_script
from tests.tools.faultproxy import FaultProxy
from tests.tools.tinymodels import texts

HALF = "a secret \ud83d of mine"
REFUSING = (
    "{% for message in messages %}{% if 'odd' in message['content'] %}{{ raise_exception('No odd words here') }}"
    "{% endif %}Prompt: {{ message['content'] }}\n{% endfor %}Response:"
)


def only_the_first_fails(engine: Engine, odd: Any, plain: Any) -> str:
    failure, result = came_of(engine, [odd, plain])
    assert isinstance(result, GenerationResult), result
    assert isinstance(failure, GenerationFailure), failure
    assert failure.final
    return failure.error


def with_tokenizer(model: Path, folder: Path, change: Callable[[Any], object]) -> Path:
    """Return a copy of a model whose tokenizer has been changed."""
    from transformers import AutoTokenizer

    shutil.copytree(model, folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    change(tokenizer)
    tokenizer.save_pretrained(folder)
    return folder


def test_a_chat_template_that_refuses_a_request_fails_that_one(tiny_llama: Path, tmp_path: Path) -> None:
    folder = with_tokenizer(tiny_llama, tmp_path / "model", lambda one: setattr(one, "chat_template", REFUSING))
    engine = load("transformers", folder, chat=True)
    error = only_the_first_fails(engine, request("How odd?"), request("How?"))
    assert error == "The engine failed with TemplateError: No odd words here"


def test_half_a_character_fails_alone(tiny_llama: Path) -> None:
    error = only_the_first_fails(load("transformers", tiny_llama), request(HALF), request(texts()[0][0]))
    assert "secret" not in error


def test_a_prompt_without_a_token_fails_alone(tiny_llama: Path, tmp_path: Path) -> None:
    # It is the post-processor that puts a token before each text.
    folder = with_tokenizer(
        tiny_llama, tmp_path / "model", lambda one: setattr(one.backend_tokenizer, "post_processor", None)
    )
    error = only_the_first_fails(load("transformers", folder), request(""), request(texts()[0][0]))
    assert error == "The prompt is empty, which no model can continue."


def test_a_token_that_the_model_does_not_know_fails_alone(tiny_llama: Path, tmp_path: Path) -> None:
    added = [f"<added{number}>" for number in range(200)]
    folder = with_tokenizer(tiny_llama, tmp_path / "model", lambda one: one.add_tokens(added))
    error = only_the_first_fails(load("transformers", folder), request("So <added199> it is"), request(texts()[0][0]))
    assert error == "The prompt has a token that the model does not know."


def test_an_answer_holds_no_nul_which_no_database_takes(tiny_llama: Path) -> None:
    from modelhub.engines.decoding import parse_decoding
    from modelhub.engines.tokens import TokenAnswer, TokenPrompt
    from modelhub.engines.transformers.basemodels import load_base

    base = load_base(str(tiny_llama), dtype="float32", device="cpu")
    ids = base.tokenizer("a\0b", add_special_tokens=False).input_ids
    made = base.codec(parse_decoding({})).result(TokenAnswer(TokenPrompt(0, [1], 9), ids, 0.0))
    assert made.text == "a\N{REPLACEMENT CHARACTER}b"


@pytest.mark.parametrize("chat", [False, True])
def test_half_a_character_is_not_sent_to_a_server(proxy: FaultProxy, chat: bool) -> None:
    proxy.plan(completion())
    engine = engine_module("openai").create(settings(proxy, decoding={"chat": chat}))
    (failure,) = came_of(engine, [request(HALF)])
    assert failure == GenerationFailure("The prompt holds half a character, which cannot be sent.", final=True)
    assert not proxy.seen


def test_a_script_answers_half_a_character(tmp_path: Path) -> None:
    script = write_script(tmp_path)
    script.write_text(script.read_text("utf-8") + "picks: [One.]\n", encoding="utf-8")
    engine = engine_module("scripted").create(EngineSettings(str(script), decoding={"style": "pick"}))
    assert isinstance(came_of(engine, [request(HALF)])[0], GenerationResult)
