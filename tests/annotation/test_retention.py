"""What a study promised to keep no longer is erased when its time is up: once, by whoever comes first, and logged."""

import io
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from annotation.errors import NotAllowedNow
from annotation.export import study_tables
from annotation.fields import id_key
from annotation.models import (
    ElicitationAnswer,
    Event,
    Followup,
    Participant,
    Persona,
    QuestionnaireAnswer,
    Rating,
    RetentionStep,
    Study,
)
from annotation.protocol import definition_document
from annotation.retention import limits_of
from annotation.services import retention
from annotation.services.linking import key_destroy, key_read
from annotation.services.recruitment import participants_invite
from annotation.services.retention import retention_apply
from annotation.services.studies import study_close, study_save
from modelhub.live.housekeeping import Housekeeping
from tests.annotation.leaving import SECRET, live_study, walked
from tests.annotation.studyfiles import complaints, definition, study_data, write
from tests.annotation.test_concurrency import at_once
from tests.factories import make_user

pytestmark = pytest.mark.django_db(transaction=True)
LIMITS = {"ids_days": 10, "free_text_days": 20, "everything_days": 30}
ASKED = {"key": "why", "type": "text", "question": "Why?", "required": False, "options": [], "labels": []}


def closed_study(**limits: int) -> Study:
    """Return a closed study with somebody who wrote, rated and answered, and an invited person."""
    study = live_study()
    walker = walked(study)
    Study.objects.filter(pk=study.pk).update(retention=limits, questionnaires={"before": [ASKED]})
    study.refresh_from_db()
    persona = Persona.objects.exclude(text="")[0]
    ElicitationAnswer.objects.create(persona=persona, key="q", text=f"{SECRET} reply")
    known = {"external_id": "prolific-77", "external_key": id_key("prolific-77"), "session_id": "session-5"}
    Participant.objects.filter(pk=walker.participant.pk).update(**known)
    participants_invite(study=study, ids=["label-1"], user=study.owner)
    study_close(study=study, user=study.owner)
    study.refresh_from_db()
    return study


def after(study: Study, days: float) -> datetime:
    assert study.closed_at
    return study.closed_at + timedelta(days=days)


def everything_of(study: Study) -> str:
    """Return all that an export of the study says, in one text."""
    tables = study_tables(study, include_bots=True, external_ids=True)
    return "\n".join(str(row) for table in tables.values() for row in table.rows())


# --- The section of the file ---


def test_a_file_without_the_section_has_the_definition_it_had(tmp_path: Path) -> None:
    study = study_save(definition=definition(tmp_path), owner=make_user())
    assert study.retention == {} and "retention" not in definition_document(study)


def test_limits_are_stored_frozen_and_read_back(tmp_path: Path) -> None:
    study = study_save(
        definition=definition(tmp_path, retention={"ids_days": 0, "free_text_days": 365}), owner=make_user()
    )
    assert definition_document(study)["retention"] == {"ids_days": 0, "free_text_days": 365}
    assert [(limit.kind, limit.days, limit.due_at) for limit in limits_of(study)] == [
        ("ids", 0, None), ("free_text", 365, None),
    ]  # fmt: skip


@pytest.mark.parametrize("wrong", [{"ids_days": -1}, {"ids_days": "soon"}, {"all_days": 3}, {"free_text_days": True}])
def test_what_is_no_limit_is_refused_with_its_line(tmp_path: Path, wrong: dict[str, Any]) -> None:
    (said,) = complaints(write(tmp_path, study_data(retention=wrong)))
    assert "retention" in said


# --- What is erased, and when ---


def test_nothing_is_erased_before_its_time_or_of_a_study_that_is_not_closed() -> None:
    study = closed_study(**LIMITS)
    before = everything_of(study)
    assert retention_apply(now=after(study, 9.9)) == []
    Study.objects.filter(pk=study.pk).update(state="open", closed_at=None)
    assert retention_apply(now=after(study, 99)) == []
    Study.objects.filter(pk=study.pk).update(state="closed", closed_at=study.closed_at, retention={})
    assert retention_apply(now=after(study, 99)) == []
    assert everything_of(study) == before and not RetentionStep.objects.exists()


def test_each_limit_erases_its_own_and_leaves_the_rest() -> None:
    study = closed_study(**LIMITS)
    ratings = Rating.objects.count()
    (ids,) = retention_apply(now=after(study, 10))
    said = everything_of(study)
    assert ids.limit.kind == "ids" and "prolific-77" not in said and SECRET in said
    (texts,) = retention_apply(now=after(study, 20))
    assert texts.counts and texts.counts["personas"] == 2 and texts.counts["followups"] == 1
    assert SECRET not in everything_of(study) and Rating.objects.count() == ratings
    assert Followup.objects.get().chips == ["tone"]
    (everything,) = retention_apply(now=after(study, 30))
    assert everything.counts == {"participants": 2}
    for model in (Rating, Persona, Event, QuestionnaireAnswer, Followup):
        assert not model.objects.exists(), model
    assert not Participant.objects.filter(erased_at=None).exists()
    assert retention_apply(now=after(study, 99)) == []


def test_all_that_is_due_is_done_at_once_and_stands_in_the_log() -> None:
    study = closed_study(**LIMITS)
    assert [one.limit.kind for one in retention_apply(now=after(study, 99))] == ["ids", "free_text", "everything"]
    logged = study.audit_log.filter(action__startswith="retention_").order_by("pk")
    actions = ["retention_ids", "retention_free_text", "retention_everything"]
    assert [(entry.action, entry.user) for entry in logged] == [(action, None) for action in actions]
    assert set(RetentionStep.objects.values_list("files_cleaned", flat=True)) == {True}


def test_no_text_is_left_in_the_files_of_the_database() -> None:
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL keeps its files to itself")
    study = closed_study(free_text_days=1)
    retention_apply(now=after(study, 2))
    name = str(connection.settings_dict["NAME"])
    files = [Path(f"{name}{suffix}") for suffix in ("", "-wal")]
    assert not any(SECRET.encode() in path.read_bytes() for path in files if path.exists())


def test_two_processes_carry_a_limit_out_once() -> None:
    study = closed_study(**LIMITS)
    calls: list[Callable[[], Any]] = [partial(retention_apply, now=after(study, 99)) for _ in range(2)]
    done = [one.limit.kind for applied in at_once(calls) for one in applied]
    assert sorted(done) == ["everything", "free_text", "ids"]
    assert study.audit_log.filter(action="retention_everything").count() == 1


def test_what_was_interrupted_is_undone_and_done_the_next_time(monkeypatch: pytest.MonkeyPatch) -> None:
    study = closed_study(**LIMITS)
    monkeypatch.setattr(retention, "audit_log", lambda **given: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        retention_apply(now=after(study, 25))
    assert not RetentionStep.objects.exists() and "prolific-77" in everything_of(study)
    monkeypatch.undo()
    assert len(retention_apply(now=after(study, 25))) == 2


def test_the_command_says_first_what_it_would_erase() -> None:
    study = closed_study(ids_days=0, free_text_days=99)
    said = io.StringIO()
    call_command("apply_retention", "--dry-run", stdout=said)
    assert "who is whom" not in said.getvalue() and "would be erased" in said.getvalue()
    assert not RetentionStep.objects.exists()
    call_command("apply_retention", stdout=said)
    assert "erased 2 participants" in said.getvalue()
    call_command("apply_retention", stdout=said)
    assert "No study has anything" in said.getvalue()
    assert list(study.retention_steps.values_list("kind", flat=True)) == ["ids"]


def test_a_worker_does_it_once_a_day(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    closed_study(ids_days=0)
    looked: list[int] = []

    def counted() -> Any:
        looked.append(1)
        return retention_apply()

    monkeypatch.setattr("modelhub.live.housekeeping.retention_apply", counted)
    keeping = Housekeeping(clock=iter((0.0, 60.0, 86_401.0)).__next__)
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            keeping.turn()
    assert len(looked) == 2 and RetentionStep.objects.count() == 1


# --- The key ---


def test_the_key_is_a_file_of_its_own_for_the_owner_alone_and_logged(tmp_path: Path) -> None:
    study, other, file = closed_study(), make_user("other"), tmp_path / "key.csv"
    with pytest.raises(CommandError, match="for its owner and for admins"):
        call_command("export_key", study.slug, "--out", str(file), "--user", other.username)
    assert not file.exists()
    call_command("export_key", study.slug, "--out", str(file), "--user", study.owner.username, stdout=io.StringIO())
    head, first, second = file.read_text(encoding="utf-8").splitlines()
    assert head == "participant,external_id,session_id,completion_code,link_token"
    assert "prolific-77" in first and "label-1" in second
    assert file.stat().st_mode & 0o777 == 0o600
    assert study.audit_log.get(action="key_export").user == study.owner


def test_after_the_key_is_destroyed_nothing_joins_a_participant_with_the_outside(client: Client) -> None:
    study = closed_study()
    key = list(key_read(study=study, user=study.owner))
    secrets = {cell for _, *cells in key for cell in cells if cell}
    tables = {name: list(table.rows()) for name, table in study_tables(study).items()}
    assert key_destroy(study=study, user=study.owner) == 2
    rows = Participant.objects.values_list(
        "external_id", "external_key", "session_id", "completion_code", "token", "receipt"
    )
    assert not secrets & {cell for row in rows for cell in row}
    assert all(client.get(f"/p/{token}/").status_code == 404 for *_, token in key)
    assert {name: list(table.rows()) for name, table in study_tables(study).items()} == tables
    assert not any(secret in str(entry.data) for secret in secrets for entry in study.audit_log.all())
    with pytest.raises(NotAllowedNow, match="was destroyed"):
        key_read(study=Study.objects.get(), user=study.owner)
    with pytest.raises(NotAllowedNow, match="already"):
        key_destroy(study=study, user=study.owner)


def test_the_key_of_a_study_that_is_not_closed_is_not_destroyed() -> None:
    study = live_study()
    with pytest.raises(NotAllowedNow, match="close it first"):
        key_destroy(study=study, user=study.owner)
