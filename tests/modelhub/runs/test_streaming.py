"""Rows of a stage on their way: rendered and written while others are answered, and kept however the way ends."""

import os
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from annotation.errors import ServiceError
from annotation.models import Study
from annotation.services.withdrawal import participant_erase
from modelhub.engines.base import (
    Answer,
    EngineError,
    GenerationFailure,
    GenerationRequest,
    GenerationResult,
)
from modelhub.engines.scripted import ScriptedEngine
from modelhub.models import (
    Generation,
    InferredPersona,
    Run,
    SharedPrompt,
    System,
)
from modelhub.runs import rows as rows_of_stages
from modelhub.runs.engine_stage import Task
from modelhub.runs.parameters import BatchOptions
from modelhub.runs.rows import run_engine_stage
from modelhub.runs.stage import Reporting
from modelhub.runs.storing import Answered, RowStore
from modelhub.stages.infer_personas import InferPersonas, infer_personas
from modelhub.systems.registering import arms_bind, system_register
from tests.modelhub.live import make_live_study, write_persona
from tests.modelhub.output_rows import make_outputs
from tests.modelhub.pair_rows import make_pairs, make_system, picking_script
from tests.tools.faultproxy import PATIENCE, FaultProxy, Hang, Reply

pytestmark = pytest.mark.django_db
PERSONA = "The user is curious and prefers examples."
GOOD = Reply(200, {"choices": [{"text": PERSONA, "finish_reason": "stop"}]})


@pytest.fixture
def stage(tmp_path: Path) -> InferPersonas:
    """Twenty rows to be inferred by a script."""
    script = picking_script(tmp_path, PERSONA)
    return inferring(engine="scripted", model=str(script), decoding={"style": "pick"})


def inferring(pairs: int = 10, **system: Any) -> InferPersonas:
    system_register(name="inferrer", persona_style="none", **{"decoding": {}, **system})
    make_pairs("BeaverTails", "train", pairs)
    return infer_personas(
        dataset="BeaverTails", splits=[], system="inferrer", directions=["chosen", "rejected"], shots=2
    )


@pytest.fixture
def proxy() -> Iterator[FaultProxy]:
    proxy = FaultProxy()
    yield proxy
    proxy.stop()


def stored() -> int:
    return InferredPersona.objects.count()


def last_run() -> Run:
    return Run.objects.filter(stage="infer_personas").latest("pk")


class Gates:
    """Lets a scripted engine make a batch only when something has happened, and notes what has not."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.before: dict[int, threading.Event] = {}
        self.late: list[int] = []
        self._made = 0
        self._generate = ScriptedEngine.generate
        patch.setattr(ScriptedEngine, "generate", lambda engine, asked: self._gated(engine, asked))

    def _gated(
        self, engine: ScriptedEngine, asked: Sequence[GenerationRequest]
    ) -> list[GenerationResult | GenerationFailure]:
        number, self._made = self._made, self._made + 1
        if number in self.before and not self.before[number].wait(PATIENCE):
            self.late.append(number)
        return self._generate(engine, asked)


def test_rows_are_rendered_and_written_while_others_are_answered(
    stage: InferPersonas, monkeypatch: pytest.MonkeyPatch
) -> None:
    gates, rendered, written = Gates(monkeypatch), threading.Event(), threading.Event()
    gates.before = {0: rendered, 1: written}
    counted: list[Task] = []
    request = InferPersonas.request

    def counting(self: InferPersonas, task: Task) -> GenerationRequest:
        counted.append(task)
        if len(counted) == 8:
            rendered.set()
        return request(self, task)

    monkeypatch.setattr(InferPersonas, "request", counting)
    run_engine_stage(stage, BatchOptions(batch_size=4), Reporting(advance=lambda count: written.set()))
    assert gates.late == [] and stored() == 20


def test_a_request_that_is_never_answered_keeps_no_other_row_from_being_stored(proxy: FaultProxy) -> None:
    stage = inferring(engine="openai", model="m", endpoint=proxy.url, options={"concurrency": 4})
    proxy.plan(GOOD, Hang(), *[GOOD] * 20)
    before_release: list[int] = []

    def release(count: int) -> None:
        if stored() == 16:
            before_release.append(16)
            proxy.release()

    run_engine_stage(stage, BatchOptions(batch_size=4), Reporting(advance=release))
    assert before_release == [16] and stored() == 20


def test_a_batch_that_took_long_is_written_whole(stage: InferPersonas, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]

    def five_at_a_time(numbers: list[int]) -> Iterator[int]:
        for number in numbers:
            now[0] += 1000 if number % 5 == 0 else 0
            yield number

    answer_by(monkeypatch, five_at_a_time)
    monkeypatch.setattr(rows_of_stages.time, "monotonic", lambda: now[0])
    sizes: list[int] = []
    run_engine_stage(stage, BatchOptions(batch_size=5), Reporting(advance=sizes.append))
    assert sizes == [5, 5, 5, 5]


def test_an_answer_that_has_waited_long_is_written_before_its_batch_is_full(
    stage: InferPersonas, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_by(monkeypatch, lambda numbers: (number for number in numbers))
    now = iter(range(0, 10_000, 4))
    monkeypatch.setattr(rows_of_stages.time, "monotonic", lambda: next(now))
    sizes: list[int] = []
    run_engine_stage(stage, BatchOptions(batch_size=64), Reporting(advance=sizes.append))
    assert sum(sizes) == 20 and max(sizes) < 8


def answer_by(patch: pytest.MonkeyPatch, order: Callable[[list[int]], Iterator[int]]) -> None:
    """Let a scripted engine answer all rows in this order, each by its prompt; what `order` raises, it raises."""

    def stream(self: ScriptedEngine, requests: Iterator[GenerationRequest], *, ahead: int) -> Generator[Answer]:
        asked = list(requests)
        for number in order(list(range(len(asked)))):
            (made,) = self.generate([asked[number]])
            assert isinstance(made, GenerationResult)
            yield number, replace(made, text=f"Of {asked[number].prompt}")

    patch.setattr(ScriptedEngine, "stream", stream)


@pytest.mark.parametrize(
    ("error", "state"),
    [(KeyboardInterrupt(), "stopped"), (EngineError("It broke."), "failed"), (RuntimeError("CUDA"), "failed")],
    ids=["interruption", "engine", "defect"],
)
def test_what_has_come_is_stored_however_the_run_ends(
    stage: InferPersonas, monkeypatch: pytest.MonkeyPatch, error: BaseException, state: str
) -> None:
    def five(numbers: list[int]) -> Iterator[int]:
        yield from numbers[:5]
        raise error

    answer_by(monkeypatch, five)
    with pytest.raises((type(error), ServiceError)):
        run_engine_stage(stage, BatchOptions(batch_size=64))
    assert (last_run().state, last_run().done, stored()) == (state, 5, 5)


def test_a_row_that_cannot_be_rendered_ends_the_run_after_all_that_was_asked_is_stored(
    proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = inferring(engine="openai", model="m", endpoint=proxy.url, options={"concurrency": 2})
    proxy.plan(*[GOOD] * 20)
    bad = list(stage.tasks())[6].key
    request = InferPersonas.request

    def failing(self: InferPersonas, task: Task) -> GenerationRequest:
        if task.key == bad:
            raise ValueError("This row cannot be rendered.")
        return request(self, task)

    monkeypatch.setattr(InferPersonas, "request", failing)
    with pytest.raises(ValueError, match="This row cannot be rendered"):
        run_engine_stage(stage, BatchOptions(batch_size=64))
    assert (last_run().state, last_run().done, stored(), len(proxy.seen)) == ("failed", 6, 6, 6)


@pytest.mark.usefixtures("unheeded_signals")
def test_a_signal_between_writing_and_counting_waits_so_that_the_count_is_true(
    stage: InferPersonas, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = RowStore.write

    def interrupted(self: RowStore, rows: Sequence[Answered]) -> int:
        done = write(self, rows)
        os.kill(os.getpid(), signal.SIGTERM)
        return done

    monkeypatch.setattr(RowStore, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_engine_stage(stage, BatchOptions(batch_size=4))
    assert (last_run().state, last_run().done, stored()) == ("stopped", 4, 4)


def test_answers_in_any_order_go_to_their_own_rows(stage: InferPersonas, monkeypatch: pytest.MonkeyPatch) -> None:
    answer_by(monkeypatch, lambda numbers: reversed(numbers))
    run_engine_stage(stage, BatchOptions(batch_size=3))
    for one in InferredPersona.objects.select_related("pair", "generation__shared_prompt"):
        assert one.generation and one.generation.text == f"Of {one.pair.prompt}"
        assert one.pair.prompt in one.generation.given_prompt


# What prompts have in common


def test_what_prompts_share_is_stored_once_and_shown_with_the_rest(stage: InferPersonas) -> None:
    run_engine_stage(stage, BatchOptions(batch_size=3))
    shared = SharedPrompt.objects.get()
    assert shared.generations.count() == 20
    for task in stage.tasks():
        pair, direction = task.row
        made = InferredPersona.objects.get(pair=pair, direction=direction).generation
        assert made and made.given_prompt == stage.request(task).rendered
        assert shared.text not in made.rendered_prompt and len(made.rendered_prompt) < len(shared.text)


def test_live_outputs_share_their_exemplars_which_an_erasure_leaves_alone(tmp_path: Path) -> None:
    study = make_live_study(tmp_path, state="draft")
    script = System.objects.get(name="live tailored").model
    exemplars = [{"prompt": "How do I run?", "persona": "The user is slow.", "response": "Slowly."}]
    system_register(
        name="shown", engine="scripted", model=script, persona_style="field", decoding={}, exemplars=exemplars
    )
    arms_bind(study=study, bindings={"2": "shown"})
    Study.objects.update(state="open", protocol_hash="0" * 64)
    hers, others = write_persona(study, 1, "The user is a zyxquilt and prefers songs."), write_persona(study, 2)
    call_command("run_worker", "--once")
    shared = SharedPrompt.objects.get()
    assert shared.generations.count() == 2 and "zyxquilt" not in shared.text
    whole = Generation.objects.get(output__persona=hers, shared_prompt=shared).given_prompt
    assert whole.index("How do I run?") < whole.index("zyxquilt") and whole.endswith("Response:")
    assert hers.author
    participant_erase(participant=hers.author)
    assert [one.output and one.output.persona for one in shared.generations.all()] == [others]


def test_generations_from_before_prompts_were_shared_are_read_as_they_are() -> None:
    (pair,) = make_pairs("BeaverTails", "test", 1)
    (output,) = make_outputs([pair], make_system())
    assert output.generation and output.generation.given_prompt == output.generation.rendered_prompt != ""
