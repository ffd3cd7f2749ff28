"""Leaving a study: with the data kept, or erased so that no trace of the text remains."""

import io
import random
import re
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import Client, override_settings

from annotation.errors import NotAllowedNow
from annotation.export import study_tables
from annotation.models import (
    Assignment,
    AuditLog,
    Event,
    Followup,
    OpenLink,
    Output,
    PageVisit,
    Participant,
    Persona,
    QuestionnaireAnswer,
    Rating,
    Slot,
    Study,
)
from annotation.services.outputs import output_fill, outputs_claim
from annotation.services.participants import open_link_create, open_link_join, participant_consent, participant_create
from annotation.services.ratings import rating_save
from annotation.services.withdrawal import erasures_finish, participant_erase, participant_withdraw
from modelhub.models import Generation, Run
from tests.annotation.test_concurrency import at_once
from tests.annotation.test_participant_pages import STEP, Walker, make_ready
from tests.factories import make_study, make_user
from tests.tools.processes import Server
from tests.tools.visitor import Visitor

pytestmark = pytest.mark.django_db
SECRET = "zyxquilt-harpsichord"
HERS = {"persona": f"The user is a {SECRET} tuner and prefers silence.", "output": f"As a {SECRET} tuner: hum."}


def live_study(**fields: Any) -> Study:
    return make_study(
        **{"given_items": 0, "given_per_participant": 0, "written_items": 3, "written_per_participant": 2, **fields}
    )


def save(slot: Slot, value: int) -> Rating:
    aspect = slot.assignment.participant.study.aspects.get(ordinal=1)
    return rating_save(slot=slot, aspect=aspect, value=value, version=0, client_key=uuid.uuid4())


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


def another_rates(walker: Walker, *, value: int | None) -> Participant:
    """Let somebody else be at work on the first persona of `walker`, or rate it."""
    persona = Persona.objects.exclude(submitted_at=None).get(author=walker.participant)
    other = participant_create(study=walker.participant.study)
    assignment = Assignment.objects.create(
        participant=other, persona=persona, kind="overlap", ordinal=1, expires_at="2100-01-01T00:00Z"
    )
    for position, output in enumerate(persona.outputs.all(), start=1):
        slot = Slot.objects.create(assignment=assignment, kind="output", position=position, output=output)
        if value is not None:
            save(slot, value)
    return other


def step_of(page: str) -> str:
    found = STEP.search(page)
    assert found
    return found[1]


def rows_of(study: Study, table: str) -> list[dict[str, Any]]:
    return list(study_tables(study)[table].rows())


# --- keeping ---


def test_every_page_of_the_way_offers_to_leave_and_the_offer_can_be_declined() -> None:
    walker = Walker(make_study(practice=1))
    sent: list[tuple[str, dict[str, Any]]] = [
        ("consent/", {"answer": "agree"}),
        ("instructions/", {}),
        ("practice/", {"index": 0}),
    ]
    for path, data in sent:
        assert f'href="{walker.base}leave/"' in walker.get().content.decode()
        walker.post(path, **data)
    page = walker.get("leave/").content.decode()
    assert step_of(page) == "leave" and f'href="{walker.base}"' in page
    assert walker.post("leave/").status_code == 302
    walker.participant.refresh_from_db()
    assert walker.participant.withdrawn_at is None


def test_who_leaves_and_keeps_the_data_is_asked_nothing_more() -> None:
    study = live_study()
    walker = walked(study)
    parts = walker.assignment.key
    answers = Rating.objects.count()
    assert walker.post("leave/", choice="keep").status_code == 302
    page = walker.get().content.decode()
    assert step_of(page) == "withdrawn"
    walker.participant.refresh_from_db()
    assert walker.participant.receipt in page and len(walker.participant.receipt) == 12
    walker.post(f"parts/{parts}/persona/", text="More.", version=1, tab=uuid.uuid4())
    walker.post(f"parts/{parts}/draft/", text="More.", version=1, tab=uuid.uuid4())
    walker.post("consent/", answer="agree")
    assert walker.step == "withdrawn"
    assert not walker.participant.assignments.filter(state="open").exists()
    assert Rating.objects.count() == answers and not Persona.objects.filter(text="More.").exists()
    assert list(Event.objects.filter(kind="withdrawn").values_list("participant", flat=True)) == [walker.participant.pk]


def test_leaving_twice_leaves_once() -> None:
    walker = walked(live_study())
    participant_withdraw(participant=walker.participant)
    walker.participant.refresh_from_db()
    at, receipt = walker.participant.withdrawn_at, walker.participant.receipt
    participant_withdraw(participant=walker.participant)
    walker.participant.refresh_from_db()
    assert (walker.participant.withdrawn_at, walker.participant.receipt) == (at, receipt)
    assert Event.objects.filter(kind="withdrawn").count() == 1


def test_the_places_of_who_leaves_go_to_others_at_once() -> None:
    study = make_study(given_items=1, given_per_participant=1, raters_per_item=1)
    walker = Walker(study).begin()
    assert Walker(study).step == "full"
    walker.post("leave/", choice="keep")
    assert Walker(study).step == "consent"


def test_an_export_marks_who_left_with_their_data_kept() -> None:
    study = live_study()
    walker, stays = walked(study), walked(study)
    walker.post("leave/", choice="keep")
    marks = {row["participant"]: row["withdrawn"] for row in rows_of(study, "ratings")}
    assert marks == {walker.participant.code: True, stays.participant.code: False}
    people = {row["participant"]: row["withdrawn_at"] is not None for row in rows_of(study, "participants")}
    assert people == marks


def test_who_has_left_can_still_have_the_data_erased() -> None:
    walker = walked(live_study())
    walker.post("leave/", choice="keep")
    assert "leave/" in walker.get().content.decode()
    page = walker.get("leave/").content.decode()
    assert 'value="erase"' in page and 'value="keep"' not in page
    assert walker.post("leave/", choice="erase").status_code == 200
    assert walker.get().status_code == 404
    assert not Rating.objects.exists()


# --- erasing ---


def test_an_erasure_takes_everything_and_leaves_a_tombstone_with_counts() -> None:
    walker = walked(live_study())
    response = walker.post("leave/", choice="erase")
    page = response.content.decode()
    tombstone = Participant.objects.get()
    assert response.status_code == 200 and step_of(page) == "erased"
    assert tombstone.receipt in page
    assert tombstone.tombstone["counts"] == {
        "parts_completed": 1,
        "personas": 2,
        "ratings": 4,
        "earlier_ratings": 1,
        "followups": 1,
        "questionnaire_answers": 1,
        "page_visits": 1,
        "events": 7,
        "outputs": 2,
    }
    for model in (Assignment, Slot, Rating, Followup, PageVisit, QuestionnaireAnswer, Event, Persona, Output):
        assert not model.objects.exists(), model
    kept = {field.name for field in Participant._meta.fields if getattr(tombstone, field.attname)}
    assert kept == {
        "id", "study", "origin", "number", "kind", "token", "tombstone", "created_at", "withdrawn_at", "receipt",
        "erased_at",
    }  # fmt: skip


def test_the_link_of_who_was_erased_leads_nowhere_but_a_second_click_gets_the_receipt_again() -> None:
    walker = walked(live_study())
    first = walker.post("leave/", choice="erase").content.decode()
    again = walker.post("leave/", choice="erase").content.decode()
    receipt = Participant.objects.get().receipt
    assert receipt in first and receipt in again
    assert walker.get().status_code == walker.get("leave/").status_code == 404
    assert walker.post("consent/", answer="agree").status_code == 404


def test_what_others_rated_stays_with_their_scores_and_without_text() -> None:
    walker = walked(live_study())
    other = another_rates(walker, value=4)
    participant_erase(participant=walker.participant)
    assert list(Rating.objects.values_list("slot__assignment__participant", "value")) == [(other.pk, 4)] * 2
    persona = Persona.objects.get()
    assert persona.text == "" and set(persona.outputs.values_list("text", flat=True)) == {""}
    rows = rows_of(walker.participant.study, "ratings")
    assert {(row["participant"], row["value"], row["persona_text"]) for row in rows} == {(other.code, 4, "")}


def test_who_was_at_work_on_an_erased_persona_goes_on_with_something_else() -> None:
    walker = walked(live_study())
    other = another_rates(walker, value=None)
    participant_erase(participant=walker.participant)
    assert list(other.assignments.values_list("state", flat=True)) == ["set_aside"]


def test_a_worker_that_was_making_an_output_stores_nothing_after_the_erasure() -> None:
    walker = Walker(live_study()).begin()
    walker.write(HERS["persona"])
    claimed = outputs_claim(holder="worker", limit=2, lease_seconds=60)
    kept = another_rates(walker, value=None)
    participant_erase(participant=walker.participant)
    assert kept and len(claimed) == 2
    for output in claimed:
        fingerprint = output.arm.fingerprint
        assert not output_fill(output_id=output.pk, holder="worker", text=SECRET, fingerprint=fingerprint)
    assert not Output.objects.exclude(text="").exists()


def test_a_worker_whose_output_is_gone_stores_nothing() -> None:
    walker = Walker(live_study()).begin()
    walker.write(HERS["persona"])
    claimed = outputs_claim(holder="worker", limit=2, lease_seconds=60)
    participant_erase(participant=walker.participant)
    assert not output_fill(output_id=claimed[0].pk, holder="worker", text=SECRET, fingerprint="x")


def test_an_erasure_gives_back_the_place_of_an_open_link_and_of_a_quota() -> None:
    study = live_study()
    study.recruitment = {"quota": 1}
    study.save(update_fields=["recruitment"])
    link = open_link_create(study=study, cap=1, user=None)
    person = open_link_join(open_link=link, visit=uuid.uuid4())
    Walker(study, person).begin()
    assert Walker(study).step == "full"
    participant_erase(participant=Participant.objects.select_related("study").get(pk=person.pk))
    assert OpenLink.objects.get().joined == 0
    assert Walker(study).step == "consent"


def test_an_erasure_that_fails_half_way_changes_nothing() -> None:
    walker = walked(live_study())
    before = {table: rows_of(walker.participant.study, table) for table in ("ratings", "history", "personas")}
    with override_settings(ERASURE_HOOKS=["tests.annotation.test_withdrawal.broken_hook"]), pytest.raises(OSError):
        participant_erase(participant=walker.participant)
    assert before == {table: rows_of(walker.participant.study, table) for table in before}
    walker.participant.refresh_from_db()
    assert walker.participant.erased_at is None and walker.step == "write"


def broken_hook(*, output_ids: list[int], persona_ids: list[int]) -> None:
    raise OSError("the disk is full")


def test_erased_rows_leave_every_export_at_once() -> None:
    study = live_study()
    walker, stays = walked(study), walked(study)
    participant_erase(participant=walker.participant)
    for table in ("ratings", "ratings_wide", "history"):
        assert {row["participant"] for row in rows_of(study, table)} == {stays.participant.code}, table
    assert {row["author"] for row in rows_of(study, "personas")} == {stays.participant.code}
    tombstone = next(row for row in rows_of(study, "participants") if row["erased_at"])
    assert tombstone["participant"] == walker.participant.code and tombstone["ratings"] == 0


# --- the commands ---


def call(*arguments: str) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def test_a_researcher_erases_on_request_and_it_is_logged_without_text() -> None:
    walker = walked(live_study())
    ada = make_user("ada")
    report = call("erase_participant", "study", walker.participant.code, "--user", "ada")
    tombstone = Participant.objects.get()
    assert tombstone.receipt in report and "ratings: 4" in report
    entry = AuditLog.objects.get(action="participant_erase")
    assert entry.user == ada and entry.data == {"participant": walker.participant.code}
    assert "ratings: 4" in call("erasure_receipt", tombstone.receipt.lower())
    with pytest.raises(CommandError, match="erased already"):
        call("erase_participant", "study", walker.participant.code, "--user", "ada")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("erase_participant", "study", "P-999", "--user", "researcher"), "no participant 'P-999'"),
        (("erase_participant", "study", "B-001", "--user", "researcher"), "no participant 'B-001'"),
        (("erase_participant", "study", "P-001", "--user", "nobody"), "no user called 'nobody'"),
        (("erasure_receipt", "ABCDEFGHJKMN"), "No erasure has this receipt"),
        (("erasure_receipt", ""), "No erasure has this receipt"),
    ],
)
def test_the_commands_say_what_is_wrong_and_erase_nobody(arguments: tuple[str, ...], message: str) -> None:
    walker = walked(live_study())
    with pytest.raises(CommandError, match=re.escape(message)):
        call(*arguments)
    assert walker.step == "write"


# --- at the same moment ---


@pytest.mark.django_db(transaction=True)
def test_two_clicks_at_once_erase_once_and_both_get_the_receipt() -> None:
    walker = walked(live_study())
    clients = [Client(headers={"host": "localhost"}) for _ in range(3)]
    pages = at_once([partial(c.post, f"{walker.base}leave/", {"choice": "erase"}) for c in clients])
    receipt = Participant.objects.get().receipt
    assert [page.status_code for page in pages] == [200] * 3
    assert all(receipt in page.content.decode() for page in pages)


@pytest.mark.django_db(transaction=True)
def test_an_answer_saved_while_the_data_are_erased_leaves_nothing_behind() -> None:
    study = make_study(given_per_participant=1)
    walker = Walker(study).begin()
    assignment = walker.assignment
    keys = [(slot, value) for slot in assignment.slots.all() for value in (1, 2)]
    saves = [partial(save, slot, value) for slot, value in keys]
    at_once([*saves, lambda: participant_erase(participant=walker.participant)])
    assert not Rating.objects.exists() and not Assignment.objects.exists()
    with pytest.raises(NotAllowedNow):
        saves[0]()


def test_a_late_request_writes_nothing_to_a_tombstone() -> None:
    walker = Walker(make_study())
    late = Participant.objects.select_related("study").get(pk=walker.participant.pk)
    participant_erase(participant=walker.participant)
    participant_consent(participant=late)
    assert not Event.objects.exists()
    assert Participant.objects.get().consented_at is None


# --- no trace ---


def traces_in_files(path: Path) -> list[str]:
    """Return the database's files that hold the secret in their raw bytes."""
    files = [Path(f"{path}{ending}") for ending in ("", "-wal", "-shm", "-journal")]
    return [file.name for file in files if file.exists() and SECRET.encode() in file.read_bytes()]


def traces_in_rows() -> list[str]:
    """Return every column of every table in which the secret stands."""
    found = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            for column in connection.introspection.get_table_description(cursor, table):
                quoted = connection.ops.quote_name(column.name)
                cursor.execute(
                    f"SELECT count(*) FROM {connection.ops.quote_name(table)} WHERE CAST({quoted} AS TEXT) LIKE %s",
                    [f"%{SECRET}%"],
                )
                if cursor.fetchone()[0]:
                    found.append(f"{table}.{column.name}")
    return found


def traces() -> list[str]:
    return traces_in_rows() + (traces_in_files(database_file()) if connection.vendor == "sqlite" else [])


def database_file() -> Path:
    return Path(connection.settings_dict["NAME"])


@pytest.fixture
def reader() -> Iterator[Any]:
    """A connection of another process's kind that stays open beside the server, as a shell or a backup does."""
    if connection.vendor != "sqlite":
        yield None
        return
    with closing(sqlite3.connect(database_file(), isolation_level=None)) as other:
        other.execute("SELECT count(*) FROM annotation_rating").fetchone()
        yield other


@pytest.mark.django_db(transaction=True)
def test_no_trace_of_the_text_remains_while_the_server_runs_and_others_are_connected(
    server: Server, reader: Any
) -> None:
    study = live_study(written_items=30, written_per_participant=25)
    person = participant_create(study=study)
    participant_create(study=study)
    with Visitor(server.base_url) as visitor:
        visitor.get(f"/p/{person.token}/")
        visitor.send("/consent/", answer="agree")
        visitor.send("/instructions/")
        for number in range(12):  # enough for rows to move between pages of the database
            visitor.send("/persona/", text=f"{HERS['persona']} {number} {'and more ' * 150}")
            make_ready(HERS["output"] * 40)
            record_generations()
            visitor.get(f"/p/{person.token}/")
            first = {name: values[0] for name, values in visitor.scales().items()}
            visitor.send("/complete/", **first)
        assert visitor.step == "write"
        assert len(traces()) >= 3
        visitor.get(f"/p/{person.token}/leave/")
        visitor.post(f"/p/{person.token}/leave/", {**hidden(visitor), "choice": "erase"})
        assert visitor.step == "erased"
        assert "still to be cleaned" not in visitor.page.text_content()
    assert traces() == []
    assert server.output().count(SECRET) == 0


def hidden(visitor: Visitor) -> dict[str, str]:
    return {"csrfmiddlewaretoken": visitor.page.xpath("//input[@name='csrfmiddlewaretoken']/@value")[0]}


def record_generations() -> None:
    """Record for each new output what a worker records: the prompt, which holds the persona."""
    run, _ = Run.objects.get_or_create(
        stage="serve", defaults={"heartbeat_at": "2030-01-01T00:00Z", "lease_until": "2030-01-01T00:00Z"}
    )
    for output in Output.objects.filter(state="ready", generation__isnull=True).select_related("persona"):
        Generation.objects.create(
            run=run, output=output, rendered_prompt=f"Persona: {output.persona.text}", finish_reason="stop"
        )


@pytest.mark.django_db(transaction=True)
def test_rows_that_moved_within_the_database_leave_no_copy_behind() -> None:
    """On SQLite, `secure_delete` alone leaves text in the unused parts of pages from which rows were moved away."""
    study = live_study(written_items=600)
    people = [participant_create(study=study) for _ in range(4)]
    growing = random.Random(1)
    with transaction.atomic():
        for number, item in enumerate(study.items.all()):
            author = growing.choice(people)
            word = SECRET if author == people[0] else "other"
            persona = Persona.objects.create(item=item, source="written", author=author, text=word)
            for written in (persona, Persona.objects.order_by("pk")[growing.randrange(number + 1)]):
                text = (SECRET if written.author_id == people[0].pk else "other") + "z" * growing.randrange(1500)
                Persona.objects.filter(pk=written.pk).update(text=text)
    assert traces()
    participant_erase(participant=people[0])
    assert traces() == []


@pytest.mark.django_db(transaction=True)
def test_an_erasure_that_finds_the_files_held_says_so_and_is_finished_later(reader: Any) -> None:
    if reader is None:
        pytest.skip("Only SQLite keeps deleted text in a log that a reader can hold on to.")
    walker = walked(live_study())
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM annotation_rating").fetchone()
    page = walker.post("leave/", choice="erase").content.decode()
    assert "still to be cleaned" in page
    with pytest.raises(CommandError, match="1 erasures still wait"):
        call("finish_erasures")
    reader.execute("COMMIT")
    assert "finished" in call("finish_erasures")
    assert traces() == []
    assert Participant.objects.get().tombstone["files_cleaned"] is True
    assert erasures_finish() == 0
