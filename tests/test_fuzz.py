"""Odd requests to every address, by every role and method, from a fixed seed: never an error of ours."""

import copy
import random
import uuid
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.test import Client
from django.urls import NoReverseMatch, reverse

from annotation.models import Study
from tests.matrix import MATRIX, METHODS, ROLES
from tests.test_permissions import client_of, values_of
from tests.test_permissions import world as world  # a fixture
from tests.tools.oddvalues import NUMBERS, ODD
from tests.tools.state import database_state, logged

pytestmark = pytest.mark.django_db
SEED = 20261127
# What reading may write: that it was read, and where the participant has come to.
READERS_TRACES = {"annotation_auditlog", "annotation_event", "annotation_assignment", "annotation_slot",
                  "annotation_participant", "annotation_unittally", "annotation_persona", "annotation_personaproposal",
                  "django_session"}  # fmt: skip
TEXTS = [text.encode("utf-8", "replace").decode() for text in (*ODD, *NUMBERS)] + ["x" * 20_000, "é" * 6000]
NUMERIC = ["0", "1", "2", "32768", "2147483648", "9223372036854775808", "9" * 40]
SLUGS = ["a", "-", "_", "0" * 300, "ratings", "codebook", "guard", "before", "outputs"]
FIELDS = [
    "version", "value", "client_key", "text", "tab", "visit", "phase", "focused_ms", "idle_ms", "answer", "attempt",
    "index", "reason", "own", "choice", "decision", "replace", "accept", "answers_version", "count", "cap", "people",
    "username", "password", "role", "action", "confirmed", "next", "old_password", "new_password1", "new_password2",
    "q", "state", "include_bots", "formula_safe", "page", "participants", "items", "dataset", "split", "system",
    "systems", "source", "metric", "outcome", "base", "base_source", "test", "judge", "rubric", "inferred_by", "run",
    "rows", "study", "flag", "verdict", "min_count", "polls", "now", "waiting", "shown", "stage", "question-0",
    "PROLIFIC_PID", "STUDY_ID", "SESSION_ID", "csrfmiddlewaretoken",
]  # fmt: skip
HEADERS = ["HX-Request", "Accept-Encoding", "Accept-Language", "If-Modified-Since", "Range", "Referer", "X-Request-ID",
           "X-Forwarded-For", "X-Forwarded-Proto", "Content-Type", "User-Agent", "Host", "Authorization"]  # fmt: skip
COOKIES = ["sessionid", "csrftoken", "messages", "odd"]


@dataclass
class Fuzzer:
    """Makes requests from a seed, half of whose values are right, so that they get past the first check."""

    chance: random.Random
    values: dict[str, Any]
    wrong: list[str] = field(default_factory=list)

    def text(self) -> str:
        return self.chance.choice(TEXTS)

    def part(self, name: str) -> Any:
        good = self.values[name]
        if self.chance.random() < 0.75:
            return good
        return int(self.chance.choice(NUMERIC)) if isinstance(good, int) else self.chance.choice(SLUGS)

    def address(self, name: str) -> str:
        try:
            return reverse(name, args=[self.part(part) for part in MATRIX[name].path])
        except NoReverseMatch:  # no such address can be; one is made up
            good = reverse(name, args=[self.values[part] for part in MATRIX[name].path])
            return good.replace("/1/", f"/{self.chance.choice(NUMERIC)}/")

    def fields(self, given: dict[str, str] | None, *, files: bool = False) -> dict[str, Any]:
        found: dict[str, Any] = dict(given or {}) if self.chance.random() < 0.7 else {}
        slot, aspect = self.values["slot"], self.values["aspect"]
        names = [*FIELDS, *(given or {}), f"answer-{slot}-{aspect}", f"version-answer-{slot}-{aspect}", f"words-{slot}",
                 f"key-answer-{slot}-{aspect}", f"reasons-{slot}", "elicited-needs"]  # fmt: skip
        for name in self.chance.sample(names, self.chance.randrange(0, 14)):
            likely = ["1", "3", str(uuid.UUID(int=self.chance.getrandbits(128))), "rate", "on", "researcher", "agree"]
            found[name] = self.chance.choice(likely) if self.chance.random() < 0.5 else self.text()
        if files and self.chance.random() < 0.5:
            found["people"] = SimpleUploadedFile("people.csv", f"id\n{self.text()}\n".encode())
        return found

    def headers(self) -> dict[str, str]:
        names = self.chance.sample(HEADERS, self.chance.randrange(0, 3))
        # What a server lets through: one line of Latin letters.
        odd = {name: self.text().encode("latin-1", "ignore").decode("latin-1").replace("\0", "") for name in names}
        return {name: " ".join(value.split())[:4000] for name, value in odd.items()} | (
            {"HX-Request": "true"} if self.chance.random() < 0.3 else {}
        )

    def send(self, client: Client, role: str) -> None:
        """Send one request, undo it, and note what is wrong with the answer."""
        name, method = self.chance.choice(list(MATRIX)), self.chance.choices(METHODS, [6, 3, 8, 1, 1, 1, 1])[0]
        row, address = MATRIX[name], self.address(name)
        query = self.fields(None)
        for cookie in self.chance.sample(COOKIES, self.chance.randrange(0, 2)):
            client.cookies[cookie] = self.text().encode().decode("latin-1")  # as a server hands them on
        before = database_state() if method in ("GET", "HEAD") else {}
        with logged() as log, transaction.atomic():
            if method == "POST":
                sent = self.fields(row.data, files=True)
                response = client.post(address, sent, query_params=query, headers=self.headers())
            else:
                response = client.generic(method, address, query_params=query, headers=self.headers())
            content = b"".join(response.streaming_content) if response.streaming else response.content  # type: ignore[attr-defined]
            changed = {table for table, rows in database_state().items() if before and rows != before[table]}
            transaction.set_rollback(True)
        self._judge(f"{role} {method} {name} {response.status_code} {query}", response.status_code, log.getvalue())
        if changed - READERS_TRACES or (method == "HEAD" and (changed or content)):
            self.wrong.append(f"{role} {method} {address} changes {changed}, or has a body")

    def _judge(self, what: str, status: int, log: str) -> None:
        if status >= 500 or "Traceback" in log:
            self.wrong.append(f"{what}\n{log[-1500:]}")


def fuzz(world: Study, requests: int) -> None:
    fuzzer = Fuzzer(random.Random(SEED), values_of(world))
    clients = {role: client_of(role, world) for role in ROLES}
    cookies = {role: copy.deepcopy(client.cookies) for role, client in clients.items()}
    for _ in range(requests):
        role = fuzzer.chance.choice(ROLES)
        client = clients[role]
        client.raise_request_exception, client.cookies = False, copy.deepcopy(cookies[role])
        fuzzer.send(client, role)
    assert not fuzzer.wrong, "\n\n".join(fuzzer.wrong[:5])


def test_no_odd_request_is_answered_with_an_error_of_ours(world: Study) -> None:
    fuzz(world, 400)


@pytest.mark.slow
def test_no_odd_request_of_thousands_is_answered_with_an_error_of_ours(world: Study) -> None:
    fuzz(world, 5000)
