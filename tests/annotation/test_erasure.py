"""Erasing what a person has given, at their own wish or by a researcher."""

import re
import uuid
from functools import partial

import pytest
from django.core.management import CommandError
from django.test import Client, override_settings

from annotation.errors import UnknownQuestion
from annotation.models import (
    Assignment,
    AuditLog,
    Event,
    Followup,
    Output,
    PageVisit,
    Participant,
    Persona,
    QuestionnaireAnswer,
    Rating,
    Slot,
)
from annotation.services.entrance import Terms, places_taken
from annotation.services.openlinks import open_link_create, open_link_join
from annotation.services.participants import participant_consent, participant_create
from annotation.services.queue import output_fill, outputs_claim
from annotation.services.withdrawal import participant_erase
from tests.annotation.leaving import HERS, SECRET, call, live_study, rows_of, save, walked
from tests.annotation.test_concurrency import at_once
from tests.annotation.walking import Walker, step_of
from tests.factories import make_study, make_user

pytestmark = pytest.mark.django_db


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
        "elicitation_answers": 0,
        "persona_proposals": 0,
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
    link = open_link_create(study=study, terms=Terms(cap=1), user=None)
    person = open_link_join(open_link=link, visit=uuid.uuid4())
    Walker(study, person).begin()
    assert Walker(study).step == "full"
    participant_erase(participant=Participant.objects.select_related("study").get(pk=person.pk))
    assert places_taken(link) == 0
    assert Walker(study).step == "consent"


def test_an_erasure_that_fails_half_way_changes_nothing() -> None:
    walker = walked(live_study())
    before = {table: rows_of(walker.participant.study, table) for table in ("ratings", "history", "personas")}
    with override_settings(ERASURE_HOOKS=["tests.annotation.test_erasure.broken_hook"]), pytest.raises(OSError):
        participant_erase(participant=walker.participant)
    assert before == {table: rows_of(walker.participant.study, table) for table in before}
    walker.participant.refresh_from_db()
    assert walker.participant.erased_at is None and walker.step == "write"


def broken_hook(*, study_id: int, output_ids: list[int], persona_ids: list[int]) -> None:
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
    with pytest.raises(UnknownQuestion):
        saves[0]()


def test_a_late_request_writes_nothing_to_a_tombstone() -> None:
    walker = Walker(make_study())
    late = Participant.objects.select_related("study").get(pk=walker.participant.pk)
    participant_erase(participant=walker.participant)
    participant_consent(participant=late)
    assert not Event.objects.exists()
    assert Participant.objects.get().consented_at is None
