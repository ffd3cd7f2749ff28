"""The transformers engine asked one by one, by several at a time, in batches that requests join and leave."""

import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from modelhub.engines.base import GenerationFailure, GenerationResult
from modelhub.engines.batched import BatchedEngine
from modelhub.engines.transformers.live import TransformersLiveEngine
from modelhub.engines.transformers.running import RunningBatch
from modelhub.engines.transformers.turns import InTurn
from tests.modelhub.engines.asking import answers, essence, load, request, requests
from tests.modelhub.engines.live_asking import PATIENCE, Answers, ask, live, made
from tests.tools.processes import wait_until
from tests.tools.tinymodels import texts

CONTINUOUS = {"continuous_batching": True}
PLAIN = {"continuous_batching": False}
either = pytest.mark.parametrize("options", [PLAIN, CONTINUOUS], ids=["batches", "continuous"])
STOP = "y da"


@pytest.fixture(autouse=True)
def one_thread() -> None:
    import torch

    torch.set_num_threads(1)


@contextmanager
def before_each_pass(engine: Any, act: Callable[[int, list[int]], object]) -> Iterator[None]:
    """Do something before each forward pass of the model: given the number of answers in it, and its tokens."""

    def hook(module: Any, args: Any, kwargs: dict[str, Any]) -> None:
        act(len(kwargs["logits_to_keep"]), kwargs["input_ids"][0].tolist())

    handle = engine._batch._base.model.register_forward_pre_hook(hook, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


class Gate:
    """Holds up the model before its third pass, until it is opened."""

    def __init__(self) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()
        self.together: list[int] = []

    def __call__(self, together: int, _: list[int]) -> None:
        self.together.append(together)
        if len(self.together) == 3:
            self.reached.set()
            assert self.opened.wait(PATIENCE)


# Answers


@either
def test_adapters_asked_at_once_from_threads_each_answer_as_if_alone(
    tiny_llama: Path, tiny_adapters: dict[str, Path], options: dict[str, Any]
) -> None:
    folders: dict[str, Path | str] = {"": "", **tiny_adapters}
    asked = requests(16)
    alone = {name: answers(load("transformers", tiny_llama, folder), asked) for name, folder in folders.items()}
    assert len({essence(one)[8] for one in alone.values()}) == 3  # to a prompt that all have learned
    collected = {name: Answers() for name in folders}
    with (
        live("transformers", tiny_llama, options=options) as base,
        live("transformers", tiny_llama, folders["brief"], options=options) as brief,
        live("transformers", tiny_llama, folders["stepwise"], options=options) as stepwise,
    ):
        assert isinstance(base, TransformersLiveEngine if options == CONTINUOUS else BatchedEngine)
        engines = {"": base, "brief": brief, "stepwise": stepwise}

        def start_all(name: str) -> None:
            for number, one in enumerate(asked):
                collected[name].start(engines[name], number, one)

        threads = [threading.Thread(target=start_all, args=[name]) for name in engines]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for name, expected in alone.items():
            taken = collected[name].take(len(asked))
            assert essence([taken[number] for number in range(len(asked))]) == essence(expected)  # type: ignore[misc]


def test_a_request_joins_those_under_way_and_an_answer_comes_when_it_ends(tiny_llama: Path) -> None:
    long, short = sorted(requests(16), key=lambda one: -len(answers(load("transformers", tiny_llama), [one])[0].text))[
        :: len(requests(16)) - 1
    ]
    gate, arrived = Gate(), Answers()
    with live("transformers", tiny_llama, options=CONTINUOUS) as engine, before_each_pass(engine, gate):
        arrived.start(engine, 1, long)
        assert gate.reached.wait(PATIENCE)
        assert set(gate.together) == {1}
        arrived.start(engine, 2, short)
        wait_until(lambda: len(engine._under_way) == 2, seconds=PATIENCE, what="The second request under way")
        gate.opened.set()
        taken = arrived.take(2)
    assert max(gate.together) == 2
    expected = answers(load("transformers", tiny_llama), [long, short])
    assert essence([taken[1], taken[2]]) == essence(expected)  # type: ignore[list-item]


@either
@pytest.mark.parametrize("decoding", [{"stop": [STOP]}, {"min_new_tokens": 25}, {"max_new_tokens": 20}], ids=str)
def test_answers_end_by_the_rules_of_batches(
    tiny_llama: Path, options: dict[str, Any], decoding: dict[str, Any]
) -> None:
    asked = requests(16)
    expected = answers(load("transformers", tiny_llama, **decoding), asked)
    assert len({len(one.text) for one in expected}) > 3
    with live("transformers", tiny_llama, options=options, **decoding) as engine:
        assert essence(made(engine, asked)) == essence(expected)


def test_a_stop_text_ends_the_making_of_an_answer(tiny_llama: Path) -> None:
    asked = next(request(prompt) for prompt, answer in texts() if STOP in answer)
    (expected,) = answers(load("transformers", tiny_llama, stop=[STOP]), [asked])
    delivered, passes = threading.Event(), []

    def wait_behind_the_stop_text(together: int, _: list[int]) -> None:
        passes.append(together)
        assert len(passes) <= (expected.completion_tokens or 0) or delivered.wait(PATIENCE)

    with (
        live("transformers", tiny_llama, options=CONTINUOUS, stop=[STOP]) as engine,
        before_each_pass(engine, wait_behind_the_stop_text),
    ):
        engine.start(asked, lambda _: delivered.set())
        assert delivered.wait(PATIENCE)
        wait_until(lambda: not scheduled(engine), seconds=PATIENCE, what="The end of the answer in the batch")
    assert len(passes) <= (expected.completion_tokens or 0) + 1


def scheduled(engine: Any) -> dict[str, Any]:
    """What the library holds memory for."""
    scheduler = engine._batch._manager.batch_processor.scheduler
    return {**scheduler.active_requests, **scheduler.waiting_requests}


def test_what_does_not_fit_beside_the_others_waits_and_what_fits_nowhere_is_made_plainly(tiny_llama: Path) -> None:
    asked = requests(16)
    expected = answers(load("transformers", tiny_llama), asked)
    together: list[int] = []
    with live("transformers", tiny_llama, options=CONTINUOUS) as engine:
        needed = max(engine._batch._size(engine._codec.encode([one])[0][0]) for one in asked)
        engine._batch._blocks = needed
        with before_each_pass(engine, lambda count, _: together.append(count)):
            assert essence(made(engine, asked)) == essence(expected)
        assert set(together) == {1}
        engine._batch._blocks = 1
        assert essence(made(engine, asked[:2])) == essence(expected[:2])


@either
def test_slots_are_the_batch_size_unless_they_are_given(tiny_llama: Path, options: dict[str, Any]) -> None:
    with live("transformers", tiny_llama, options={**options, "batch_size": 3}) as engine:
        assert engine.slots == 3
    with live("transformers", tiny_llama, options={**options, "batch_size": 3, "live_slots": 5}) as engine:
        assert engine.slots == 5


def test_systems_that_are_loaded_at_once_load_their_base_once(
    tiny_llama: Path, tiny_adapters: dict[str, Path], caplog: pytest.LogCaptureFixture
) -> None:
    engines: list[Any] = []

    def load_one(folder: Path) -> None:
        engines.append(load("transformers", tiny_llama, folder))

    threads = [threading.Thread(target=load_one, args=[folder]) for folder in tiny_adapters.values()]
    with caplog.at_level(logging.INFO, logger="modelhub.engines.transformers.basemodels"):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len([record for record in caplog.records if record.message.startswith("loading")]) == 1
    assert engines[0]._base is engines[1]._base


# What is given up


def test_what_is_given_up_is_not_delivered_and_holds_no_memory(tiny_llama: Path) -> None:
    gate, arrived = Gate(), Answers()
    with live("transformers", tiny_llama, options=CONTINUOUS) as engine, before_each_pass(engine, gate):
        give_up = arrived.start(engine, 1, request(texts()[0][0]))
        assert gate.reached.wait(PATIENCE)
        give_up()
        wait_until(lambda: not engine._under_way, seconds=PATIENCE, what="The end of the request")
        gate.opened.set()
        arrived.start(engine, 2, request(texts()[1][0]))
        assert list(arrived.take(1)) == [2]
        assert max(gate.together) == 1  # it was not continued beside the other
        assert not engine._batch._taken
        wait_until(lambda: not scheduled(engine), seconds=PATIENCE, what="The end of all answers in the batch")
    assert arrived.none_left


def test_closing_plain_batches_ends_the_one_that_is_being_made(tiny_llama: Path) -> None:
    arrived, reached, passes = Answers(), threading.Event(), []
    with live("transformers", tiny_llama, options=PLAIN) as engine:

        def hook(*_: Any) -> None:
            passes.append(1)
            reached.set()
            assert len(passes) < 2 or engine._engine._abandoned.wait(PATIENCE)

        handle = engine._engine._base.model.register_forward_pre_hook(hook)
        arrived.start(engine, 1, request(texts()[0][0]))
        assert reached.wait(PATIENCE)
    handle.remove()
    assert not engine._thread.is_alive()
    assert len(passes) <= 2
    assert arrived.none_left


def test_closing_ends_the_threads_and_delivers_nothing_more(tiny_llama: Path) -> None:
    before = set(threading.enumerate())
    gate, arrived = Gate(), Answers()
    with live("transformers", tiny_llama, options=CONTINUOUS) as engine, before_each_pass(engine, gate):
        for number in range(12):
            arrived.start(engine, number, request(texts()[number][0]))
        assert gate.reached.wait(PATIENCE)
        threading.Timer(0, gate.opened.set).start()
    assert not {one for one in set(threading.enumerate()) - before if "transformers" in one.name or "loop" in one.name}
    assert arrived.none_left


def test_a_process_that_has_forgotten_to_close_the_engine_ends(tiny_llama: Path) -> None:
    code = (
        "import sys\n"
        "from modelhub.engines import engine_module\n"
        "from modelhub.engines.base import EngineSettings\n"
        "options = {'continuous_batching': True}\n"
        "kept = engine_module('transformers').live(EngineSettings(sys.argv[1], options=options))\n"
        "print(type(kept).__name__)\n"
    )
    command = [sys.executable, "-c", code, str(tiny_llama)]
    ended = subprocess.run(command, cwd=settings.BASE_DIR, capture_output=True, text=True, timeout=120, check=False)
    assert (ended.returncode, ended.stdout) == (0, "TransformersLiveEngine\n"), ended.stderr


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


# Turns


def test_a_lock_in_turn_goes_to_who_has_waited_longest() -> None:
    lock, order = InTurn(), []

    def take(name: int) -> None:
        with lock:
            order.append(name)

    def in_line(count: int) -> bool:
        return len(lock._line) == count

    threads = [threading.Thread(target=take, args=[number]) for number in range(4)]
    with lock:
        for number, thread in enumerate(threads):
            thread.start()
            wait_until(partial(in_line, number + 1), seconds=PATIENCE, what="A thread in line")
        late = threading.Thread(target=take, args=[9])
    late.start()
    for thread in (*threads, late):
        thread.join()
    assert order[:4] == [0, 1, 2, 3]
