"""The life of an output, as services/outputs.py leads it."""

import threading
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone

from annotation.errors import NotAllowedNow, ServiceError
from annotation.models import AuditLog, Output, Persona, Study
from annotation.services.outputs import (
    MAX_ATTEMPTS,
    output_fail,
    output_fill,
    output_import,
    outputs_claim,
    outputs_exclude,
    outputs_include,
    outputs_release,
    outputs_renew,
    outputs_request,
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


def test_a_claim_takes_whole_personas_oldest_first(study: Study) -> None:
    first, second, third = (write_persona(study, item) for item in (1, 2, 3))
    claimed = outputs_claim(holder="a", limit=3, lease_seconds=60)
    assert {output.persona_id for output in claimed} == {first.pk, second.pk}
    assert len(claimed) == 4
    assert {output.persona_id for output in outputs_claim(holder="b", limit=3, lease_seconds=60)} == {third.pk}


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
