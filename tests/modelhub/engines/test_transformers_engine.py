"""The transformers engine on a tiny Llama that the tests have trained."""

import json
import logging
import shutil
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from modelhub.engines import engine_module
from modelhub.engines.base import EngineError, EngineSettings, GenerationFailure, GenerationResult
from modelhub.engines.transformers.engine import TransformersEngine
from tests.modelhub.engines.asking import LENGTH, answers, came_of, essence, length, load, request, requests
from tests.tools.faultproxy import PATIENCE
from tests.tools.tinymodels import CONTEXT, texts

CONTINUOUS = {"continuous_batching": True}
# In the learned answers to some of the prompts, and not at the start or end of a token.
STOP = "y da"


@pytest.fixture(autouse=True)
def one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def greedy(folder: Path, text: str, **settings: Any) -> list[int]:
    """The tokens that the library's own `generate` adds to one prompt."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    inputs = tokenizer(text, return_tensors="pt")
    made = model.generate(**inputs, do_sample=False, **{"max_new_tokens": LENGTH, "min_new_tokens": 10} | settings)
    return made[0, inputs.input_ids.shape[1] :].tolist()


def decoded(folder: Path, ids: list[int]) -> str:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder).decode(ids, skip_special_tokens=True)


def test_the_learned_answer_is_given_and_has_ended_by_itself(tiny_llama: Path) -> None:
    prompt, answer = texts()[0]
    (result,) = answers(load("transformers", tiny_llama), [request(prompt)])
    assert (result.text, result.finish_reason) == (answer, "stop")
    assert result.seconds > 0


def test_greedy_answers_are_those_of_plain_generate_whatever_else_is_in_the_batch(tiny_llama: Path) -> None:
    asked = requests()
    expected = [greedy(tiny_llama, one.rendered) for one in asked]
    assert len({len(ids) for ids in expected}) > 3  # they end at different places in the batch
    for size in (1, 3, 8):
        made = answers(load("transformers", tiny_llama, options={"batch_size": size}), asked)
        assert [one.text for one in made] == [decoded(tiny_llama, ids) for ids in expected]
        assert [one.completion_tokens for one in made] == [len(ids) for ids in expected]


def test_results_come_in_the_order_of_the_requests_though_batches_go_by_length(tiny_llama: Path) -> None:
    asked = [
        request(text) for text in (texts()[1][0], "Prompt: " + "a very long way " * 20 + "?\nResponse:", texts()[0][0])
    ]
    first, _, last = answers(load("transformers", tiny_llama, options={"batch_size": 1}), asked)
    assert (first.text, last.text) == (texts()[1][1], texts()[0][1])


@pytest.mark.parametrize("options", [{"batch_size": 8}, CONTINUOUS], ids=["batches", "continuous"])
def test_the_stop_text_ends_an_answer_and_is_no_part_of_it(tiny_llama: Path, options: dict[str, Any]) -> None:
    asked = requests(16)
    free = answers(load("transformers", tiny_llama), asked)
    stopped = answers(load("transformers", tiny_llama, options=options, stop=[STOP]), asked)
    assert 2 <= sum(STOP in one.text for one in free) < len(asked)
    assert [one.text for one in stopped] == [one.text.split(STOP)[0] for one in free]
    assert {one.finish_reason for one in stopped} == {"stop"}
    for plain, cut in zip(free, stopped, strict=True):
        assert (length(cut) < length(plain)) == (STOP in plain.text)  # nothing made in vain


@pytest.mark.parametrize("options", [{"batch_size": 8}, CONTINUOUS], ids=["batches", "continuous"])
def test_a_stop_text_that_begins_in_the_prompt_does_not_count(tiny_llama: Path, options: dict[str, Any]) -> None:
    prompt, answer = texts()[0]
    (result,) = answers(load("transformers", tiny_llama, options=options, stop=["Response: You"]), [request(prompt)])
    assert result.text == answer


@pytest.mark.parametrize("options", [{"batch_size": 8}, CONTINUOUS], ids=["batches", "continuous"])
def test_an_answer_cut_off_says_so_beside_one_that_ended(tiny_llama: Path, options: dict[str, Any]) -> None:
    asked = requests(16)
    whole = answers(load("transformers", tiny_llama), asked)
    lengths = sorted(length(one) for one in whole)
    limit = lengths[len(lengths) // 2]
    made = answers(load("transformers", tiny_llama, options=options, max_new_tokens=limit), asked)
    reasons = ["stop" if length(one) <= limit else "length" for one in whole]
    assert [one.finish_reason for one in made] == reasons
    assert set(reasons) == {"stop", "length"}
    assert all(length(one) <= limit for one in made)


@pytest.mark.parametrize("options", [{"batch_size": 8}, CONTINUOUS], ids=["batches", "continuous"])
def test_answers_have_the_least_number_of_tokens_before_they_may_end(tiny_llama: Path, options: dict[str, Any]) -> None:
    asked = requests(16)
    least = 25
    made = answers(load("transformers", tiny_llama, options=options, min_new_tokens=least), asked)
    assert [one.text for one in made] == [
        decoded(tiny_llama, greedy(tiny_llama, one.rendered, min_new_tokens=least)) for one in asked
    ]
    assert min(length(one) for one in made) > least


def test_continuous_batching_answers_as_plain_batches_do_call_after_call(
    tiny_llama: Path, tiny_adapters: dict[str, Path]
) -> None:
    asked = requests()
    for adapter in ("", tiny_adapters["brief"], ""):
        plain = load("transformers", tiny_llama, adapter)
        continuous = load("transformers", tiny_llama, adapter, options=CONTINUOUS)
        for some in (asked[:3], asked):
            assert essence(answers(continuous, some)) == essence(answers(plain, some))


def test_adapters_answer_in_their_own_ways_on_one_base_loaded_once(
    tiny_llama: Path, tiny_adapters: dict[str, Path], caplog: pytest.LogCaptureFixture
) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    prompt = texts()[0][0]
    with caplog.at_level(logging.INFO, logger="modelhub.engines.transformers.basemodels"):
        engines = {name: load("transformers", tiny_llama, folder) for name, folder in tiny_adapters.items()}
        engines["none"] = load("transformers", tiny_llama)
    assert [record.message for record in caplog.records].count(f"loading {tiny_llama} (float32) on cpu") == 1
    for _ in range(2):  # taking turns
        made = {name: answers(engine, [request(prompt)])[0].text for name, engine in engines.items()}
        assert made["none"] == texts()[0][1]
        for name, folder in tiny_adapters.items():
            alone = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_llama), folder)
            ids = AutoTokenizer.from_pretrained(tiny_llama)(prompt, return_tensors="pt").input_ids
            with torch.no_grad():
                expected = alone.generate(input_ids=ids, do_sample=False, min_new_tokens=10, max_new_tokens=LENGTH)
            assert made[name] == decoded(tiny_llama, expected[0, ids.shape[1] :].tolist())
    assert len(set(made.values())) == 3


def test_changed_adapter_files_are_another_adapter(
    tiny_llama: Path, tiny_adapters: dict[str, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "adapter"
    shutil.copytree(tiny_adapters["brief"], folder)
    asked = [request(texts()[0][0])]
    before = load("transformers", tiny_llama, folder)
    first = essence(answers(before, asked))
    shutil.rmtree(folder)
    shutil.copytree(tiny_adapters["stepwise"], folder)
    assert essence(answers(load("transformers", tiny_llama, folder), asked)) != first
    assert essence(answers(before, asked)) == first


def test_a_prompt_beyond_the_context_fails_with_the_numbers_and_harms_no_other(tiny_llama: Path) -> None:
    prompt, answer = texts()[0]
    engine = load("transformers", tiny_llama)
    result, failure = came_of(engine, [request(prompt), request("nobody sees this " * 400)])
    assert isinstance(result, GenerationResult)
    assert isinstance(failure, GenerationFailure)
    assert result.text == answer
    assert failure.final
    assert f"context of {CONTEXT} tokens" in failure.error
    assert "nobody" not in failure.error


def test_a_prompt_near_the_end_of_the_context_is_given_the_room_that_is_left(tiny_llama: Path) -> None:
    from transformers import AutoTokenizer

    long = "Prompt: " + "so " * 2000
    tokenizer = AutoTokenizer.from_pretrained(tiny_llama)
    text = tokenizer.decode(tokenizer(long).input_ids[: CONTEXT - 5], skip_special_tokens=True)
    made = answers(load("transformers", tiny_llama), [request(text), request(texts()[0][0])])
    room = CONTEXT - (made[0].prompt_tokens or 0)
    assert 0 < room < 10
    assert length(made[0]) <= room
    assert made[1].text == texts()[0][1]


def out_of_memory_over(engine: TransformersEngine, rows: int) -> Any:
    """Let the model's device run out of memory whenever more than `rows` prompts are run at once."""
    import torch

    def run_out(module: Any, args: Any, kwargs: dict[str, Any]) -> None:
        if kwargs["input_ids"].shape[0] > rows:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    return engine._base.model.register_forward_pre_hook(run_out, with_kwargs=True)


def test_answers_come_batch_by_batch_of_those_that_are_asked_together(tiny_llama: Path) -> None:
    engine, came, begun = load("transformers", tiny_llama, options={"batch_size": 1}), threading.Event(), []
    assert isinstance(engine, TransformersEngine)

    def hold_the_second(module: Any, args: Any, kwargs: dict[str, Any]) -> None:
        if kwargs["input_ids"].shape[1] > 1:  # the prompt is read: an answer begins
            begun.append(1)
            assert len(begun) < 2 or came.wait(PATIENCE)

    hook = engine._base.model.register_forward_pre_hook(hold_the_second, with_kwargs=True)
    stream = engine.stream(iter(requests(3)), ahead=3)
    first, _ = next(stream)
    came.set()
    assert sorted([first, *(number for number, _ in stream)]) == [0, 1, 2]
    hook.remove()
    assert engine.usage()["requests"] == 3


def test_when_memory_runs_out_the_batch_is_halved_and_nothing_is_lost(
    tiny_llama: Path, caplog: pytest.LogCaptureFixture
) -> None:
    asked = requests()
    expected = essence(answers(load("transformers", tiny_llama), asked))
    engine = load("transformers", tiny_llama)
    assert isinstance(engine, TransformersEngine)
    hook = out_of_memory_over(engine, 2)
    try:
        assert essence(answers(engine, asked)) == expected
        assert essence(answers(engine, asked)) == expected
    finally:
        hook.remove()
    warned = [record.message for record in caplog.records if "out of memory" in record.message]
    assert len(warned) == 2  # 8 to 4 to 2, and it stays there


def test_a_prompt_too_large_for_the_memory_by_itself_fails_alone(tiny_llama: Path) -> None:
    engine = load("transformers", tiny_llama)
    assert isinstance(engine, TransformersEngine)
    hook = out_of_memory_over(engine, 0)
    try:
        (failure,) = came_of(engine, [request(texts()[0][0])])
    finally:
        hook.remove()
    assert isinstance(failure, GenerationFailure)
    assert "ran out of memory on this prompt alone" in failure.error
    assert not failure.final


def test_sampling_follows_its_seed(tiny_llama: Path) -> None:
    def sample(seed: int) -> Any:
        return essence(answers(load("transformers", tiny_llama, temperature=1.5, seed=seed), requests()))

    assert sample(1) == sample(1)
    assert sample(1) != sample(2)


def test_chat_puts_the_messages_into_the_models_template(tiny_llama: Path) -> None:
    plain = answers(
        load("transformers", tiny_llama), [request("Prompt: How do I cook rice well?\nResponse:", "Be kind.")]
    )
    # The template writes the same layout: the system message, an empty line, the prompt.
    chat = answers(load("transformers", tiny_llama, chat=True), [request("How do I cook rice well?", "Be kind.")])
    assert essence(chat) == essence(plain)


def without_template(tiny_llama: Path, folder: Path) -> Path:
    shutil.copytree(tiny_llama, folder)
    (folder / "chat_template.jinja").unlink()
    return folder


def test_chat_without_a_template_is_refused_before_and_after_loading(tiny_llama: Path, tmp_path: Path) -> None:
    from modelhub.engines.decoding import parse_decoding
    from modelhub.engines.transformers.basemodels import load_base

    folder = without_template(tiny_llama, tmp_path / "model")
    with pytest.raises(EngineError, match="has no chat template"):
        check(folder, decoding={"chat": True})
    base = load_base(str(folder), dtype="float32", device="cpu")
    with pytest.raises(EngineError, match="has no chat template"):
        base.codec(parse_decoding({"chat": True}))


def test_what_a_models_own_generation_settings_say_changes_no_answer(tiny_llama: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_llama, folder)
    own = json.loads((folder / "generation_config.json").read_text(encoding="utf-8"))
    own |= {"repetition_penalty": 1.8, "do_sample": True, "temperature": 5.0, "max_new_tokens": 3}
    (folder / "generation_config.json").write_text(json.dumps(own), encoding="utf-8")
    asked = requests()
    assert essence(answers(load("transformers", folder), asked)) == essence(
        answers(load("transformers", tiny_llama), asked)
    )


def test_what_was_used_is_counted(tiny_llama: Path) -> None:
    engine = load("transformers", tiny_llama)
    made = answers(engine, requests()) + answers(engine, requests(2))
    came_of(engine, [request("too long " * 2000)])
    assert engine.usage() == {
        "requests": len(made) + 1,
        "prompt_tokens": sum(one.prompt_tokens or 0 for one in made),
        "completion_tokens": sum(length(one) for one in made),
    }


def check(model: Path | str, adapter: Path | str = "", **settings: Any) -> None:
    engine_module("transformers").check(EngineSettings(str(model), str(adapter), **settings))


def test_a_name_on_the_hub_is_accepted_unseen() -> None:
    check("meta-llama/Llama-3.1-8B", "someone/an-adapter")


@pytest.mark.parametrize("name", ["", "/no/such/folder", "./model", "a/b/c", "~/model"])
def test_a_model_that_is_neither_a_folder_nor_a_name_is_refused(name: str) -> None:
    with pytest.raises(EngineError, match="There is no model folder"):
        check(name)


def test_every_problem_of_the_files_is_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "adapter").mkdir()
    with pytest.raises(EngineError) as caught:
        check(tmp_path, tmp_path / "adapter", endpoint="http://127.0.0.1")
    message = str(caught.value)
    for part in ("has no config.json", "has no tokenizer", "has no adapter_config.json", "An endpoint is given"):
        assert part in message


def test_an_adapter_of_another_kind_is_refused(
    tiny_llama: Path, tiny_adapters: dict[str, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "adapter"
    shutil.copytree(tiny_adapters["brief"], folder)
    config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8")) | {"peft_type": "PROMPT_TUNING"}
    (folder / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(EngineError, match="of the kind PROMPT_TUNING; only LORA"):
        check(tiny_llama, folder)


def test_an_adapter_given_as_the_model_is_recognized(tiny_adapters: dict[str, Path]) -> None:
    with pytest.raises(EngineError, match="It is an adapter: give its base as the model"):
        check(tiny_adapters["brief"])


def test_a_broken_model_file_is_an_engine_error_naming_the_folder(tiny_llama: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_llama, folder)
    (folder / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(EngineError, match=f"The model {folder} cannot be loaded"):
        load("transformers", folder)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0, "speed": 3}, "(?s)batch_size: .*speed: is not known.*Known are: batch_size, device"),
        ({"device": "gpu"}, "device"),
    ],
)
def test_options_it_does_not_know_are_refused(tiny_llama: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(EngineError, match=message):
        check(tiny_llama, options=options)


def test_a_gpu_that_is_not_there_is_refused(tiny_llama: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(EngineError, match="torch sees no GPU here"):
        load("transformers", tiny_llama, options={"device": "cuda"})


@pytest.mark.parametrize("missing", ["torch", "transformers", "peft"])
def test_a_missing_package_is_named_with_the_command_that_installs_it(
    missing: str, tiny_llama: Path, tiny_adapters: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(EngineError, match=f"package {missing},.*pip install -r requirements-ml.txt"):
        check(tiny_llama, tiny_adapters["brief"])
