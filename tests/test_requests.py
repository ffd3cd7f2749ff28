"""Requests as machines send them: for the headers alone, or malformed; and static files beside pages."""

import socket
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from annotation.models import OpenLink, Participant, Study
from annotation.services.participants import participant_consent, participant_create, participant_instructed
from tests.annotation.study_rows import make_frozen_study
from tests.factories import make_study
from tests.matrix import MATRIX
from tests.test_permissions import client_of, values_of
from tests.test_permissions import world as world  # a fixture
from tests.tools.processes import Server
from tests.tools.state import database_state, logged

pytestmark = pytest.mark.django_db
# What differs from answer to answer, and what a browser keeps of it.
_OF_ONE_ANSWER = {"x-request-id", "set-cookie", "date", "expires"}
# Archives whose files say when they were made: packed again, they may be a byte longer.
_TELL_THE_TIME = {"annotation:export_zip", "modelhub:unblinded_download"}


def headers_of(response: Any, name: str) -> dict[str, str]:
    differs = _OF_ONE_ANSWER | ({"content-length"} if name in _TELL_THE_TIME else set())
    return {header: value for header, value in response.headers.items() if header.lower() not in differs}


# --- HEAD ---


@pytest.mark.parametrize("role", ["participant", "admin"])
def test_head_gets_the_headers_of_get_and_changes_nothing_at_every_address(role: str, world: Study) -> None:
    values, client, wrong = values_of(world), client_of(role, world), []
    for name, row in MATRIX.items():
        if row.get is None or name == "ready":  # /ready tells the time
            continue
        address = reverse(name, args=[values[part] for part in row.path])
        before = database_state()
        head = client.head(address)
        if b"".join(head.streaming_content if head.streaming else [head.content]):  # type: ignore[attr-defined]
            wrong.append(f"{name} has a body")
        if database_state() != before:
            wrong.append(f"{name} changes something")
        get = client.get(address)
        of_head, of_get = headers_of(head, name), headers_of(get, name)
        if (head.status_code, of_head) != (get.status_code, of_get):
            wrong.append(f"{name}: {head.status_code} {of_head} and not {get.status_code} {of_get}")
    assert not wrong, "\n".join(wrong)


def test_a_scanner_that_looks_at_a_link_takes_no_part_and_no_place(client: Client) -> None:
    study = make_study()
    participant = participant_create(study=study)
    address = reverse("annotation:participant", args=[participant.token])
    participant_consent(participant=participant)
    participant_instructed(participant=participant)
    assert client.head(address).status_code == 200
    assert not participant.assignments.exists()
    assert client.get(address).status_code == 200
    assert participant.assignments.exists()


def test_a_scanner_that_looks_at_an_arrival_lets_nobody_in(client: Client) -> None:
    study = make_study()
    Study.objects.filter(pk=study.pk).update(recruitment={"prolific": {"completed": "ABCD1234"}})
    link = OpenLink.objects.create(study=study, cap=1)
    query = "PROLIFIC_PID=abcdefgh12&STUDY_ID=abcdefgh12&SESSION_ID=abcdefgh12"
    address = f"{reverse('annotation:arrive', args=[link.token])}?{query}"
    assert client.head(address).status_code == client.get(address).status_code
    assert not Participant.objects.exists()


def test_an_export_is_not_made_for_its_headers(monkeypatch: pytest.MonkeyPatch, client: Client) -> None:
    study = make_frozen_study()
    client.force_login(study.owner)
    monkeypatch.setattr("annotation.views.research_export.csv_lines", lambda *given, **options: iter(print, 1))
    address = reverse("annotation:export_download", args=[study.slug, study.version, "ratings", "csv"])
    response = client.head(address)
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert b"".join(response) == b""
    assert not study.audit_log.filter(action="export_download").exists()


# --- malformed requests ---


MANY = "&".join(f"field{number}=1" for number in range(settings.DATA_UPLOAD_MAX_NUMBER_FIELDS + 1))
FORM = "application/x-www-form-urlencoded"
MALFORMED: dict[str, dict[str, Any]] = {
    "an unknown host": {"path": "/", "headers": {"host": "elsewhere.example.org"}},
    "a host that is none": {"path": "/", "headers": {"host": "a b\r\nc"}},
    "too many fields in the address": {"path": f"/research/?{MANY}"},
    "a NUL in the address": {"path": "/hub/pairs/?q=%00"},
    "too many fields in a form": {"path": "/accounts/login/", "body": MANY, "type": FORM},
    "too large a form": {"path": "/accounts/login/", "body": "x=" + "y" * 3_000_000, "type": FORM},
    "a form in another encoding": {"path": "/accounts/login/", "body": "x=1", "type": f"{FORM}; charset=utf-16"},
    "a multipart form without a boundary": {
        "path": "/accounts/login/", "body": "x", "type": "multipart/form-data",
    },
    "a multipart form with a boundary that is none": {
        "path": "/accounts/login/", "body": "x", "type": "multipart/form-data; boundary=é",
    },
}  # fmt: skip


@pytest.mark.parametrize("sent", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_request_gets_400_and_leaves_one_line(sent: dict[str, Any]) -> None:
    client = Client(headers=sent.get("headers"), raise_request_exception=False)
    with logged() as log:
        if "body" in sent:
            response = client.post(sent["path"], sent["body"], content_type=sent["type"])
        else:
            response = client.get(sent["path"])
    assert response.status_code == 400
    assert "That request could not be read" in response.content.decode()
    (line,) = log.getvalue().splitlines()
    assert " WARNING django" in line


@pytest.mark.parametrize(
    "path",
    ["/%00", "/p/%00/", "/p/%ff%fe/", "/p/a%0ab/", "/static/%00", "/research/x/v99999999999999999999/", "/%2e%2e/"],
)
def test_an_address_that_cannot_be_is_no_address(path: str) -> None:
    client = Client(raise_request_exception=False)
    client.force_login(make_study().owner)
    with logged() as log:
        assert client.get(path).status_code == 404
    assert len(log.getvalue().splitlines()) == 1


@pytest.mark.parametrize("name", ["sessionid", "csrftoken", "messages"])
@pytest.mark.parametrize("value", [r'"\000\000\000\000\000\000\000\000\000"', "x" * 4000, '"', "ÿ" * 40, ""])
def test_an_odd_cookie_is_no_cookie(name: str, value: str) -> None:
    client = Client(raise_request_exception=False, headers={"cookie": f"{name}={value}"})
    assert client.get("/accounts/login/").status_code == 200
    assert client.get("/research/").status_code == 302
    assert client.post("/accounts/login/", {"username": "x", "password": "y"}).status_code == 200


def test_an_error_of_ours_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("annotation.views.home.render", lambda *given: 1 / 0)
    with logged() as log:
        assert Client(raise_request_exception=False).get("/").status_code == 500
    assert "ZeroDivisionError" in log.getvalue()


# --- the server ---


def sent_raw(server: Server, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


_HOST = b"Host: localhost\r\n"
UNREADABLE = {
    "a length that is no number": b"POST /accounts/login/ HTTP/1.1\r\n" + _HOST + b"Content-Length: ten\r\n\r\n",
    "a negative length": b"POST /accounts/login/ HTTP/1.1\r\n" + _HOST + b"Content-Length: -1\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\n" + _HOST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "an overlong header": b"GET / HTTP/1.1\r\n" + _HOST + b"X-Long: " + b"x" * 20_000 + b"\r\n\r\n",
    "an overlong line": b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n" + _HOST + b"\r\n",
    "a NUL in the address": b"GET /\x00 HTTP/1.1\r\n" + _HOST + b"\r\n",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "a chunk that is none": b"POST /accounts/login/ HTTP/1.1\r\n" + _HOST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
}


@pytest.mark.django_db(transaction=True)
def test_the_server_refuses_what_it_cannot_read_without_a_traceback(server: Server) -> None:
    answers = {name: sent_raw(server, request).partition(b"\r\n")[0] for name, request in UNREADABLE.items()}
    wrong = {name: answer for name, answer in answers.items() if not answer.startswith(b"HTTP/1.1 4")}
    assert not wrong
    assert "Traceback" not in server.output()
    assert "Internal Server Error" not in server.output()


@pytest.mark.django_db(transaction=True)
def test_the_server_sends_no_body_for_head_and_goes_on_with_the_connection(server: Server) -> None:
    head = b"HEAD /accounts/login/ HTTP/1.1\r\n" + _HOST + b"\r\n"
    answered = sent_raw(server, head + head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert answered.count(b"HTTP/1.1 200 OK") == 2
    assert b"<html" not in answered


# --- static files ---


SHARED = (
    "Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy", "X-Frame-Options",
    "Cross-Origin-Opener-Policy", "Strict-Transport-Security",
)  # fmt: skip


def test_static_files_carry_the_headers_of_pages(settings: Any) -> None:
    settings.SECURE_HSTS_SECONDS, settings.SECURE_SSL_REDIRECT = 60, False
    page = Client().get("/accounts/login/", secure=True)
    file = Client().get("/static/app.css", secure=True)
    assert (page.status_code, file.status_code) == (200, 200)
    expected = {name: page.headers[name] for name in SHARED}
    assert {name: file.headers.get(name) for name in SHARED} == expected
    assert "Access-Control-Allow-Origin" not in file.headers
    assert "HX-Request" in page["Vary"] and "HX-Request" not in file.headers.get("Vary", "")
    assert page["Cache-Control"] != file["Cache-Control"]
