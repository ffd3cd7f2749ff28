"""The worker, in this process and as a process of its own."""

import io
import json
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from jinja2 import TemplateError

from annotation.models import Output, Persona, Study
from annotation.services.queue import outputs_claim
from modelhub.engines.base import GenerationRequest
from modelhub.engines.scripted import ScriptedEngine
from modelhub.live.dispatcher import Dispatcher
from modelhub.models import Generation, Run, System
from modelhub.systems.registering import present_fingerprint
from tests.modelhub.live import make_live_study, states, write_persona
from tests.tools.processes import ProjectProcess, wait_until

# A worker's heartbeat has a connection of its own, which a test's open transaction would lock out.
pytestmark = pytest.mark.django_db(transaction=True)

SECRET = "The user is Zebedee Quux and prefers xylophones."


def run_once(**options: object) -> str:
    out = io.StringIO()
    call_command("run_worker", once=True, stdout=out, **options)
    return out.getvalue()


def test_a_worker_fills_what_was_requested(tmp_path: Path) -> None:
    study = make_live_study(tmp_path)
    persona = write_persona(study)
    assert "finished: 2 outputs made, 0 attempts failed" in run_once()
    general, tailored = Output.objects.filter(persona=persona).order_by("arm__ordinal")
    assert general.text == "Take a walk."
    assert tailored.text == "As you are a nurse, and prefer short answers, stay at home."
    assert (general.fingerprint, general.lease_holder, general.lease_until) == (general.arm.fingerprint, "", None)
    run = Run.objects.get()
    assert (run.state, run.done, run.failed) == ("finished", 2, 0)
    assert run.arguments["output_seconds"] == 120


def test_how_an_output_was_made_is_kept_with_it(tmp_path: Path) -> None:
    persona = write_persona(make_live_study(tmp_path))
    run_once()
    prompts = Generation.objects.order_by("output__arm__ordinal").values_list("rendered_prompt", flat=True)
    assert list(prompts) == [
        f"Prompt: {persona.item.prompt}\nResponse:",
        f"Prompt: {persona.item.prompt}\nPersona: {persona.text}\nResponse:",
    ]
    assert set(Generation.objects.values_list("finish_reason", flat=True)) == {"stop"}


@pytest.mark.parametrize("state", ["paused", "closed", "draft"])
def test_what_was_requested_is_made_whatever_became_of_the_study(tmp_path: Path, state: str) -> None:
    persona = write_persona(make_live_study(tmp_path, state=state))
    run_once()
    assert states(persona) == ["ready", "ready"]


def test_one_bad_prompt_harms_no_other(tmp_path: Path) -> None:
    study = make_live_study(tmp_path, fail_on="number 2")
    good, bad = write_persona(study, 1), write_persona(study, 2)
    assert "2 outputs made, 6 attempts failed" in run_once()
    assert states(good) == ["ready", "ready"]
    assert states(bad) == ["failed", "failed"]
    failed = Output.objects.filter(persona=bad).earliest("pk")
    assert (failed.attempts, failed.text) == (3, "") and "fail_on" in failed.error


@pytest.mark.parametrize("error", [ValueError, RuntimeError, KeyError, TemplateError, MemoryError, AssertionError])
def test_whatever_an_engine_raises_is_an_attempt_of_that_output_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    good, bad = (write_persona(make_live_study(tmp_path, slug=slug)) for slug in ("good", "bad"))
    Persona.objects.filter(pk=bad.pk).update(text=SECRET)
    answer = ScriptedEngine.generate

    def generate(engine: ScriptedEngine, requests: Sequence[GenerationRequest]) -> list[Any]:
        if any(request.persona == SECRET for request in requests):
            raise error(f"cannot read {SECRET}" if error is KeyError else "System role not supported")
        return answer(engine, requests)

    monkeypatch.setattr(ScriptedEngine, "generate", generate)
    run_once()
    assert states(good) == ["ready", "ready"] and states(bad) == ["ready", "failed"]
    output = Output.objects.get(persona=bad, state="failed")
    assert output.attempts == 3 and error.__name__ in output.error
    assert ("System role not supported" in output.error) == (error is not KeyError)
    assert "Zebedee" not in output.error


def test_changed_files_are_refused_with_a_clear_error(tmp_path: Path) -> None:
    persona = write_persona(make_live_study(tmp_path))
    script = tmp_path / "script.yaml"
    script.write_text(script.read_text("utf-8").replace("walk", "secret nap"), encoding="utf-8")
    run_once()
    output = Output.objects.filter(persona=persona).earliest("pk")
    assert states(persona) == ["failed", "failed"] and output.attempts == 1
    assert "have changed since it was bound" in output.error


def test_an_unbound_arm_fails_with_a_clear_error(tmp_path: Path) -> None:
    persona = write_persona(make_live_study(tmp_path))
    first = Output.objects.filter(persona=persona).earliest("arm__ordinal")
    first.arm.binding.delete()
    run_once()
    assert states(persona) == ["failed", "ready"]
    first.refresh_from_db()
    assert "is not bound to a system" in first.error


def test_an_arm_of_imported_outputs_fails_with_a_clear_error(tmp_path: Path) -> None:
    persona = write_persona(make_live_study(tmp_path))
    System.objects.filter(name="live general").update(engine="imported")
    run_once()
    assert states(persona) == ["failed", "ready"]


def test_an_empty_answer_is_a_failure(tmp_path: Path) -> None:
    study = make_live_study(tmp_path)
    persona = write_persona(study)
    study.items.update(prompt="Anything else?")
    script = tmp_path / "script.yaml"
    script.write_text(script.read_text("utf-8").replace("It depends.", "</s>"), encoding="utf-8")
    for system in System.objects.all():
        fingerprint = present_fingerprint(system)
        study.arms.filter(binding__system=system).update(fingerprint=fingerprint)
    run_once()
    assert states(persona) == ["failed", "ready"]
    assert "empty text" in Output.objects.filter(persona=persona).earliest("arm__ordinal").error


def test_no_participants_text_is_logged_or_kept_in_runs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    study = make_live_study(tmp_path, fail_on="number 2")
    write_persona(study, 1, SECRET)
    write_persona(study, 2, SECRET)
    with caplog.at_level("DEBUG"):
        written = run_once()
    rows = json.dumps(list(Run.objects.values()), default=str)
    assert caplog.records
    for text in (caplog.text, written, rows):
        assert "Zebedee" not in text and "xylophones" not in text


@pytest.mark.parametrize("option", ["output_seconds", "poll_seconds", "lease_seconds"])
def test_options_that_make_no_sense_are_refused(option: str) -> None:
    with pytest.raises(CommandError, match=option.replace("_", "-")):
        run_once(**{option: 0})
    assert not Run.objects.exists()


def test_an_interrupted_worker_gives_its_leases_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = make_live_study(tmp_path)
    first, second = write_persona(study, 1), write_persona(study, 2)
    original = Dispatcher._answered

    def store_two_then_stop(dispatcher: Dispatcher, *args: object) -> None:
        original(dispatcher, *args)  # type: ignore[arg-type]
        if dispatcher.done == 2:
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(Dispatcher, "_answered", store_two_then_stop)
    assert "stopped: 2 outputs made" in run_once()
    assert Run.objects.get().state == "stopped"
    left = Output.objects.filter(state="requested")
    assert left.count() == 2 and set(left.values_list("lease_holder", "attempts")) == {("", 0)}
    monkeypatch.undo()
    run_once()
    assert states(first) == states(second) == ["ready", "ready"]


def test_what_a_killed_worker_held_is_made_by_the_next_one(tmp_path: Path, worker: ProjectProcess) -> None:
    def made(persona: Persona) -> bool:
        assert worker.process is not None and worker.process.poll() is None, worker.output()
        return states(persona) == ["ready", "ready"]

    study = make_live_study(tmp_path)
    first = write_persona(study, 1)
    wait_until(lambda: made(first), seconds=90, what="The first pair")
    worker.kill9()
    second = write_persona(study, 2)
    # As the killed worker would have left it: leased to nobody alive, in the past.
    held = outputs_claim(holder="killed", limit=8, lease_seconds=-1)
    assert len(held) == 2
    worker.start()
    wait_until(lambda: made(second), seconds=90, what="The second pair")
    assert Generation.objects.count() == Output.objects.count() == 4


def test_a_worker_killed_while_it_stores_loses_and_doubles_nothing(tmp_path: Path, worker: ProjectProcess) -> None:
    worker.stop()
    study = make_live_study(tmp_path)
    personas = [write_persona(study) for _ in range(150)]
    worker.command += ["--lease-seconds", "3"]
    worker.start()
    ready = Output.objects.filter(state="ready")
    wait_until(ready.exists, seconds=90, what="The first output")
    worker.kill9()
    done = dict(ready.values_list("pk", "ready_at"))
    assert 0 < len(done) < 300, "The worker was too quick to be killed in the middle; ask for more outputs."
    assert Generation.objects.count() == len(done)

    worker.start()
    wait_until(lambda: ready.count() == 300 or worker.process.poll() is not None, seconds=90, what="The rest")
    assert all(states(persona) == ["ready", "ready"] for persona in personas), worker.output()
    assert {pk: at for pk, at in ready.values_list("pk", "ready_at") if pk in done} == done
    assert Generation.objects.count() == Generation.objects.values("output").distinct().count() == 300


def test_sigterm_ends_an_idle_worker_as_stopped(worker: ProjectProcess) -> None:
    wait_until(lambda: Run.objects.filter(state="running").exists(), seconds=30, what="The start of the worker")
    worker.stop()
    assert Run.objects.get().state == "stopped"
    assert "Traceback" not in worker.output()


def test_the_heartbeat_renews_leases_while_answers_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study: Study = make_live_study(tmp_path)
    write_persona(study)
    original = Dispatcher._answered

    def store_after_a_beat(dispatcher: Dispatcher, *args: object) -> None:
        leases = Output.objects.filter(lease_holder=dispatcher.key)
        before = leases.values_list("lease_until", flat=True)[0]
        assert before is not None
        wait_until(lambda: leases.filter(lease_until__gt=before).exists(), seconds=20, what="A heartbeat")
        original(dispatcher, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Dispatcher, "_answered", store_after_a_beat)
    assert "2 outputs made" in run_once(lease_seconds=3)
