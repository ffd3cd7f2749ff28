"""What reaches the log of a real web server when everything goes wrong: enough to mend it, and nothing of anybody."""

import json
import re
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.db import connection

from annotation.models import Participant, Study
from personaeval.logs import hide_tokens
from tests.annotation.prolific import PID, SESSION, link_of, prolific_study, query
from tests.test_settings import manage
from tests.tools.processes import Server, project_environment
from tests.tools.visitor import Visitor

# Its first line is longer than what PostgreSQL quotes of a column, its second shorter.
PERSONA = f"The user is Zebedee Quux of Little Snoring{', a village' * 9}\nand prefers 'xylophones' to tubas."
AGENT = "Zebrowser/7.0"
ROW_REFUSED = {
    "postgresql": (
        "ALTER TABLE annotation_persona ADD CONSTRAINT refused CHECK (text NOT LIKE '%Zebedee%') NOT VALID",
        "ALTER TABLE annotation_persona DROP CONSTRAINT refused",
    ),
    "sqlite": (
        """CREATE TRIGGER refused BEFORE UPDATE ON annotation_persona WHEN NEW.text LIKE '%Zebedee%'
           BEGIN SELECT RAISE(ABORT, 'violates refused'); END""",
        "DROP TRIGGER refused",
    ),
}


@contextmanager
def refused_personas() -> Iterator[None]:
    """A database in which a persona cannot be stored."""
    begin, end = ROW_REFUSED[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(begin)
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(end)


def walk(base_url: str, study: Study) -> tuple[Participant, dict[str, httpx.Response]]:
    """Arrive from Prolific, and meet a mistake of every kind; return who it was and the answers to the mistakes."""
    link = link_of(study)
    with Visitor(base_url) as visitor:
        visitor.client.headers["User-Agent"] = AGENT
        visitor.get(f"/arrive/{link.token}/?{httpx.QueryParams(query())}")
        visitor.send("")
        participant = Participant.objects.get(external_id=PID)
        home = f"/p/{participant.token}/"
        bare = httpx.Client(base_url=base_url, headers={"User-Agent": AGENT})
        answers = {
            "missing": visitor.get(f"{home}nothing/{participant.token}/"),
            "stranger": visitor.get(f"/p/{participant.token[:10]}/"),
            "encoded": visitor.get(f"/p/%{ord(participant.token[0]):x}{participant.token[1:]}/nothing/"),
            "flooded": visitor.get(f"{home}nothing/?{'a&' * 1500}"),
            "forged": bare.post(f"{home}consent/", data={"answer": "agree"}, headers={"Referer": base_url + home}),
        }
        visitor.get(home)
        visitor.send("consent/", answer="agree")
        visitor.send("instructions/")
        with refused_personas():
            answers["broken"] = visitor.send("/persona/", text=PERSONA)
        bare.close()
    unreadable(base_url, f"GET {home}?PROLIFIC_PID={PID} HTTP/9.9\r\n\r\n")
    unreadable(base_url, f"GET {home} HTTP/1.1\r\nHost: localhost\r\nUser Agent {AGENT}: x\r\n\r\n")
    return participant, answers


def unreadable(base_url: str, request: str) -> None:
    """Send what is no HTTP."""
    with socket.create_connection(("127.0.0.1", httpx.URL(base_url).port or 0)) as line:
        line.sendall(request.encode())
        assert b"400" in line.recv(4096)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("collected_static")
@pytest.mark.parametrize("form", ["plain", "json"])
def test_no_mistake_puts_anything_of_a_participant_into_the_log(form: str, tmp_path: Path) -> None:
    study = prolific_study(given_items=0, given_per_participant=0, written_items=2, written_per_participant=1)
    server = Server(tmp_path / "server.log", {**project_environment(), "LOG_FORMAT": form, "LOG_REQUESTS": "1"})
    try:
        server.start()
        participant, answers = walk(server.base_url, study)
    finally:
        server.stop()
    assert {name: answer.status_code for name, answer in answers.items()} == {
        "missing": 404, "stranger": 404, "encoded": 404, "flooded": 404, "forged": 403, "broken": 500,
    }  # fmt: skip
    log = server.output()
    personal = [participant.token, participant.token[:10], participant.token[1:], PID, SESSION, "Zebedee", "xylophones",
                participant.completion_code, AGENT]  # fmt: skip
    assert not [secret for secret in personal if secret in log], log
    assert "ip=127" not in log
    for told in ("IntegrityError", "refused", "Not Found: /p/***", "Forbidden (CSRF", "Invalid request from ip=***"):
        assert told in log
    if form == "json":
        check_lines([json.loads(line) for line in log.splitlines()], answers)


def check_lines(lines: list[dict[str, Any]], answers: dict[str, httpx.Response]) -> None:
    """Every answer's id leads to its request line, and to what went wrong."""
    assert all({"time", "level", "logger", "message", "process"} <= set(line) for line in lines)
    routes = {"missing": "unmatched", "flooded": "unmatched", "stranger": "annotation:participant",
              "forged": "annotation:consent", "broken": "annotation:persona_submit"}  # fmt: skip
    for name, route in routes.items():
        own = [line for line in lines if line.get("request_id") == answers[name].headers["X-Request-ID"]]
        (request,) = [line for line in own if "route" in line]
        assert (request["route"], request["status"]) == (route, answers[name].status_code)
        assert request["ms"] > 0 and request["method"] in ("GET", "POST")
        assert len(own) > 1, f"{name}: nothing but the request"
    (broken,) = [line for line in lines if "exception" in line]
    assert broken["exception"].startswith("Traceback") and broken["level"] == "ERROR"


@pytest.mark.parametrize("path", ["/p/abcdef/", "/p/ab%63def/", "/join/abcdef?x", "https://a.org/arrive/abcdef"])
def test_a_piece_of_a_link_is_hidden_as_the_whole_is(path: str) -> None:
    assert "def" not in hide_tokens(f"Invalid: '{path}'")


@pytest.mark.parametrize(
    ("given", "kept"),
    [("5f0c9a1b-2c3d.4e5f_607182", True), ("", False), ("short", False), ("x" * 65, False), ("a b c d e f g", False)],
)
def test_a_request_id_of_the_proxy_is_kept_if_it_is_one(given: str, kept: bool, client: Any) -> None:
    answered = client.get("/health", headers={"X-Request-ID": given})["X-Request-ID"]
    assert answered == given if kept else re.fullmatch("[0-9a-f]{32}", answered)
    assert kept or uuid.UUID(answered)


@pytest.mark.parametrize("variables", [{"LOG_FORMAT": "xml"}, {"LOG_LEVEL": "DEBUG"}, {"METRICS_TOKEN": "short"},
                                       {"METRICS_TOKEN": " " * 20}, {"METRICS_TOKEN": "é" * 20},
                                       {"QUEUE_WARN_SECONDS": "soon"}], ids=str)  # fmt: skip
def test_a_setting_that_says_nothing_is_refused_by_its_name(variables: dict[str, str], tmp_path: Path) -> None:
    (name,) = variables
    result = manage("check", VAR_DIR=str(tmp_path), **variables)
    assert result.returncode == 1 and f"{name}" in result.stderr
