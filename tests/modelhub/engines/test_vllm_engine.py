"""The vLLM engine: without vLLM what it says, and with it (`make test-vllm`) that its answers are the right ones."""

import json
import multiprocessing
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args

import pytest

from modelhub.engines import engine_module
from modelhub.engines.base import Engine, EngineError, EngineSettings, GenerationFailure, GenerationResult
from modelhub.engines.decoding import Decoding
from modelhub.engines.vllm.settings import CacheType, Quantization, model_arguments, parse_options
from tests.modelhub.engines.asking import answers, came_of, essence, load, request, requests
from tests.modelhub.engines.live_asking import Answers, ask, live, made
from tests.tools.processes import wait_until
from tests.tools.tinymodels import CONTEXT, texts

VLLM = find_spec("vllm") is not None
needs_vllm = [
    pytest.mark.vllm,
    pytest.mark.skipif(not VLLM, reason="vLLM is not installed here; `make test-vllm` has it in its own environment"),
]
# A model over eight GPUs of two machines, and all else that vLLM knows by the same name.
SPREAD = {
    "tensor_parallel_size": 4, "pipeline_parallel_size": 2, "distributed_executor_backend": "ray",
    "quantization": "fp8", "kv_cache_dtype": "fp8", "cpu_offload_gb": 4.0, "max_model_len": 4096, "max_num_seqs": 32,
    "max_num_batched_tokens": 8192, "enable_prefix_caching": False, "enforce_eager": True,
}  # fmt: skip
# In the learned answers to some of the prompts, and not at the start or end of a token.
STOP = "y da"


def check(model: Path | str, adapter: Path | str = "", **settings: Any) -> None:
    engine_module("vllm").check(EngineSettings(str(model), str(adapter), **settings))


@pytest.fixture
def seemingly_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is checked without loading anything is the same with and without vLLM."""
    monkeypatch.setattr("modelhub.engines.packages.find_spec", lambda name: object())


def test_the_missing_package_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(EngineError, match=r"package vllm, which .*pip install -r requirements\.txt"):
        check("meta-llama/Llama-3.1-8B")


@pytest.mark.usefixtures("seemingly_installed")
def test_options_and_files_are_checked_without_loading(tmp_path: Path) -> None:
    check("meta-llama/Llama-3.1-8B", options={"max_model_len": 4096, "gpu_memory_utilization": 0.5})
    with pytest.raises(EngineError, match="batch_size: is not known"):
        check("meta-llama/Llama-3.1-8B", options={"batch_size": 8})
    with pytest.raises(EngineError, match="has no config.json"):
        check(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"data_parallel_size": 2},
            r"data_parallel_size: vLLM runs one copy .*--shard 1/2.*vllm serve --data-parallel-size",
        ),
        ({"max_num_seqs": 16, "live_slots": 32}, "live_slots is 32, but max_num_seqs lets vLLM answer 16 at once"),
        ({"max_num_seqs": 64, "max_num_batched_tokens": 32}, "max_num_batched_tokens is 32, and max_num_seqs is 64"),
        ({"quantization": "q4"}, "quantization: Input should be 'awq'"),
        ({"kv_cache_dtype": "int2"}, "kv_cache_dtype: Input should be"),
        ({"distributed_executor_backend": "slurm"}, "distributed_executor_backend: Input should be 'mp' or 'ray'"),
        ({"distributed_executor_backend": "ray"}, r"package ray, which is not .*requirements-ray\.txt"),
        ({"cpu_offload_gb": -1}, "cpu_offload_gb: .* greater than or equal to 0"),
    ],
)
def test_options_that_do_not_go_together_are_refused_with_the_reason(
    options: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("modelhub.engines.packages.find_spec", lambda name: None if name == "ray" else object())
    with pytest.raises(EngineError, match=message):
        check("meta-llama/Llama-3.1-8B", options=options)


def told(**options: Any) -> dict[str, Any]:
    parsed = parse_options(EngineSettings("m", options=options))
    return dict(model_arguments("m", Decoding(), parsed, rank=0, loras=1))


def test_vllm_is_told_what_was_given_and_its_own_defaults_hold_for_the_rest() -> None:
    always = {"model": "m", "dtype": "auto", "gpu_memory_utilization": 0.9, "enable_lora": False}
    assert told() == told(quantization=None, live_slots=8, data_parallel_size=1) == always
    assert told(gpu_memory_utilization=0.5, **SPREAD) == always | SPREAD | {"gpu_memory_utilization": 0.5}


def test_a_worker_asks_no_more_at_once_than_vllm_takes() -> None:
    def slots(**options: int) -> int:
        return parse_options(EngineSettings("m", options=options)).live_slots

    assert [slots(), slots(max_num_seqs=16), slots(max_num_seqs=500), slots(max_num_seqs=500, live_slots=200)] == [
        64, 16, 64, 200,
    ]  # fmt: skip


def with_rank(adapter: Path, folder: Path, rank: int) -> Path:
    shutil.copytree(adapter, folder)
    config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8")) | {"r": rank}
    (folder / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


@pytest.mark.usefixtures("seemingly_installed")
@pytest.mark.parametrize(
    ("rank", "options", "message"),
    [
        (4, {"max_loras": 0}, "its options say max_loras 0"),
        (64, {"max_lora_rank": 32}, "has rank 64, and there is room for 32 at most"),
        (1024, {}, "has rank 1024, and there is room for 512 at most"),
    ],
)
def test_adapters_there_is_no_room_for_are_refused(
    rank: int, options: dict[str, int], message: str, tiny_llama: Path, tiny_adapters: dict[str, Path], tmp_path: Path
) -> None:
    folder = with_rank(tiny_adapters["brief"], tmp_path / "adapter", rank)
    with pytest.raises(EngineError, match=message):
        check(tiny_llama, folder, options=options)


@pytest.fixture(scope="module")
def engines(tiny_llama: Path, tiny_adapters: dict[str, Path]) -> Iterator[dict[str, Engine]]:
    """One loaded model: with each adapter, and by itself."""
    loaded = {name: load("vllm", tiny_llama, folder) for name, folder in tiny_adapters.items()}
    yield loaded | {"": load("vllm", tiny_llama)}


@pytest.fixture(scope="module")
def live_engines(
    engines: dict[str, Engine], tiny_llama: Path, tiny_adapters: dict[str, Path]
) -> Iterator[dict[str, Any]]:
    """The same, for requests that come one by one."""
    with ExitStack() as stack:
        loaded = {name: stack.enter_context(live("vllm", tiny_llama, folder)) for name, folder in tiny_adapters.items()}
        yield loaded | {"": stack.enter_context(live("vllm", tiny_llama))}


class TestWithVllm:
    pytestmark = needs_vllm

    def test_greedy_answers_are_those_of_the_transformers_engine(
        self, engines: dict[str, Engine], tiny_llama: Path
    ) -> None:
        expected = answers(load("transformers", tiny_llama), requests(16))
        assert essence(answers(engines[""], requests(16))) == essence(expected)

    def test_adapters_answer_as_the_models_they_are_merged_into(
        self, engines: dict[str, Engine], tiny_llama: Path, tiny_adapters: dict[str, Path], tmp_path: Path
    ) -> None:
        made = {}
        for name, adapter in tiny_adapters.items():
            merged = merge(tiny_llama, adapter, tmp_path / name)
            made[name] = essence(answers(engines[name], requests(16)))
            assert made[name] == essence(answers(load("transformers", merged), requests(16)))
        assert made["brief"] != made["stepwise"]

    def test_systems_that_differ_in_adapter_and_decoding_share_the_loaded_model(
        self, engines: dict[str, Engine], tiny_llama: Path
    ) -> None:
        models = {id(engine._model) for engine in engines.values()}  # type: ignore[attr-defined]
        assert len(models) == 1
        assert id(load("vllm", tiny_llama, temperature=1.0)._model) in models  # type: ignore[attr-defined]

    def test_a_system_with_other_options_on_a_loaded_model_is_refused(
        self, engines: dict[str, Engine], tiny_llama: Path
    ) -> None:
        with pytest.raises(EngineError, match="is loaded already, for a system with other options"):
            load("vllm", tiny_llama, options={"max_model_len": 512})

    def test_an_adapter_of_a_larger_rank_than_the_model_was_loaded_for_is_refused(
        self, engines: dict[str, Engine], tiny_llama: Path, tiny_adapters: dict[str, Path], tmp_path: Path
    ) -> None:
        large = with_rank(tiny_adapters["brief"], tmp_path / "adapter", 48)
        with pytest.raises(EngineError, match="room for adapters up to rank 16.*options max_loras 1.*max_lora_rank 64"):
            load("vllm", tiny_llama, large)

    def test_stop_texts_least_lengths_and_limits_give_what_the_transformers_engine_gives(
        self, engines: dict[str, Engine], tiny_llama: Path
    ) -> None:
        asked = requests(16)
        for decoding in ({"stop": [STOP]}, {"min_new_tokens": 25}, {"max_new_tokens": 20}):
            expected = answers(load("transformers", tiny_llama, **decoding), asked)
            made = answers(load("vllm", tiny_llama, **decoding), asked)
            assert [(one.text, one.finish_reason) for one in made] == [
                (one.text, one.finish_reason) for one in expected
            ]

    def test_vllm_knows_all_that_it_can_be_told(self) -> None:
        from dataclasses import fields

        from vllm import EngineArgs
        from vllm.config.cache import CacheDType
        from vllm.model_executor.layers.quantization import QUANTIZATION_METHODS

        assert set(told(**SPREAD)) <= {field.name for field in fields(EngineArgs)}
        assert set(get_args(Quantization)) <= set(QUANTIZATION_METHODS)
        assert set(get_args(CacheType)) <= set(get_args(CacheDType))

    def test_a_prompt_beyond_the_context_fails_and_harms_no_other(self, engines: dict[str, Engine]) -> None:
        prompt, answer = texts()[0]
        result, failure = came_of(engines[""], [request(prompt), request("nobody sees this " * 400)])
        assert isinstance(failure, GenerationFailure)
        assert failure.final
        assert f"context of {CONTEXT} tokens" in failure.error
        assert getattr(result, "text", "") == answer

    def test_sampling_follows_its_seed(self, engines: dict[str, Engine], tiny_llama: Path) -> None:
        def sample(seed: int) -> Any:
            return essence(answers(load("vllm", tiny_llama, temperature=1.5, seed=seed), requests()))

        assert sample(1) == sample(1)
        assert sample(1) != sample(2)

    def test_chat_puts_the_messages_into_the_models_template(
        self, engines: dict[str, Engine], tiny_llama: Path
    ) -> None:
        asked = [request("How do I cook rice well?", "Be kind.")]
        expected = answers(load("transformers", tiny_llama, chat=True), asked)
        assert essence(answers(load("vllm", tiny_llama, chat=True), asked)) == essence(expected)

    def test_a_live_engine_answers_as_the_offline_one_does_with_adapters_mixed_in_one_batch(
        self, engines: dict[str, Engine], live_engines: dict[str, Any]
    ) -> None:
        asked, arrived = requests(16), Answers()
        names = list(live_engines)
        for number in range(len(asked) * len(names)):
            arrived.start(live_engines[names[number % len(names)]], number, asked[number // len(names)])
        taken = arrived.take(len(asked) * len(names))
        for place, name in enumerate(names):
            results = [taken[place + number * len(names)] for number in range(len(asked))]
            assert essence(results) == essence(answers(engines[name], asked))  # type: ignore[arg-type]

    def test_live_engines_on_one_model_share_it(self, live_engines: dict[str, Any]) -> None:
        assert live_engines["brief"]._model is live_engines["stepwise"]._model

    def test_a_live_answer_ends_as_an_offline_one_does(
        self, engines: dict[str, Engine], live_engines: dict[str, Any], tiny_llama: Path
    ) -> None:
        asked = requests(8)
        for decoding in ({"stop": [STOP]}, {"min_new_tokens": 25}, {"max_new_tokens": 20}):
            with live("vllm", tiny_llama, **decoding) as engine:
                assert essence(made(engine, asked)) == essence(answers(load("vllm", tiny_llama, **decoding), asked))

    def test_what_is_given_up_is_aborted_and_not_delivered(self, live_engines: dict[str, Any]) -> None:
        arrived = Answers()
        engine = live_engines[""]
        arrived.start(engine, 1, request(texts()[0][0]))()
        arrived.start(engine, 2, request(texts()[1][0]))
        assert list(arrived.take(1)) == [2]
        wait_until(
            lambda: not engine._model.llm.get_num_unfinished_requests(), seconds=60, what="The end of all requests"
        )
        assert arrived.none_left

    def test_a_live_request_that_cannot_be_read_fails_alone_for_good(self, live_engines: dict[str, Any]) -> None:
        long, half, result = ask(
            live_engines["brief"],
            [request("nobody sees this " * 400), request("half a \ud83d character"), request(texts()[0][0])],
        )
        for failure in (long, half):
            assert isinstance(failure, GenerationFailure) and failure.final and not failure.down
        assert isinstance(result, GenerationResult)

    def test_a_model_whose_process_has_ended_is_down_and_can_be_loaded_anew(
        self, live_engines: dict[str, Any], tiny_llama: Path
    ) -> None:
        prompt, answer = texts()[0]
        before = set(multiprocessing.active_children())
        with live("vllm", tiny_llama, dtype="bfloat16") as engine:  # a model of its own
            (process,) = set(multiprocessing.active_children()) - before
            os.kill(process.pid or 0, signal.SIGKILL)
            process.join()
            (failure,) = ask(engine, [request(prompt)])
            assert isinstance(failure, GenerationFailure) and failure.down
            with live("vllm", tiny_llama, dtype="bfloat16") as again:
                assert made(again, [request(prompt)])[0].text == answer
        assert set(multiprocessing.active_children()) == before

    # The last one: when its model goes, vLLM ends what all models of this process share.
    def test_a_model_with_limits_of_its_own_keeps_to_them_and_answers_alike(
        self, tiny_llama: Path, tmp_path: Path
    ) -> None:
        own = Path(shutil.copytree(tiny_llama, tmp_path / "own"))
        limits = {"max_num_seqs": 3, "max_num_batched_tokens": 1024, "enable_prefix_caching": False}
        engine = load("vllm", own, options={**limits, "enforce_eager": True, "kv_cache_dtype": "auto"})
        config = engine._model.llm.llm_engine.vllm_config  # type: ignore[attr-defined]
        scheduler = config.scheduler_config
        assert (scheduler.max_num_seqs, scheduler.max_num_batched_tokens) == (3, 1024)
        assert (config.cache_config.enable_prefix_caching, config.model_config.enforce_eager) == (False, True)
        assert essence(answers(engine, requests(8))) == essence(answers(load("transformers", own), requests(8)))


def merge(base: Path, adapter: Path, folder: Path) -> Path:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), adapter).merge_and_unload().save_pretrained(
        folder
    )
    AutoTokenizer.from_pretrained(base).save_pretrained(folder)
    return folder
