"""Somebody at work in a live study, and what is known of them, for tests of leaving and erasing."""

import io
import uuid
from typing import Any

from django.core.management import call_command

from annotation.export import study_tables
from annotation.models import (
    Followup,
    PageVisit,
    QuestionnaireAnswer,
    Rating,
    Slot,
    Study,
)
from annotation.services.assignments import assignment_mark_shown
from tests.annotation.answering import save_first
from tests.annotation.walking import Walker, make_ready
from tests.factories import make_study

SECRET = "zyxquilt-harpsichord"
HERS = {"persona": f"The user is a {SECRET} tuner and prefers silence.", "output": f"As a {SECRET} tuner: hum."}


def live_study(**fields: Any) -> Study:
    return make_study(
        **{"given_items": 0, "given_per_participant": 0, "written_items": 3, "written_per_participant": 2, **fields}
    )


def save(slot: Slot, value: int) -> Rating:
    aspect = slot.assignment.participant.study.aspects.get(ordinal=1)
    assignment_mark_shown(assignment=slot.assignment)
    return save_first(slot, aspect, value)


def walked(study: Study) -> Walker:
    """Somebody who has written and rated one persona, changed an answer, and typed half of the next one."""
    walker = Walker(study).begin()
    walker.write(HERS["persona"])
    make_ready(HERS["output"])
    assignment = walker.assignment
    slot = assignment.slots.get(position=1)
    save(slot, 1)
    walker.complete()
    Followup.objects.create(slot=slot, chips=["tone"], text=f"{SECRET} remark")
    walker.get()
    draft = {"text": f"{SECRET} draft", "version": 0, "tab": uuid.uuid4()}
    walker.post(f"parts/{walker.assignment.key}/draft/", **draft)
    PageVisit.objects.create(assignment=assignment, client_key=uuid.uuid4(), phase="rate", focused_ms=5, idle_ms=0)
    QuestionnaireAnswer.objects.create(
        participant=walker.participant, page="before", key="why", value=f"{SECRET} answer"
    )
    walker.participant.refresh_from_db()
    return walker


def rows_of(study: Study, table: str) -> list[dict[str, Any]]:
    return list(study_tables(study)[table].rows())


def call(*arguments: str) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()
