"""Previews walk the real pages and leave no trace; and nobody ever sees what somebody else answered."""

import io
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotation.errors import NotAllowedNow
from annotation.models import Assignment, Event, Output, Participant, Persona, Rating, Study
from annotation.questions import questions_of
from annotation.services import participants as services
from annotation.services.finishing import assignment_finish
from annotation.services.personas import persona_submit
from annotation.services.places import Place, participant_place
from annotation.services.previews import preview_start, previews_discard
from annotation.services.studies import study_open, study_save
from tests.annotation.study_rows import add_rating
from tests.annotation.studyfiles import definition
from tests.factories import make_study, make_user

pytestmark = pytest.mark.django_db


def to_work(participant: Participant) -> Participant:
    """Go through consent and instructions."""
    services.participant_consent(participant=participant)
    services.participant_instructed(participant=participant)
    return Participant.objects.select_related("study").get(pk=participant.pk)


def place_of(participant: Participant) -> Place:
    return participant_place(participant=Participant.objects.select_related("study").get(pk=participant.pk))


def answer_and_complete(assignment: Assignment, value: int = 3) -> None:
    aspects = {aspect.pk: aspect for aspect in assignment.participant.study.aspects.all()}
    slots = {slot.pk: slot for slot in assignment.slots.all()}
    for question in questions_of(assignment, aspects.values(), ()).values():
        add_rating(slots[question.slot_id], aspects[question.aspect_id], min(value, question.maximum))
    assert assignment_finish(assignment=assignment, answers={}).is_finished


def finish(participant: Participant) -> None:
    """Write, receive and rate until the study says thank you."""
    participant = to_work(participant)
    while (place := place_of(participant)).step != "done":
        assert place.assignment, place.step
        if place.step == "write":
            persona_submit(assignment=place.assignment, text="A person who likes tea.", version=0, tab=uuid.uuid4())
            Output.objects.filter(persona=place.assignment.persona).update(
                state="ready", text="Drink tea.", ready_at=timezone.now()
            )
        else:
            answer_and_complete(place.assignment)


@pytest.mark.parametrize("state", ["draft", "open", "paused"])
def test_a_preview_can_take_a_study_that_is_not_closed(state: str) -> None:
    study = make_study(state=state, written_items=2, written_per_participant=1, given_per_participant=2)
    preview = preview_start(study=study, user=study.owner)
    finish(preview)
    preview.refresh_from_db()
    assert preview.completed_at and preview.code == "V-001"
    assert preview.assignments.filter(state="completed").count() == 3


def test_a_closed_study_cannot_be_previewed() -> None:
    study = make_study(state="closed")
    with pytest.raises(NotAllowedNow, match="closed is final"):
        preview_start(study=study, user=None)
    assert not study.participants.exists()


def test_people_still_wait_for_a_draft_to_open_and_a_paused_study_to_go_on() -> None:
    for state, step in (("draft", "not_open"), ("paused", "paused")):
        study = make_study(slug=state, state=state)
        assert place_of(services.participant_create(study=study)).step == step


def test_a_preview_takes_nobodys_place() -> None:
    study = make_study(given_items=1, given_per_participant=1, raters_per_item=1)
    finish(preview_start(study=study, user=None))
    person = to_work(services.participant_create(study=study))
    assert place_of(person).step == "rate"


def test_the_button_leads_to_the_participants_own_page(client: Client) -> None:
    study = make_study(state="draft")
    client.force_login(study.owner)
    response = client.post(reverse("annotation:preview", args=[study.slug, study.version]), follow=True)
    preview = study.participants.get()
    assert response.redirect_chain[-1][0] == reverse("annotation:participant", args=[preview.token])
    assert "Preview: what you do here is left out" in response.content.decode()
    assert study.audit_log.get().data == {"participant": "V-001"}


def test_a_draft_without_systems_says_what_is_missing(client: Client) -> None:
    study = make_study(state="draft")
    study.arms.update(fingerprint="")
    Output.objects.filter(arm__study=study).delete()
    client.force_login(study.owner)
    response = client.post(reverse("annotation:preview", args=[study.slug, study.version]))
    assert response.status_code == 409 and "neither a system nor outputs" in response.content.decode()
    assert not study.participants.exists()


def test_a_preview_of_a_draft_asks_for_the_outputs_that_are_missing() -> None:
    study = make_study(state="draft", given_items=2, given_per_participant=2)
    Output.objects.filter(arm__study=study).delete()
    preview = to_work(preview_start(study=study, user=None))
    assert Output.objects.filter(state="requested").count() == 4
    assert place_of(preview).step == "wait"


def saved(folder: Path, **changes: Any) -> Study:
    return study_save(definition=definition(folder, **changes), owner=make_user())


def test_a_draft_that_was_previewed_can_still_be_changed(tmp_path: Path) -> None:
    study = saved(tmp_path)
    persona = Persona.objects.filter(item__study=study).first()
    preview = services.participant_create(study=study, kind=Participant.Kind.PREVIEW)
    assert persona
    preview.assignments.create(persona=persona, ordinal=1, expires_at=timezone.now())
    study = saved(tmp_path, title="Changed")
    assert study.title == "Changed" and not study.participants.exists()


def test_opening_removes_every_trace_of_a_preview_and_leaves_invited_people_alone() -> None:
    study = make_study(state="draft", written_items=2, written_per_participant=1, given_per_participant=2)
    invited = services.participant_create(study=study)
    for _ in range(2):
        finish(preview_start(study=study, user=None))
    given = set(Output.objects.filter(persona__source="given").values_list("pk", flat=True))
    study_open(study=study, user=None)
    assert list(study.participants.all()) == [invited]
    assert not any(model.objects.exists() for model in (Assignment, Rating, Event))
    assert not Persona.objects.filter(source="written").exists()
    assert set(Output.objects.values_list("pk", flat=True)) == given


def test_previews_of_a_running_study_are_never_removed() -> None:
    study = make_study()
    preview_start(study=study, user=None)
    with pytest.raises(NotAllowedNow, match="drafts only"):
        previews_discard(study=study)
    assert study.participants.count() == 1


# --- Withheld feedback -------------------------------------------------------------------------------------------


def test_no_participant_sees_what_another_answered_or_who_else_takes_part(client: Client) -> None:
    study = make_study(given_items=2, given_per_participant=2, raters_per_item=2, comparison=True)

    def pages(participant: Participant, value: int) -> list[str]:
        participant, seen = to_work(participant), []
        address = reverse("annotation:participant", args=[participant.token])
        while (place := place_of(participant)).step != "done":
            assert place.assignment
            seen.append(client.get(address).content.decode())
            answer_and_complete(place.assignment, value)
            participant = Participant.objects.select_related("study").get(pk=participant.pk)
        return [*seen, client.get(address).content.decode()]

    first = services.participant_create(study=study)
    pages(first, 5)
    second = services.participant_create(study=study)
    before = pages(second, 1)
    assert len(before) == 3
    secrets = [first.code, first.token, first.completion_code, *first.assignments.values_list("key", flat=True)]
    secrets += [
        str(pk) for pk in Rating.objects.filter(slot__assignment__participant=first).values_list("pk", flat=True)
    ]
    secrets += Assignment.objects.filter(participant=first).values_list("slots__key", flat=True)
    for page in before:
        assert not [secret for secret in secrets if secret in page]
        assert "checked" not in page.replace("data-checked", "")


def test_create_participants_makes_previews_too() -> None:
    study = make_study()
    call_command("create_participants", "study", "--preview", stdout=io.StringIO())
    assert study.participants.get().kind == "preview"
