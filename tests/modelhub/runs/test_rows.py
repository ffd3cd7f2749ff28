"""Stages that ask an engine row by row: nothing is lost, repeated or mixed up, however they end."""

import os
import socket
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from annotation.errors import ServiceError
from modelhub.engines.base import EngineSettings
from modelhub.engines.scripted import ScriptedEngine, create
from modelhub.models import Generation, InferredPersona, Run
from modelhub.runs.engine_stage import Task, tasks_left
from modelhub.runs.heartbeat import Heartbeat
from modelhub.runs.lifecycle import run_finish, run_start
from modelhub.runs.parameters import BatchOptions, Shard
from modelhub.runs.rows import run_engine_stage
from modelhub.runs.stage import Reporting
from modelhub.stages.infer_personas import InferPersonas, infer_personas
from modelhub.systems.registering import system_register
from tests.modelhub.pair_rows import make_pairs, picking_script

pytestmark = pytest.mark.django_db


@pytest.fixture
def stage(tmp_path: Path) -> InferPersonas:
    return inferring(tmp_path)


def inferring(folder: Path, **decoding: Any) -> InferPersonas:
    script = picking_script(
        folder, "The user is curious and prefers examples.", "The user is busy and prefers brevity."
    )
    decoding = {"style": "pick", **decoding}
    system_register(name="inferrer", engine="scripted", model=str(script), persona_style="none", decoding=decoding)
    make_pairs("BeaverTails", "train", 10)
    return infer_personas(
        dataset="BeaverTails", splits=[], system="inferrer", directions=["chosen", "rejected"], shots=5
    )


def made_keys() -> Counter[tuple[int, str]]:
    return Counter(InferredPersona.objects.values_list("pair_id", "direction"))


def test_every_row_is_made_once_with_what_the_model_was_asked(stage: InferPersonas) -> None:
    report = run_engine_stage(stage, BatchOptions(batch_size=3))
    assert (report.done, report.failures.total, report.run.state) == (20, 0, "finished")
    assert made_keys().total() == len(made_keys()) == 20
    persona = InferredPersona.objects.first()
    assert persona.generation.text == persona.text
    assert persona.pair.prompt in persona.generation.given_prompt
    assert (report.run.total, report.run.done) == (20, 20)


def test_a_second_run_finds_nothing_left(stage: InferPersonas) -> None:
    run_engine_stage(stage, BatchOptions())
    assert run_engine_stage(stage, BatchOptions()).done == 0
    assert Generation.objects.count() == 20


def test_limits_and_shards_add_up_to_the_whole(stage: InferPersonas) -> None:
    assert run_engine_stage(stage, BatchOptions(limit=3)).done == 3
    parts = [run_engine_stage(stage, BatchOptions(shard=Shard(number, 3))).done for number in (1, 2, 3)]
    assert sum(parts) == 17
    assert all(parts)
    assert made_keys().total() == len(made_keys()) == 20


def test_shards_of_one_split_are_disjoint_and_complete() -> None:
    keys = [f"key {number}" for number in range(1000)]
    held = [[key for key in keys if Shard(number, 4).holds(key)] for number in (1, 2, 3, 4)]
    assert sorted(key for part in held for key in part) == sorted(keys)
    assert all(200 < len(part) < 300 for part in held)


def test_an_interrupted_run_is_stopped_and_continued(stage: InferPersonas) -> None:
    def interrupt(count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_engine_stage(stage, BatchOptions(batch_size=8), Reporting(advance=interrupt))
    assert [run.state for run in Run.objects.filter(stage="infer_personas")] == ["stopped"]
    assert made_keys().total() == 8
    assert run_engine_stage(stage, BatchOptions()).done == 12
    assert made_keys().total() == len(made_keys()) == 20


def test_an_engine_that_breaks_down_ends_the_run_with_its_reason_and_keeps_what_is_stored(tmp_path: Path) -> None:
    stage = inferring(tmp_path, fail_on="Prompt 7 ")
    with pytest.raises(ServiceError, match="fail_on"):
        run_engine_stage(stage, BatchOptions(batch_size=2))
    run = Run.objects.get(stage="infer_personas")
    assert run.state == "failed"
    assert "fail_on" in run.message
    assert made_keys().total() == run.done == 12


def test_one_scope_has_one_run_at_a_time(stage: InferPersonas) -> None:
    scope = f"infer_personas:{stage.subject}:{stage.selection}:1/1"
    other = run_start(stage="infer_personas", arguments={}, scope=scope)
    with pytest.raises(ServiceError, match=f"Run {other.key} works on this already.*--shard"):
        run_engine_stage(stage, BatchOptions())
    run_engine_stage(stage, BatchOptions(shard=Shard(1, 2)))
    run_finish(run=other, state=Run.State.FINISHED)
    run_engine_stage(stage, BatchOptions())
    assert made_keys().total() == 20


def test_a_run_whose_process_is_gone_holds_nobody_up(stage: InferPersonas) -> None:
    dead = run_start(
        stage="infer_personas", arguments={}, scope=f"infer_personas:{stage.subject}:{stage.selection}:1/1"
    )
    gone = os.fork()
    if gone == 0:
        os._exit(0)
    os.waitpid(gone, 0)
    Run.objects.filter(pk=dead.pk).update(provenance={"process": {"host": socket.gethostname(), "pid": gone}})
    assert run_engine_stage(stage, BatchOptions()).done == 20
    dead.refresh_from_db()
    assert dead.state == "lost"


def test_a_run_on_another_machine_holds_its_scope_until_its_lease_ends(stage: InferPersonas) -> None:
    far = run_start(stage="infer_personas", arguments={}, scope=f"infer_personas:{stage.subject}:{stage.selection}:1/1")
    gone = os.fork()  # a number that no process has here says nothing of a process there
    if gone == 0:
        os._exit(0)
    os.waitpid(gone, 0)
    Run.objects.filter(pk=far.pk).update(provenance={"process": {"host": "elsewhere", "pid": gone}})
    with pytest.raises(ServiceError, match="works on this already"):
        run_engine_stage(stage, BatchOptions())
    Run.objects.filter(pk=far.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert run_engine_stage(stage, BatchOptions()).done == 20


def test_a_run_that_was_taken_over_ends_instead_of_doubling_the_work(stage: InferPersonas) -> None:
    def take_over(count: int) -> None:
        slow = Run.objects.get(stage="infer_personas")
        Run.objects.filter(pk=slow.pk).update(state=Run.State.LOST)
        if not Run.objects.filter(stage="other").exists():
            run_start(stage="other", arguments={}, scope=slow.scope)

    with pytest.raises(ServiceError, match="another run has begun"):
        run_engine_stage(stage, BatchOptions(batch_size=5), Reporting(advance=take_over))
    assert made_keys().total() == 10


def test_rows_made_under_other_conditions_are_not_mixed(stage: InferPersonas) -> None:
    run_engine_stage(stage, BatchOptions(limit=4))
    other = infer_personas(dataset="BeaverTails", splits=[], system="inferrer", directions=["chosen"], shots=2)
    with pytest.raises(ServiceError, match='under other conditions.*"shots": 5.*"shots": 2'):
        run_engine_stage(other, BatchOptions())
    assert made_keys().total() == 4


def test_a_model_changed_since_its_registration_is_refused(stage: InferPersonas, tmp_path: Path) -> None:
    picking_script(tmp_path, "The user is another and prefers other things.")
    with pytest.raises(ServiceError, match="have changed since it was registered"):
        run_engine_stage(stage, BatchOptions())
    assert not Run.objects.filter(stage="infer_personas").exists()


def test_a_row_that_another_run_has_made_meanwhile_is_left_alone(
    stage: InferPersonas, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = list(tasks_left(stage, BatchOptions()))
    run_engine_stage(stage, BatchOptions(limit=6))
    monkeypatch.setattr("modelhub.runs.rows.tasks_left", lambda stage, options: iter(tasks))
    assert run_engine_stage(stage, BatchOptions()).done == 14
    assert made_keys().total() == Generation.objects.count() == 20


def test_a_row_that_another_run_makes_at_the_same_moment_is_left_alone(
    stage: InferPersonas, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = list(tasks_left(stage, BatchOptions()))
    run_engine_stage(stage, BatchOptions(limit=6))
    stored, looks = InferPersonas.stored, iter([True])

    def written_after_the_look(self: InferPersonas, asked: Sequence[Task]) -> set[str]:
        return set() if next(looks, False) else stored(self, asked)

    monkeypatch.setattr("modelhub.runs.rows.tasks_left", lambda stage, options: iter(tasks))
    monkeypatch.setattr(InferPersonas, "stored", written_after_the_look)
    assert run_engine_stage(stage, BatchOptions()).done == 14
    assert made_keys().total() == Generation.objects.count() == 20


def test_a_run_beats_while_its_model_loads_and_answers(stage: InferPersonas, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    class Watched(Heartbeat):
        def __enter__(self) -> Heartbeat:
            seen.append("beats")
            return super().__enter__()

        def __exit__(self, *ending: Any) -> None:
            super().__exit__(*ending)
            seen.append("stops")

    def load(settings: EngineSettings) -> ScriptedEngine:
        seen.append("loaded")
        return create(settings)

    monkeypatch.setattr("modelhub.runs.recording.Heartbeat", Watched)
    monkeypatch.setattr("modelhub.engines.scripted.create", load)
    run_engine_stage(stage, BatchOptions(batch_size=10), Reporting(advance=lambda count: seen.append("rows")))
    assert seen == ["beats", "loaded", "rows", "rows", "stops"]


def test_a_dry_run_prints_two_prompts_and_the_count_and_writes_nothing(
    stage: InferPersonas, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("infer_personas", "--dataset", "BeaverTails", "--system", "inferrer", "--dry-run")
    printed = capsys.readouterr().out
    assert printed.count("--- BeaverTails/train/") == 2
    assert "20 personas to make" in printed
    assert not Run.objects.filter(stage="infer_personas").exists()


@pytest.mark.parametrize("bad", ["0/2", "3/2", "2", "a/b"])
def test_a_shard_that_does_not_exist_is_named(bad: str) -> None:
    with pytest.raises(CommandError, match="is no shard; write 2/4"):
        call_command("infer_personas", "--dataset", "D", "--system", "s", "--shard", bad)


@pytest.mark.parametrize("option", ["--limit", "--batch-size", "--lease-seconds"])
@pytest.mark.parametrize("bad", ["0", "-1", "1e3", "99999999999999999999"])
def test_a_number_that_cannot_be_kept_is_named(option: str, bad: str) -> None:
    with pytest.raises(CommandError, match="is no whole number from 1 to|a lease takes"):
        call_command("infer_personas", "--dataset", "D", "--system", "s", f"{option}={bad}")


def test_a_lease_is_no_longer_than_a_day(stage: InferPersonas) -> None:
    with pytest.raises(CommandError, match="a lease takes 3 to 86400 seconds, not 86401"):
        call_command("infer_personas", "--dataset", "BeaverTails", "--system", "inferrer", "--lease-seconds", "86401")


def test_an_unknown_data_set_is_not_taken_for_a_missing_profile(stage: InferPersonas) -> None:
    with pytest.raises(ServiceError, match="no data set called 'BeverTails'"):
        infer_personas(dataset="BeverTails", splits=[], system="inferrer", directions=["chosen"], shots=5)
