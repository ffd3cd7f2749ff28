"""The demonstration: its set-up, which any run completes, its processes, and its texts."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from annotation.errors import ServiceError
from annotation.management.base import DEFAULT_ADDRESS, served_address
from annotation.models import Assignment, Output, Persona, Study, User
from annotation.services.participants import participant_create
from modelhub import demo
from modelhub.engines.base import EngineSettings, GenerationRequest
from modelhub.engines.scripted import create, read_script
from modelhub.management.commands import demo as demo_command
from modelhub.models import Run, System
from tests.modelhub.engines.asking import came_of
from tests.tools.processes import ProjectProcess, free_port, wait_until

STEPS = ["study_save", "system_register", "arms_bind", "import_outputs", "study_open", "open_link_create"]


def outputs() -> list[dict[str, str]]:
    text = (demo.FOLDER / "outputs.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def words(text: str) -> int:
    return len(text.split())


@pytest.mark.django_db
def test_the_study_is_ready_to_be_taken_after_the_set_up() -> None:
    done = demo.demo_prepare()

    assert (done.study.state, done.study.demonstration) == (Study.State.OPEN, True)
    assert (done.study.given_personas_per_participant, done.study.written_personas_per_participant) == (4, 2)
    assert Output.objects.filter(state=Output.State.READY).count() == 24
    assert done.link.cap == demo.LINK_CAP
    bound = {arm.ordinal: arm.binding.system.name for arm in done.study.arms.select_related("binding__system")}
    assert bound == {1: "DPO (demonstration)", 2: "PT-DPO (demonstration)"}


@pytest.mark.django_db
def test_a_second_run_keeps_everything_and_prints_no_password() -> None:
    first = demo.demo_prepare()
    again = demo.demo_prepare()

    assert again.link == first.link
    assert again.study.pk == first.study.pk
    assert first.password is not None
    assert again.password is None
    assert User.objects.get().check_password(first.password)
    assert User.objects.get().has_perm("modelhub.unblind")


@pytest.mark.django_db
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_set_up_that_was_interrupted_is_completed_by_the_next_run(
    monkeypatch: pytest.MonkeyPatch, step: str, when: str
) -> None:
    real: Callable[..., Any] = getattr(demo, step)

    def interrupted(**arguments: Any) -> None:
        if when == "after":
            real(**arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(demo, step, interrupted)
        with pytest.raises(KeyboardInterrupt):
            demo.demo_prepare()
    done = demo.demo_prepare()

    assert done.password is not None
    assert done.study.state == Study.State.OPEN
    assert (Study.objects.count(), System.objects.count(), Output.objects.count()) == (1, 2, 24)
    assert done.study.open_links.count() == 1


@pytest.mark.django_db
def test_a_full_or_deactivated_link_is_replaced() -> None:
    first = demo.demo_prepare()
    for _ in range(demo.LINK_CAP):
        participant_create(study=first.study, open_link=first.link)

    assert demo.demo_prepare().link != first.link


@pytest.mark.django_db
def test_the_command_prints_links_and_the_password_once() -> None:
    runs = []
    for _ in range(2):
        output = StringIO()
        call_command("demo", "--no-serve", "--port", "8321", stdout=output)
        runs.append(output.getvalue())

    token = Study.objects.get().open_links.get().token
    for printed in runs:
        assert f"http://127.0.0.1:8321/join/{token}/" in printed
        assert "http://127.0.0.1:8321/research/" in printed
    assert "The password is printed this once." in runs[0]
    assert "manage.py changepassword researcher" in runs[1]
    password = runs[0].split("password ")[1].split()[0]
    assert User.objects.get().check_password(password)
    assert password not in runs[1]


@pytest.mark.django_db
def test_a_port_in_use_is_reported_before_anything_is_set_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CommandError, match=f"Port {port} of 127.0.0.1 cannot be used.*--port {port + 1}'"):
            call_command("demo", "--port", str(port))

    assert User.objects.count() == 0


@pytest.mark.django_db
def test_a_port_that_does_not_exist_is_refused() -> None:
    with pytest.raises(CommandError, match="Port 70000"):
        call_command("demo", "--port", "70000")


def children_that(monkeypatch: pytest.MonkeyPatch, *scripts: str) -> list["subprocess.Popen[bytes]"]:
    """Let the demonstration start small programs instead of the server and the worker, and return them."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str) -> "subprocess.Popen[bytes]":
        started.append(subprocess.Popen([sys.executable, "-c", scripts[len(started)]]))
        return started[-1]

    monkeypatch.setattr(demo, "_start", start)
    return started


@pytest.mark.parametrize(("scripts", "name"), [(("pass", "input()"), "web server"), (("input()", "pass"), "worker")])
def test_if_one_process_ends_the_other_is_stopped_and_the_end_is_an_error(
    monkeypatch: pytest.MonkeyPatch, scripts: tuple[str, str], name: str
) -> None:
    lasting = "import signal; signal.pause()"
    started = children_that(monkeypatch, *(lasting if script == "input()" else "exit(3)" for script in scripts))

    with pytest.raises(ServiceError, match=f"The {name} ended by itself \\(exit code 3\\)"):
        demo.serve(0, threading.Event())

    assert all(child.poll() is not None for child in started)


def test_the_demonstration_serves_and_stops_on_a_signal(transactional_db: None, tmp_path: Path) -> None:
    port = free_port()
    process = ProjectProcess(["manage.py", "demo", "--port", str(port)], tmp_path / "demo.log")
    process.start()
    try:
        wait_until(lambda: "Ctrl-C stops" in process.output(), seconds=60, what="The set-up")
        link = next(word for word in process.output().split() if "/join/" in word)
        wait_until(lambda: _answers(port), seconds=30, what="The start of the server")
        with urllib.request.urlopen(link, timeout=10) as page:
            assert page.status == 200
        assert served_address() == f"http://127.0.0.1:{port}"
        wait_until(lambda: Run.objects.filter(state="running").exists(), seconds=30, what="The start of the worker")
        assert process.process is not None
        process.process.terminate()
        assert process.process.wait(timeout=40) == 0
        assert not _answers(port) and served_address() == DEFAULT_ADDRESS
        assert Run.objects.get(stage="serve_outputs").state == Run.State.STOPPED
    finally:
        process.stop()
    assert Assignment.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_a_signal_during_the_set_up_ends_it_there_and_nothing_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_command, "collect_static", lambda: os.kill(os.getpid(), signal.SIGINT))
    monkeypatch.setattr(demo_command, "serve", lambda *_: pytest.fail("it was served all the same"))
    out = StringIO()

    call_command("demo", "--port", str(free_port()), stdout=out)

    assert "Ctrl-C stops" not in out.getvalue()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_both_texts_of_a_prompt_are_of_similar_length_and_form() -> None:
    pairs: dict[str, dict[str, str]] = {}
    for row in outputs():
        pairs.setdefault(row["item"], {})[row["system"]] = row["text"]

    assert len(pairs) == 12
    for item, texts in pairs.items():
        general, tailored = (texts[name] for name, _, _ in demo.SYSTEMS.values())
        assert 0.8 < words(general) / words(tailored) < 1.25, item
        for text in (general, tailored):
            assert "\n" not in text
            assert not any(tell in text.lower() for tell in ("the user", "persona", "as an ai", "demonstration"))


@pytest.mark.django_db
@pytest.mark.parametrize(
    "persona",
    [
        "The user is a busy nurse and prefers short, practical answers.",
        "I am shy and prefer to do things alone.",
        "likes {curly} braces",
        "asdf",
        "",
    ],
)
def test_the_script_answers_every_prompt_that_needs_a_persona_whatever_is_written(persona: str) -> None:
    prepared = demo.demo_prepare().study
    script = read_script(demo.FOLDER / "script.yaml")
    to_write = prepared.items.exclude(personas__source=Persona.Source.GIVEN)
    known = {entry.prompt for entry in script.prompts}
    assert {item.prompt for item in to_write} == known
    assert len(known) == 8

    for prompt in [*known, "Something else?"]:
        request = GenerationRequest(rendered="", prompt=prompt, persona=persona)
        general, tailored = (
            came_of(create(EngineSettings(str(demo.FOLDER / "script.yaml"), decoding={"style": style})), [request])[0]
            for style in ("general", "tailored")
        )
        for text in (general.text, tailored.text):
            assert not any(placeholder in text for placeholder in ("{trait}", "{preference}", "{prompt}"))
            assert 60 < words(text) < 170
        assert (general.text == tailored.text) == (persona == "")
    assert settings.BASE_DIR in demo.FOLDER.parents
