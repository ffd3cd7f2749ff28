"""The transformers engine asked one by one, by several at a time, in batches that requests join and leave."""

import logging
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from modelhub.engines.batched import BatchedEngine
from modelhub.engines.transformers.live import TransformersLiveEngine
from modelhub.engines.transformers.turns import InTurn
from tests.modelhub.engines.asking import answers, essence, load, request, requests
from tests.modelhub.engines.live_asking import PATIENCE, Answers, live, made
from tests.modelhub.engines.passes import CONTINUOUS, PLAIN, STOP, Gate, before_each_pass, either
from tests.modelhub.engines.passes import one_thread as one_thread  # a fixture
from tests.tools.processes import wait_until
from tests.tools.tinymodels import texts

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
