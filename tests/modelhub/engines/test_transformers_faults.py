"""What goes wrong in the transformers engine while it takes requests one by one, and what it harms."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modelhub.engines.base import GenerationFailure, GenerationResult
from modelhub.engines.batched import BatchedEngine
from modelhub.engines.transformers.running import RunningBatch
from tests.modelhub.engines.asking import answers, essence, load, request, requests
from tests.modelhub.engines.live_asking import PATIENCE, Answers, ask, live, made
from tests.modelhub.engines.passes import CONTINUOUS, Gate, before_each_pass
from tests.modelhub.engines.passes import one_thread as one_thread  # a fixture
from tests.tools.processes import wait_until
from tests.tools.tinymodels import texts

# What goes wrong


def test_a_request_that_cannot_be_read_fails_alone_for_good(tiny_llama: Path) -> None:
    with live("transformers", tiny_llama, options=CONTINUOUS) as engine:
        failure, result = ask(engine, [request("half a \ud83d character"), request(texts()[0][0])])
    assert isinstance(failure, GenerationFailure) and failure.final
    assert isinstance(result, GenerationResult) and result.text == texts()[0][1]


def test_a_request_that_breaks_the_batch_fails_alone_and_the_others_are_answered(tiny_llama: Path) -> None:
    asked = requests(12)
    expected = essence(answers(load("transformers", tiny_llama), asked))
    bad = 5
    with live("transformers", tiny_llama, options=CONTINUOUS) as engine:
        poison = engine._codec.encode([asked[bad]])[0][0].ids

        def refuse(_: int, ids: list[int]) -> None:
            if any(ids[at : at + len(poison)] == poison for at in range(len(ids))):
                raise RuntimeError("this kernel cannot do that")

        with before_each_pass(engine, refuse):
            delivered = ask(engine, asked)
        failure = delivered.pop(bad)
        assert isinstance(failure, GenerationFailure)
        assert failure.error == "The engine failed with RuntimeError: this kernel cannot do that"
        assert not failure.down
        assert essence(delivered) == expected[:bad] + expected[bad + 1 :]  # type: ignore[arg-type]
        assert essence(made(engine, asked)) == expected


def out_of_memory_over(most: int) -> Callable[[int, list[int]], None]:
    import torch

    def run_out(together: int, ids: list[int]) -> None:
        if together > most and len(ids) > 1:  # a single token, by which a batch is tried, has room
            raise torch.OutOfMemoryError("CUDA out of memory.")

    return run_out


def test_when_memory_runs_out_fewer_are_answered_at_once_and_none_is_lost(tiny_llama: Path) -> None:
    asked = requests(12)
    expected = essence(answers(load("transformers", tiny_llama), asked))
    with live("transformers", tiny_llama, options=CONTINUOUS) as engine:
        with before_each_pass(engine, out_of_memory_over(2)):
            assert essence(made(engine, asked)) == expected
        assert engine._most <= 2


def test_a_prompt_too_large_for_the_memory_by_itself_fails_and_the_engine_goes_on(tiny_llama: Path) -> None:
    with live("transformers", tiny_llama, options=CONTINUOUS) as engine:
        with before_each_pass(engine, out_of_memory_over(0)):
            failed = ask(engine, requests(2))
        assert all(isinstance(one, GenerationFailure) and "on this prompt alone" in one.error for one in failed)
        (result,) = made(engine, [request(texts()[0][0])])
    assert result.text == texts()[0][1]


def test_a_batch_that_does_not_start_again_is_down_until_it_does(
    tiny_llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: RunningBatch) -> None:
        raise RuntimeError("no device")

    with live("transformers", tiny_llama, options=CONTINUOUS) as engine:
        engine._batch.stop()
        with monkeypatch.context() as patched:
            patched.setattr(RunningBatch, "start", refuse)
            (failure,) = ask(engine, [request(texts()[0][0])])
        assert isinstance(failure, GenerationFailure) and failure.down
        assert failure.error == "The engine failed with RuntimeError: no device"
        (result,) = made(engine, [request(texts()[0][0])])
    assert result.text == texts()[0][1]


def test_once_a_batch_starts_again_requests_are_under_way_together_again(
    tiny_llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise RuntimeError("no device")

    gate, arrived, together = Gate(), Answers(), []

    def break_behind(count: int, ids: list[int]) -> None:
        gate(count, ids)
        if gate.opened.is_set():
            refuse()

    with live("transformers", tiny_llama, options=CONTINUOUS) as engine:
        with monkeypatch.context() as patched, before_each_pass(engine, break_behind):
            patched.setattr(RunningBatch, "start", refuse)
            for number, one in enumerate(requests(4)):
                arrived.start(engine, number, one)
            wait_until(lambda: len(engine._under_way) == 4, seconds=PATIENCE, what="Four requests under way")
            gate.opened.set()
            failed = arrived.take(4)
        assert all(isinstance(one, GenerationFailure) and one.down for one in failed.values())
        with before_each_pass(engine, lambda count, _: together.append(count)):
            made(engine, requests(8))
    assert max(together) > 1


def test_after_an_error_of_the_gpu_the_engine_says_that_it_is_down_for_good(tiny_llama: Path) -> None:
    import torch

    def fail(*_: Any) -> None:
        raise torch.AcceleratorError("CUDA error: device-side assert triggered", 710)

    with live("transformers", tiny_llama, options=CONTINUOUS) as engine:
        with before_each_pass(engine, fail):
            failed = ask(engine, requests(3))
        failed += ask(engine, [request(texts()[0][0])])
    assert all(isinstance(one, GenerationFailure) and one.down and "Start it anew" in one.error for one in failed)


def test_an_error_in_the_engines_own_thread_fails_what_it_had_and_ends_nothing(
    tiny_llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with live("transformers", tiny_llama, options=CONTINUOUS) as engine:
        with monkeypatch.context() as patched:
            patched.setattr(engine._codec, "result", lambda answer: 1 / 0)
            (failure,) = ask(engine, [request(texts()[0][0])])
        assert isinstance(failure, GenerationFailure) and "ZeroDivisionError" in failure.error
        (result,) = made(engine, [request(texts()[0][0])])
    assert result.text == texts()[0][1]


def test_a_receiver_that_raises_harms_no_other(tiny_llama: Path) -> None:
    def refuse(_: Any) -> None:
        raise ValueError("I will not have it")

    with live("transformers", tiny_llama, options=CONTINUOUS) as engine:
        engine.start(request(texts()[0][0]), refuse)
        assert made(engine, [request(texts()[1][0])])[0].text == texts()[1][1]


def test_where_continuous_batching_does_not_work_requests_are_answered_in_plain_batches(
    tiny_llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: RunningBatch) -> None:
        raise ValueError("Implementation is not supported for continuous batching.")

    monkeypatch.setattr(RunningBatch, "start", refuse)
    asked = requests(4)
    with live("transformers", tiny_llama, options=CONTINUOUS) as engine:
        assert isinstance(engine, BatchedEngine)
        assert essence(made(engine, asked)) == essence(answers(load("transformers", tiny_llama), asked))
