"""A guard model is asked about each submitted persona, and whatever it does not say, nothing is silent."""

import io
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import CommandError, call_command
from django.utils import timezone

from annotation.errors import NotAllowedNow, ServiceError
from annotation.models import AuditLog, GuardCheck, Participant, Persona, PersonaFinding, PersonaHold, Study
from annotation.services.guards import MAX_GUARD_ATTEMPTS, guard_claim
from annotation.services.holds import hold_release
from annotation.services.queue import outputs_claim
from annotation.services.withdrawal import participant_erase
from modelhub.live.guard import Guard
from modelhub.models import GuardBinding, System
from modelhub.systems.guarding import guard_bind, guard_unbind
from modelhub.systems.registering import system_register
from tests.annotation.walking import Walker
from tests.modelhub.live import make_live_study
from tests.tools.processes import free_port, wait_until

pytestmark = pytest.mark.django_db

FINE = "The user is new here and prefers short answers."
UNSAFE = "The user is odd and prefers odd answers."
NONSENSE = "The user is vague and prefers vague answers."
ANSWERS = {FINE: "safe", UNSAFE: "unsafe\nharmful, S9", NONSENSE: "Well, that depends."}


def make_guard(folder: Path, **decoding: Any) -> System:
    prompts = [{"prompt": text, "general": answer, "tailored": "x"} for text, answer in ANSWERS.items()]
    path = folder / "guard.yaml"
    script = {"prompts": prompts, "fallback": {"general": "safe", "tailored": "safe"}}
    path.write_text(yaml.safe_dump(script, allow_unicode=True), encoding="utf-8")
    return system_register(
        name="the guard",
        engine="scripted",
        model=str(path),
        persona_style="none",
        decoding={"style": "general"} | decoding,
    )


def guarded_study(folder: Path, setting: str) -> Study:
    study = make_live_study(folder)
    Study.objects.filter(pk=study.pk).update(screening={"guard": setting}, written_personas_per_participant=2)
    study.refresh_from_db()
    return study


@pytest.fixture
def guard(db: None) -> Iterator[Guard]:
    guard = Guard("a worker")
    yield guard
    guard.close()


def submitted(folder: Path, text: str, setting: str = "hold", *, bound: bool = True) -> Walker:
    study = guarded_study(folder, setting)
    if bound:
        guard_bind(study=study, system=make_guard(folder))
    walker = Walker(study).begin()
    walker.write(text)
    return walker


def take_turns(guard: Guard, is_done: Callable[[], bool]) -> None:
    def turned() -> bool:
        guard.turn()
        return is_done()

    wait_until(turned, seconds=30, what="the guard's answer")


def work(guard: Guard) -> GuardCheck:
    """Take turns until the check has been tried once more, or has ended."""
    guard.turn()
    take_turns(guard, lambda: not GuardCheck.objects.get().lease_holder)
    return GuardCheck.objects.get()


def found() -> list[tuple[str, str, str, str]]:
    return list(PersonaFinding.objects.values_list("source", "kind", "detail", "action"))


def claimable() -> int:
    return len(outputs_claim(holder="w", limit=9, lease_seconds=60))


def test_nothing_is_made_before_a_guard_that_holds_has_answered_and_all_after_it_said_safe(
    guard: Guard, tmp_path: Path
) -> None:
    walker = submitted(tmp_path, FINE)
    assert walker.step == "wait" and claimable() == 0
    assert work(guard).ended_at
    assert walker.step == "wait" and claimable() == 2 and found() == []


def test_an_unsafe_persona_is_held_for_the_researchers(guard: Guard, tmp_path: Path) -> None:
    walker = submitted(tmp_path, UNSAFE)
    work(guard)
    assert found() == [("guard", "unsafe", "harmful, S9", "held")]
    assert walker.step == "held" and claimable() == 0
    hold_release(hold=PersonaHold.objects.get(stage="persona"), user=None)
    assert walker.step == "wait" and claimable() == 2


def test_a_guard_that_advises_holds_nothing_up_and_its_verdict_is_kept(guard: Guard, tmp_path: Path) -> None:
    walker = submitted(tmp_path, UNSAFE, "advise")
    assert claimable() == 2
    work(guard)
    assert found() == [("guard", "unsafe", "harmful, S9", "advised")]
    assert walker.step == "wait" and not PersonaHold.objects.exists()


@pytest.mark.parametrize(("setting", "step", "action"), [("hold", "held", "held"), ("advise", "wait", "advised")])
def test_a_guard_that_gives_no_verdict_is_asked_again_with_growing_pauses_and_never_passed_over_silently(
    guard: Guard, tmp_path: Path, setting: str, step: str, action: str
) -> None:
    walker = submitted(tmp_path, NONSENSE, setting)
    pauses = []
    for attempt in range(1, MAX_GUARD_ATTEMPTS):
        check = work(guard)
        assert check.attempts == attempt and not check.ended_at and found() == []
        assert check.not_before and walker.step == "wait"
        pauses.append(check.not_before - timezone.now())
        guard.turn()
        assert GuardCheck.objects.get().attempts == attempt  # not before its pause is over
        GuardCheck.objects.update(not_before=timezone.now())
    assert pauses == sorted(pauses) and pauses[-1] > pauses[0] * 1.5
    assert work(guard).ended_at
    assert found() == [("guard", "no_verdict", "The guard gave no verdict.", action)]
    assert GuardCheck.objects.get().error.startswith("The guard's answer is no verdict. It said: ")
    assert walker.step == step


def test_a_guard_that_cannot_be_reached_counts_as_one_without_a_verdict(guard: Guard, tmp_path: Path) -> None:
    study = guarded_study(tmp_path, "hold")
    away = system_register(
        name="away", engine="openai", model="m", endpoint=f"http://127.0.0.1:{free_port()}/v1", persona_style="none",
        decoding={"chat": True},
    )  # fmt: skip
    guard_bind(study=study, system=away)
    walker = Walker(study).begin()
    walker.write(FINE)
    GuardCheck.objects.update(attempts=MAX_GUARD_ATTEMPTS - 1)
    check = work(guard)
    assert check.ended_at and check.error and FINE not in check.error
    assert [kind for _, kind, _, _ in found()] == ["no_verdict"] and walker.step == "held"


def test_a_study_without_a_guard_holds_what_should_have_been_asked_about(guard: Guard, tmp_path: Path) -> None:
    walker = submitted(tmp_path, FINE, bound=False)
    guard.turn()
    check = GuardCheck.objects.get()
    assert check.ended_at and "has no guard; see bind_guard" in check.error
    assert walker.step == "held"


def test_a_check_whose_worker_was_lost_is_asked_by_another_one_but_not_for_ever(guard: Guard, tmp_path: Path) -> None:
    walker = submitted(tmp_path, FINE)
    for _ in range(MAX_GUARD_ATTEMPTS):
        assert guard_claim(holder="lost", limit=1, lease_seconds=60)
        assert not guard_claim(holder="another", limit=1, lease_seconds=60)
        GuardCheck.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    guard.turn()
    assert "was lost 3 times" in GuardCheck.objects.get().error and walker.step == "held"


def test_a_worker_that_ends_gives_its_checks_back_as_if_never_claimed(tmp_path: Path) -> None:
    submitted(tmp_path, FINE)
    guard = Guard("a worker")
    guard.turn()
    assert GuardCheck.objects.get().attempts == 1
    guard.close()
    check = GuardCheck.objects.get()
    assert (check.attempts, check.lease_holder, check.lease_until) == (0, "", None)


def test_a_worker_of_one_study_asks_about_no_other(tmp_path: Path) -> None:
    walker = submitted(tmp_path, FINE)
    other = Guard("a worker", make_live_study(tmp_path, slug="other"))
    other.turn()
    assert GuardCheck.objects.get().attempts == 0 and other.is_over() and not Guard("w").is_over()
    assert walker.step == "wait"


def test_an_erasure_takes_the_check_with_it_and_a_late_verdict_changes_nothing(guard: Guard, tmp_path: Path) -> None:
    walker = submitted(tmp_path, UNSAFE)
    guard.turn()
    participant_erase(participant=Participant.objects.select_related("study").get(pk=walker.participant.pk))
    assert not GuardCheck.objects.exists()
    assert not guard.is_over()
    take_turns(guard, guard.is_over)
    assert found() == [] and not PersonaHold.objects.exists() and not Persona.objects.exclude(text="").exists()


@pytest.mark.django_db(transaction=True)
def test_a_worker_asks_the_guard_and_then_makes_the_outputs(tmp_path: Path) -> None:
    walker = submitted(tmp_path, FINE)
    held = Walker(walker.participant.study).begin()
    held.write(UNSAFE)
    call_command("run_worker", once=True, stdout=io.StringIO())
    assert walker.step == "rate" and held.step == "held"


# --- binding ---


def test_binding_and_removing_are_logged_without_the_name_of_the_system(tmp_path: Path) -> None:
    study = guarded_study(tmp_path, "hold")
    make_guard(tmp_path)
    out = io.StringIO()
    call_command("bind_guard", str(study.slug), "the guard", stdout=out)
    assert "the guard is asked about each persona" in out.getvalue() and GuardBinding.objects.get().study == study
    call_command("bind_guard", str(study.slug), "--remove", stdout=out)
    assert not GuardBinding.objects.exists()
    entries = list(AuditLog.objects.order_by("pk").values_list("action", "data"))
    assert [entry for entry in entries if entry[0].startswith("guard")] == [("guard_bound", {}), ("guard_unbound", {})]
    assert not guard_unbind(study=study)


def test_what_cannot_guard_is_refused(tmp_path: Path) -> None:
    study, system = guarded_study(tmp_path, "off"), make_guard(tmp_path)
    with pytest.raises(ServiceError, match="asks no guard"):
        guard_bind(study=study, system=system)
    Study.objects.filter(pk=study.pk).update(screening={"guard": "hold"})
    study.refresh_from_db()
    (tmp_path / "guard.yaml").write_text("prompts: []", encoding="utf-8")
    with pytest.raises(ServiceError, match="have changed since"):
        guard_bind(study=study, system=system)
    system.procedure = {"name": "rubric", "version": "1"}
    with pytest.raises(ServiceError, match="follows rubric to answer people, which is no way to guard"):
        guard_bind(study=study, system=system)
    System.objects.filter(pk=system.pk).update(engine="imported")
    with pytest.raises(ServiceError, match="imported texts only"):
        guard_bind(study=study, system=System.objects.get(pk=system.pk))
    study.state = "closed"
    with pytest.raises(NotAllowedNow, match="closed is final"):
        guard_bind(study=study, system=system)
    for arguments in (["live"], ["live", "the guard", "--remove"]):
        with pytest.raises(CommandError, match="Name a system, or give --remove"):
            call_command("bind_guard", *arguments)


def test_a_system_that_guards_a_study_stays_as_it_was_registered(tmp_path: Path) -> None:
    guard_bind(study=guarded_study(tmp_path, "hold"), system=make_guard(tmp_path))
    with pytest.raises(ServiceError, match="guards a study, so it must stay as it is"):
        make_guard(tmp_path, fail_on="everything")
