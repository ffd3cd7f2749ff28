"""The life of an output, as services/outputs.py leads it."""

import io
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from annotation.errors import NotAllowedNow, ServiceError
from annotation.models import Assignment, AuditLog, Output, Participant, Persona, Study
from annotation.services.outputs import (
    output_import,
    outputs_exclude,
    outputs_failed,
    outputs_include,
    outputs_request,
    outputs_retry,
)
from annotation.services.queue import (
    MAX_ATTEMPTS,
    output_fail,
    output_fill,
    outputs_claim,
    outputs_release,
    outputs_renew,
)
from tests.factories import make_study
from tests.modelhub.live import make_live_study, states, write_persona

pytestmark = pytest.mark.django_db


@pytest.fixture
def study(db: None, tmp_path: Path) -> Study:
    return make_live_study(tmp_path)


def expire_leases() -> None:
    Output.objects.filter(lease_until__isnull=False).update(lease_until=timezone.now() - timedelta(seconds=1))


def fill(output: Output, holder: str, text: str = "An answer.") -> bool:
    return output_fill(output_id=output.pk, holder=holder, text=text, fingerprint=output.arm.fingerprint)


def test_requesting_twice_makes_one_output_per_arm(study: Study) -> None:
    persona = write_persona(study)
    outputs_request(persona=persona)
    assert states(persona) == ["requested", "requested"]


def test_a_claim_takes_the_head_of_the_queue_in_order(study: Study) -> None:
    first, second, third = (write_persona(study, item) for item in (1, 2, 3))
    claimed = outputs_claim(holder="a", limit=3, lease_seconds=60)
    assert [output.persona_id for output in claimed] == [first.pk, first.pk, second.pk]
    others = outputs_claim(holder="b", limit=8, lease_seconds=60)
    assert [output.persona_id for output in others] == [second.pk, third.pk, third.pk]


def test_what_is_leased_is_not_claimed_again_until_the_lease_expires(study: Study) -> None:
    write_persona(study)
    assert len(outputs_claim(holder="a", limit=8, lease_seconds=60)) == 2
    assert outputs_claim(holder="b", limit=8, lease_seconds=60) == []
    expire_leases()
    again = outputs_claim(holder="b", limit=8, lease_seconds=60)
    assert [output.attempts for output in again] == [2, 2]


def test_renewing_keeps_a_lease_from_expiring(study: Study) -> None:
    write_persona(study)
    outputs_claim(holder="a", limit=8, lease_seconds=60)
    expire_leases()
    assert outputs_renew(holder="a", lease_seconds=60) == 2
    assert outputs_claim(holder="b", limit=8, lease_seconds=60) == []


def test_an_output_whose_lease_was_lost_is_not_filled_twice(study: Study) -> None:
    write_persona(study)
    late = outputs_claim(holder="late", limit=8, lease_seconds=60)[0]
    expire_leases()
    outputs_claim(holder="new", limit=8, lease_seconds=60)
    assert not fill(late, "late", "Too late.")
    assert fill(late, "new", "In time.")
    assert not fill(late, "new", "Once more.")
    late.refresh_from_db()
    assert (late.state, late.text) == ("ready", "In time.")


def test_an_erased_authors_output_is_neither_claimed_nor_filled(study: Study) -> None:
    persona, other = write_persona(study, 1), write_persona(study, 2)
    claimed = outputs_claim(holder="a", limit=1, lease_seconds=60)
    for one in (persona, other):
        assert one.author is not None
        one.author.erased_at = timezone.now()
        one.author.save()
    assert not fill(claimed[0], "a")
    assert outputs_claim(holder="b", limit=8, lease_seconds=60) == []


def test_another_fingerprint_is_refused(study: Study) -> None:
    write_persona(study)
    output = outputs_claim(holder="a", limit=8, lease_seconds=60)[0]
    with pytest.raises(ServiceError, match="other files or settings"):
        output_fill(output_id=output.pk, holder="a", text="No.", fingerprint="f" * 64)
    output.refresh_from_db()
    assert output.state == "requested"


def test_an_output_fails_for_good_after_the_last_attempt(study: Study) -> None:
    persona = write_persona(study)
    for attempt in range(1, MAX_ATTEMPTS + 1):
        for output in outputs_claim(holder="a", limit=8, lease_seconds=60):
            assert output_fail(output_id=output.pk, holder="a", error=f"Broken, {attempt}.", final=False)
        assert states(persona) == (["failed"] * 2 if attempt == MAX_ATTEMPTS else ["requested"] * 2)
    assert persona.outputs.values_list("error", flat=True)[0] == f"Broken, {MAX_ATTEMPTS}."


def test_a_final_failure_is_not_tried_again(study: Study) -> None:
    persona = write_persona(study)
    output = outputs_claim(holder="a", limit=8, lease_seconds=60)[0]
    assert output_fail(output_id=output.pk, holder="a", error="Never.", final=True)
    assert "failed" in states(persona)


def test_a_failure_reported_after_the_lease_was_lost_changes_nothing(study: Study) -> None:
    write_persona(study)
    output = outputs_claim(holder="late", limit=8, lease_seconds=60)[0]
    expire_leases()
    outputs_claim(holder="new", limit=8, lease_seconds=60)
    assert not output_fail(output_id=output.pk, holder="late", error="Late.", final=True)
    assert fill(output, "new")


def test_an_output_that_lost_its_worker_three_times_fails(study: Study) -> None:
    persona = write_persona(study)
    for _ in range(MAX_ATTEMPTS):
        assert outputs_claim(holder="a", limit=8, lease_seconds=60)
        expire_leases()
    assert outputs_claim(holder="a", limit=8, lease_seconds=60) == []
    assert states(persona) == ["failed", "failed"]


def test_releasing_does_not_count_as_an_attempt(study: Study) -> None:
    write_persona(study)
    outputs_claim(holder="a", limit=8, lease_seconds=60)
    assert outputs_release(holder="a") == 2
    assert [output.attempts for output in outputs_claim(holder="b", limit=8, lease_seconds=60)] == [1, 1]


def test_releasing_may_keep_what_is_still_being_made(study: Study) -> None:
    write_persona(study)
    kept, lost = outputs_claim(holder="a", limit=8, lease_seconds=60)
    assert outputs_release(holder="a", keep=[kept.pk]) == 1
    assert outputs_claim(holder="b", limit=8, lease_seconds=60) == [lost]


@pytest.mark.django_db(transaction=True)
def test_workers_that_claim_at_once_never_share_an_output(tmp_path: Path) -> None:
    study = make_live_study(tmp_path)
    for number in range(12):
        write_persona(study, number % 3 + 1)
    start, claims = threading.Barrier(4), dict[str, list[int]]()

    def work(holder: str) -> None:
        try:
            start.wait()
            mine = claims.setdefault(holder, [])
            while claimed := outputs_claim(holder=holder, limit=2, lease_seconds=60):
                mine += [output.pk for output in claimed]
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(f"worker-{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    everything = [pk for mine in claims.values() for pk in mine]
    assert len(everything) == len(set(everything)) == 24
    assert set(Output.objects.values_list("attempts", flat=True)) == {1}


class TestDrafts:
    @pytest.fixture
    def draft(self, db: None) -> Study:
        return make_study(state="draft", given_items=2)

    @pytest.fixture
    def persona(self, draft: Study) -> Persona:
        return Persona.objects.filter(item__study=draft).select_related("item__study").earliest("pk")

    def test_excluding_takes_all_arms_together_and_is_logged(self, persona: Persona) -> None:
        outputs_exclude(persona=persona, reason="Names its model", user=None)
        assert set(persona.outputs.values_list("excluded_reason", flat=True)) == {"Names its model"}
        entry = AuditLog.objects.get(action="outputs_excluded")
        assert entry.data["reason"] == "Names its model" and entry.data["outputs"] == 2

    def test_including_undoes_it_and_is_logged(self, persona: Persona) -> None:
        outputs_exclude(persona=persona, reason="Loops", user=None)
        outputs_include(persona=persona, user=None)
        assert not persona.outputs.filter(excluded_at__isnull=False).exists()
        assert AuditLog.objects.filter(action="outputs_included").count() == 1

    def test_excluding_needs_a_reason(self, persona: Persona) -> None:
        with pytest.raises(ServiceError, match="reason"):
            outputs_exclude(persona=persona, reason="  ", user=None)

    def test_an_open_study_takes_neither_imports_nor_exclusions(self, draft: Study, persona: Persona) -> None:
        arm = draft.arms.select_related("study").earliest("ordinal")
        Study.objects.filter(pk=draft.pk).update(state="open", protocol_hash="0" * 64)
        with pytest.raises(NotAllowedNow, match="draft"):
            outputs_exclude(persona=persona, reason="Late", user=None)
        with pytest.raises(NotAllowedNow, match="draft"):
            outputs_include(persona=persona, user=None)
        with pytest.raises(NotAllowedNow, match="draft"):
            output_import(persona=persona, arm=arm, text="Late.")
        assert not persona.outputs.filter(excluded_at__isnull=False).exists()

    def test_importing_another_text_needs_replace(self, draft: Study, persona: Persona) -> None:
        arm = draft.arms.select_related("study").earliest("ordinal")
        with pytest.raises(ServiceError, match="another text"):
            output_import(persona=persona, arm=arm, text="Different.")
        replaced = output_import(persona=persona, arm=arm, text="Different.", replace=True)
        assert replaced is not None and replaced.text == "Different."
        assert output_import(persona=persona, arm=arm, text="Different.") is None


def fail_all(study: Study, error: str = "CUDA out of memory") -> None:
    Output.objects.filter(persona__item__study=study).update(state="failed", attempts=3, error=error)


def give_part(persona: Persona, state: str = "open") -> None:
    assert persona.author
    later = timezone.now() + timedelta(hours=1)
    Assignment.objects.create(participant=persona.author, persona=persona, ordinal=1, expires_at=later, state=state)


def test_failed_outputs_that_somebody_waits_for_are_queued_again_and_it_is_logged(study: Study) -> None:
    awaited, left, finished = write_persona(study, 1), write_persona(study, 2), write_persona(study, 3)
    give_part(awaited)
    give_part(left, "set_aside")
    fail_all(study)
    Output.objects.filter(persona=finished).update(state="ready", ready_at=timezone.now())
    assert outputs_retry(study=study, user=None) == 2
    assert (states(awaited), states(left)) == (["requested"] * 2, ["failed"] * 2)
    assert states(finished) == ["ready", "ready"]
    entry = AuditLog.objects.get(action="outputs_retry")
    assert entry.data == {"outputs": 2}
    claimed = outputs_claim(holder="one", limit=8, lease_seconds=60)
    assert {(output.persona, output.attempts, output.error) for output in claimed} == {(awaited, 1, "")}
    assert outputs_retry(study=study, user=None) == 0
    assert AuditLog.objects.filter(action="outputs_retry").count() == 1


def test_failed_outputs_of_given_personas_are_queued_again() -> None:
    study = make_study(given_items=2)
    fail_all(study)
    other = make_study(slug="other", given_items=1)
    fail_all(other)
    assert outputs_retry(study=study, user=None) == 4
    assert outputs_failed(other).count() == 2


def test_nothing_is_queued_for_a_closed_study_or_for_who_has_left(study: Study) -> None:
    persona = write_persona(study)
    give_part(persona)
    fail_all(study)
    Participant.objects.filter(personas=persona).update(withdrawn_at=timezone.now())
    assert outputs_retry(study=study, user=None) == 0
    Study.objects.update(state="closed")
    study.refresh_from_db()
    with pytest.raises(NotAllowedNow, match="closed"):
        outputs_retry(study=study, user=None)


def test_the_command_says_why_outputs_failed_and_what_it_queued(study: Study) -> None:
    awaited, left = write_persona(study, 1), write_persona(study, 2)
    give_part(awaited)
    fail_all(study)
    code = study.arms.get(ordinal=1).code
    out = io.StringIO()
    call_command("retry_outputs", "live", "--list", stdout=out)
    assert f"2 of {code}: CUDA out of memory" in out.getvalue()
    assert states(awaited) == ["failed", "failed"]
    call_command("retry_outputs", "live", stdout=out)
    assert "2 back in the queue" in out.getvalue()
    assert "2 left as they are" in out.getvalue()
    assert (states(awaited), states(left)) == (["requested"] * 2, ["failed"] * 2)
    Study.objects.update(state="closed")
    with pytest.raises(CommandError, match="closed is final"):
        call_command("retry_outputs", "live", stdout=out)
