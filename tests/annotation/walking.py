"""A participant who goes through the pages over HTTP, for tests."""

import re
import uuid
from typing import Any, Self

from django.test import Client
from django.utils import timezone

from annotation.models import Assignment, Output, Participant, Study
from annotation.services.participants import participant_create

STEP = re.compile(r'data-step="(\w+)"')


class Walker:
    """One browser on one participant's link."""

    def __init__(self, study: Study, participant: Participant | None = None) -> None:
        self.client = Client(headers={"host": "localhost"})
        self.participant = participant or participant_create(study=study)
        self.base = f"/p/{self.participant.token}/"

    def get(self, path: str = "", **headers: str) -> Any:
        return self.client.get(self.base + path, headers=headers)

    def post(self, path: str, **data: Any) -> Any:
        return self.client.post(self.base + path, data)

    @property
    def step(self) -> str:
        response = self.get()
        assert response.status_code == 200
        found = STEP.search(response.content.decode())
        assert found
        return found[1]

    @property
    def assignment(self) -> Assignment:
        return self.participant.assignments.get(state=Assignment.State.OPEN)

    def begin(self) -> Self:
        self.post("consent/", answer="agree")
        self.post("instructions/")
        self.get()
        return self

    def write(self, text: str = "The user is new here and prefers short answers.", **fields: Any) -> Any:
        data = {"text": text, "version": 0, "tab": uuid.uuid4(), **fields}
        return self.post(f"parts/{self.assignment.key}/persona/", **data)

    def answers(self, value: int = 3) -> dict[str, Any]:
        """The form of the rating page, every question answered with `value`."""
        html = self.get().content.decode()
        names = set(re.findall(r'name="(answer-[\w-]+)"', html))
        hidden = dict(re.findall(r'name="((?:version|key)-[\w-]+)" value="([^"]+)"', html))
        return {**hidden, **dict.fromkeys(names, value)}

    def complete(self, **changes: Any) -> Any:
        return self.post(f"parts/{self.assignment.key}/complete/", **{**self.answers(), **changes})


def make_ready(text: str = "A fitting answer.") -> None:
    Output.objects.filter(state="requested").update(state="ready", ready_at=timezone.now(), text=text)


def step_of(page: str) -> str:
    """The step that a page says it is."""
    found = STEP.search(page)
    assert found
    return found[1]
