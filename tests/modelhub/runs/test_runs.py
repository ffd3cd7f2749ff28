"""What is recorded of every run."""

import shutil
import subprocess
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.db import connection
from django.utils import timezone

from modelhub.models import Run
from modelhub.runs import provenance as recorded
from modelhub.runs.lifecycle import RunStopped, run_finish, run_heartbeat, run_start, runs_mark_lost
from modelhub.runs.provenance import command_line, public_arguments


def test_secrets_never_stand_in_a_command_line() -> None:
    line = command_line(["manage.py", "x", "--api-key", "s3cret", "--password=hunter2", "http://me:pw@host/v1"])
    assert line == "manage.py x --api-key '***' '--password=***' 'http://***@host/v1'"


def test_secrets_never_stand_in_arguments_and_counts_of_tokens_do() -> None:
    shown = public_arguments({"decoding": {"max_tokens": 5, "api_key": "s3cret"}, "author": "me", "none": None})
    assert shown == {"decoding": {"max_tokens": 5, "api_key": "***"}, "author": "me", "none": None}


@pytest.mark.django_db
def test_a_run_records_what_is_needed_to_repeat_it(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("x")
    run = run_start(stage="test", arguments={"batch_size": 8}, inputs=[tmp_path / "in.csv"], seed=3)
    assert run.inputs[0]["name"] == "in.csv" and len(run.inputs[0]["sha256"]) == 64
    assert run.arguments == {"batch_size": 8} and run.seed == 3
    assert set(run.provenance) == {"git", "packages", "python", "os", "process"}
    assert run.provenance["packages"]["Django"].startswith("5.2")


@pytest.mark.django_db
def test_outside_of_a_git_checkout_provenance_says_so(tmp_path: Path, settings: object) -> None:
    settings.BASE_DIR = tmp_path  # type: ignore[attr-defined]
    assert recorded.provenance()["git"] == "not a git checkout"


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_provenance_names_the_commit_that_the_process_began_with(tmp_path: Path, settings: object) -> None:
    def commit(message: str) -> None:
        who = ["-c", "user.name=Tester", "-c", "user.email=tester@example.org"]
        subprocess.run(["git", *who, "commit", "--quiet", "--allow-empty", "-m", message], cwd=tmp_path, check=True)

    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    commit("Begin")
    settings.BASE_DIR = tmp_path  # type: ignore[attr-defined]
    before = recorded.provenance()["git"]
    commit("Pull something else while it runs")
    assert len(before["commit"]) == 40 and before["dirty"] is False
    assert recorded.provenance()["git"] == before


@pytest.mark.django_db
def test_a_run_whose_lease_expired_is_lost_and_one_that_beats_is_not() -> None:
    silent, alive = (run_start(stage="test", arguments={}) for _ in range(2))
    Run.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    run_heartbeat(run=alive, done=2, failed=1)
    assert runs_mark_lost() == 1
    silent.refresh_from_db()
    alive.refresh_from_db()
    assert (silent.state, alive.state, alive.done, alive.failed) == ("lost", "running", 2, 1)


@pytest.mark.django_db
def test_a_finished_run_stays_as_it_ended() -> None:
    run = run_start(stage="test", arguments={})
    run_finish(run=run, state=Run.State.STOPPED, message="Enough.")
    with pytest.raises(RunStopped):
        run_heartbeat(run=run, done=1)
    run_finish(run=run, state=Run.State.FAILED)
    run.refresh_from_db()
    assert (run.state, run.message, run.done) == ("stopped", "Enough.", 0)


@pytest.mark.django_db
def test_earlier_runs_are_held_to_what_they_kept_among_their_arguments() -> None:
    migration = import_module("modelhub.migrations.0006_run_subject_and_conditions")
    kept = {"subject": "BeaverTails by inferrer", "conditions": {"shots": 5}}
    earlier = run_start(stage="infer_personas", arguments={**kept, "limit": 3})
    other = run_start(stage="import_preferences", arguments={"dataset": "BeaverTails"})
    migration.take_from_arguments(apps, SimpleNamespace(connection=connection))
    for run in (earlier, other):
        run.refresh_from_db()
    assert (earlier.subject, earlier.conditions) == ("BeaverTails by inferrer", {"shots": 5})
    assert (other.subject, other.conditions) == ("", {})
