"""Screening at the door: what is noted, what is held, what its author is told, and what a decision does."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from annotation.errors import NotAllowedNow, ServiceError
from annotation.export.scope import Scope
from annotation.models import Assignment, AuditLog, Output, Participant, Persona, PersonaFinding, PersonaHold, Study
from annotation.protocol import definition_document, protocol_hash
from annotation.queries import study_summary
from annotation.queries_holds import undecided_holds
from annotation.services.holds import hold_place, hold_refuse, hold_release, outputs_hold
from annotation.services.outputs import outputs_retry
from annotation.services.participants import participant_create
from annotation.services.queue import arms_wanted, output_fill, outputs_claim
from annotation.services.studies import study_save
from annotation.services.withdrawal import participant_erase
from tests.annotation.leaving import live_study, rows_of
from tests.annotation.studyfiles import complaints, definition, study_data, write
from tests.annotation.walking import Walker, make_ready
from tests.factories import make_study, make_user

pytestmark = pytest.mark.django_db

HARMFUL = "The user plans to attack people and prefers short answers."
IDENTIFYING = "The user is jo@example.org and prefers short answers."
HOLDS = {"personas": {"harmful": "hold", "identifying": "off"}}


def screened(**screening: Any) -> Walker:
    study = live_study()
    Study.objects.filter(pk=study.pk).update(screening=screening)
    study.refresh_from_db()
    return Walker(study).begin()


def found() -> list[tuple[str, str]]:
    return list(PersonaFinding.objects.values_list("kind", "action"))


# --- what is noted, and what the author is told ---


def test_advice_is_shown_while_writing_and_what_was_found_is_kept_on_submit() -> None:
    walker = screened()
    shown = walker.post(f"parts/{walker.assignment.key}/draft/", text=IDENTIFYING, version=0, tab="0" * 32)
    assert "Holds an e-mail address" in shown.content.decode() and found() == []
    walker.write(IDENTIFYING, version=1)
    assert walker.step == "wait" and found() == [("identifying", "advised")]
    assert len(outputs_claim(holder="w", limit=5, lease_seconds=60)) == 2


def test_what_the_study_turns_off_is_neither_shown_nor_kept() -> None:
    walker = screened(**HOLDS)
    shown = walker.post(f"parts/{walker.assignment.key}/draft/", text=IDENTIFYING, version=0, tab="0" * 32)
    assert "e-mail" not in shown.content.decode()
    walker.write(IDENTIFYING, version=1)
    assert walker.step == "wait" and found() == []


def test_a_persona_that_is_held_is_accepted_and_nothing_is_made_from_it() -> None:
    walker = screened(**HOLDS)
    walker.write(HARMFUL)
    page = walker.get().content.decode()
    assert walker.step == "held" and "The researchers look at your text first" in page
    assert "attack" not in page and "harm" not in page.lower()
    assert found() == [("harmful", "held")]
    assert arms_wanted() == [] and outputs_claim(holder="w", limit=5, lease_seconds=60) == []
    assert PersonaHold.objects.get().reason == "harmful"


def test_the_page_of_a_held_persona_polls_and_leads_on_once_it_is_released() -> None:
    walker = screened(**HOLDS)
    walker.write(HARMFUL)
    address = f"parts/{walker.assignment.key}/held/?polls=1"
    polled = walker.get(address, hx_request="true")
    assert "held-poll" in polled.content.decode() and 'hx-trigger="every 10s"' in polled.content.decode()
    hold_release(hold=PersonaHold.objects.get(), user=make_user())
    assert walker.get(address, hx_request="true")["HX-Redirect"] == walker.base
    assert walker.step == "wait"
    assert len(outputs_claim(holder="w", limit=5, lease_seconds=60)) == 2


def test_the_author_of_a_held_persona_may_go_on_with_another_prompt() -> None:
    walker = screened(**HOLDS)
    walker.write(HARMFUL)
    first = walker.assignment
    walker.post(f"parts/{first.key}/set-aside/")
    assert walker.step == "write" and walker.assignment != first


# --- decisions ---


def test_a_refusal_sends_the_author_on_and_uses_the_persona_for_nothing() -> None:
    walker = screened(**HOLDS)
    walker.write(HARMFUL)
    first = walker.assignment
    hold_refuse(hold=PersonaHold.objects.get(), reason="A threat.", user=make_user())
    first.refresh_from_db()
    assert first.state == Assignment.State.SET_ASIDE and walker.step == "write"
    assert outputs_claim(holder="w", limit=5, lease_seconds=60) == []
    entry = AuditLog.objects.get(action="hold_refused")
    assert entry.data == {
        "item": first.persona.item.key, "persona": first.persona.key, "stage": "persona", "reason": "A threat."
    }  # fmt: skip


def test_what_was_claimed_before_a_refusal_is_not_stored_after_it() -> None:
    walker = screened()
    walker.write()
    claimed = outputs_claim(holder="w", limit=5, lease_seconds=60)
    hold_place(persona_id=claimed[0].persona_id, stage=PersonaHold.Stage.PERSONA, reason="unsafe")
    output = claimed[0]
    assert not output_fill(output_id=output.pk, holder="w", text="A text", fingerprint=output.arm.fingerprint)


def test_a_decision_is_taken_once_and_a_refusal_needs_a_reason() -> None:
    screened(**HOLDS).write(HARMFUL)
    hold = PersonaHold.objects.get()
    for reason in (" ", "x" * 201):
        with pytest.raises(ServiceError, match="Give a reason"):
            hold_refuse(hold=hold, reason=reason, user=None)
    hold_release(hold=hold, user=None)
    with pytest.raises(NotAllowedNow, match="decided already"):
        hold_release(hold=hold, user=None)
    with pytest.raises(NotAllowedNow, match="decided already"):
        hold_refuse(hold=hold, reason="Too late.", user=None)
    assert AuditLog.objects.filter(action__startswith="hold_").count() == 1


def test_a_release_for_nobody_puts_the_outputs_behind_those_that_somebody_waits_for() -> None:
    walker = screened(**HOLDS)
    walker.write(HARMFUL)
    walker.post(f"parts/{walker.assignment.key}/set-aside/")
    hold_release(hold=PersonaHold.objects.get(), user=None)
    assert set(Output.objects.values_list("urgency", flat=True)) == {Output.Urgency.BULK}


def test_nothing_is_released_in_a_closed_study() -> None:
    screened(**HOLDS).write(HARMFUL)
    Study.objects.update(state="closed")
    with pytest.raises(NotAllowedNow, match="closed is final"):
        hold_release(hold=PersonaHold.objects.get(), user=None)


def test_what_is_held_is_not_counted_as_being_made() -> None:
    walker = screened(**HOLDS)
    walker.write(HARMFUL)
    scope = Scope.of(walker.participant.study, include_bots=False)
    assert study_summary(scope).outputs_waiting == 0
    hold_release(hold=PersonaHold.objects.get(), user=None)
    assert study_summary(scope).outputs_waiting == 2


# --- outputs ---


def held_outputs() -> tuple[Walker, Persona]:
    walker = screened()
    walker.write()
    persona = Persona.objects.get(submitted_at__isnull=False)
    outputs_hold(persona=persona, kinds=["loop", "reveal", "loop"])
    return walker, persona


def test_held_outputs_are_waited_for_until_all_are_there_and_then_looked_at_first() -> None:
    walker, _ = held_outputs()
    assert walker.step == "wait" and len(outputs_claim(holder="w", limit=5, lease_seconds=60)) == 2
    make_ready("An AI text")
    page = walker.get().content.decode()
    assert walker.step == "held" and "The researchers look at the responses first" in page
    assert not any(word in page for word in ("An AI text", "loop", "reveal"))
    assert PersonaHold.objects.get().reason == "loop, reveal"
    hold_release(hold=PersonaHold.objects.get(), user=None)
    assert walker.step == "rate"


def test_the_hold_of_outputs_counts_from_when_all_were_there_so_that_no_find_is_told_to_be_the_first() -> None:
    study = make_study(given_items=1, given_per_participant=1)
    persona = Persona.objects.get()
    early, late = timezone.now() - timedelta(hours=2), timezone.now() - timedelta(hours=1)
    for ordinal, ready_at in ((1, early), (2, late)):
        Output.objects.filter(arm__ordinal=ordinal).update(ready_at=ready_at)
    hold_place(persona_id=persona.pk, stage=PersonaHold.Stage.OUTPUTS, reason="loop")
    PersonaHold.objects.update(at=early)
    assert [row["held_at"] for row in rows_of(study, "holds")] == [late]
    assert [hold.told_at for hold in undecided_holds(study)] == [late]  # type: ignore[attr-defined]
    assert [row["ready_at"] for row in rows_of(study, "outputs")] == [late, late]


def test_outputs_are_decided_on_when_all_are_there() -> None:
    held_outputs()
    hold = PersonaHold.objects.get()
    with pytest.raises(NotAllowedNow, match="Not all responses"):
        hold_release(hold=hold, user=None)
    with pytest.raises(NotAllowedNow, match="Not all responses"):
        hold_refuse(hold=hold, reason="Bad.", user=None)


def test_an_output_that_is_made_after_the_release_can_be_held_again() -> None:
    walker, persona = held_outputs()
    make_ready()
    failed = persona.outputs.first()
    assert failed
    Output.objects.filter(pk=failed.pk).update(state="failed")
    assert walker.step == "failed"
    hold_release(hold=PersonaHold.objects.get(), user=None)
    outputs_retry(study=persona.item.study, user=None)
    outputs_hold(persona=persona, kinds=["loop"])
    make_ready()
    assert walker.step == "held"


def test_what_was_refused_stays_refused() -> None:
    walker, persona = held_outputs()
    make_ready()
    hold_refuse(hold=PersonaHold.objects.get(), reason="It names its model.", user=None)
    outputs_hold(persona=persona, kinds=["loop"])
    assert PersonaHold.objects.get().refused_at and walker.step == "write"


def test_what_is_on_the_page_already_stays_there() -> None:
    walker = screened()
    walker.write()
    make_ready()
    assert walker.step == "rate"
    outputs_hold(persona=Persona.objects.get(submitted_at__isnull=False), kinds=["loop"])
    assert walker.step == "rate"


def test_a_given_persona_that_is_held_is_not_shown_and_once_refused_not_handed_out() -> None:
    study = make_study(given_items=1, given_per_participant=1)
    persona = Persona.objects.get()
    outputs_hold(persona=persona, kinds=["loop"])
    walker = Walker(study).begin()
    assert walker.step == "held" and not walker.assignment.shown_at
    hold_refuse(hold=PersonaHold.objects.get(), reason="It loops.", user=None)
    assert walker.step == "full" and Walker(study).begin().step == "full"


def test_the_outputs_of_a_draft_are_left_to_its_scan() -> None:
    study = make_study(state="draft")
    outputs_hold(persona=Persona.objects.filter(item__study=study)[0], kinds=["loop"])
    assert not PersonaHold.objects.exists()


# --- erasure, export ---


def test_an_erasure_takes_findings_and_holds_with_it() -> None:
    walker = screened(**HOLDS)
    walker.write(HARMFUL)
    other = participant_create(study=walker.participant.study)  # so that the persona's row has to stay
    rated = {"persona": Persona.objects.get(), "kind": "overlap", "ordinal": 1, "expires_at": "2100-01-01T00:00Z"}
    Assignment.objects.create(participant=other, **rated)
    participant_erase(participant=Participant.objects.select_related("study").get(pk=walker.participant.pk))
    assert Persona.objects.get().text == ""
    assert not PersonaFinding.objects.exists() and not PersonaHold.objects.exists()


def test_findings_and_holds_are_exported() -> None:
    walker = screened(**HOLDS)
    walker.write(HARMFUL)
    hold_refuse(hold=PersonaHold.objects.get(), reason="A threat.", user=None)
    study = walker.participant.study
    (finding,) = rows_of(study, "persona_findings")
    assert finding["kind"] == "harmful" and finding["action"] == "held" and "attack people" in finding["detail"]
    (hold,) = rows_of(study, "holds")
    assert (hold["stage"], hold["reason"], hold["refused_reason"]) == ("persona", "harmful", "A threat.")
    assert hold["persona"] == finding["persona"] and hold["released_at"] is None and hold["refused_at"]


# --- the study file ---


def test_a_file_without_the_section_has_the_definition_and_the_hash_it_had(tmp_path: Path) -> None:
    given = definition(tmp_path)
    assert given.screening == {} and "screening" not in given.document()
    study = study_save(definition=given, owner=make_user())
    assert "screening" not in definition_document(study)
    assert definition(tmp_path, screening={"outputs": "hold", "personas": {"harmful": "advise"}}) == given


def test_what_the_section_says_is_stored_and_part_of_the_hash(tmp_path: Path) -> None:
    said = {"personas": {"harmful": "hold"}, "guard": "advise", "outputs": "flag"}
    given = definition(tmp_path, screening=said)
    study = Study.objects.get(pk=study_save(definition=given, owner=make_user()).pk)
    assert study.screening == said and definition_document(study) == given.document()
    before = protocol_hash(study)
    study.screening = {}
    assert protocol_hash(study) != before


def test_off_needs_no_quotes(tmp_path: Path) -> None:
    path = write(tmp_path, study_data())
    path.write_text(path.read_text("utf-8") + "screening: {personas: {harmful: off}, guard: off}\n", encoding="utf-8")
    assert complaints(path) == []


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"personas": {"harmful": "block"}}, "screening.personas.harmful: 'block' is not one of the values"),
        ({"guard": "flag"}, "screening.guard: 'flag' is not one of the values it can have: advise, hold or off"),
        ({"outputs": "off"}, "screening.outputs: 'off' is not one of the values it can have: hold or flag"),
        ({"persona": {}}, "screening.persona: is not a key that a study file has here; did you mean `personas`?"),
    ],
)
def test_what_the_section_cannot_say_is_refused_with_its_line(
    tmp_path: Path, wrong: dict[str, object], complaint: str
) -> None:
    (line,) = complaints(write(tmp_path, study_data(screening=wrong)))
    assert complaint in line and line.split(":")[1].isdigit()
