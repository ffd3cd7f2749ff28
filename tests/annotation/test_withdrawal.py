"""Leaving a study with the data kept."""

import uuid
from typing import Any

import pytest

from annotation.models import (
    Event,
    Persona,
    Rating,
)
from annotation.services.withdrawal import participant_withdraw
from tests.annotation.leaving import live_study, rows_of, walked
from tests.annotation.walking import Walker, step_of
from tests.factories import make_study

pytestmark = pytest.mark.django_db


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
