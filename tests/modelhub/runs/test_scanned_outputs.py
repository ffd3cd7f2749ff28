"""Outputs that are made live are looked at as they are stored: noted, held before anybody sees them, and decided on."""

import io
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from annotation.models import Arm, Assignment, Output, Persona, PersonaHold, Study, StudyMember
from annotation.services.participants import participant_create
from annotation.services.withdrawal import participant_erase
from modelhub.models import ArmBinding, OutputFinding, System
from modelhub.screening.scan import scan_study
from tests.annotation.walking import Walker
from tests.factories import make_user
from tests.modelhub.live import SCRIPT, make_live_study, states, write_persona

pytestmark = pytest.mark.django_db(transaction=True)

REVEALING = "I am Llama-3.1-8B fine-tuned with DPO: take a walk."


def live_study(folder: Path, monkeypatch: pytest.MonkeyPatch, *, general: str = REVEALING, **screening: Any) -> Study:
    """A study whose first arm answers so."""
    prompts: Any = [{"prompt": "none", "general": "x", "tailored": "x"}]
    monkeypatch.setitem(SCRIPT, "prompts", prompts)
    monkeypatch.setitem(SCRIPT, "fallback", {"general": general, "tailored": "As you prefer {preference}: stay."})
    study = make_live_study(folder)
    Study.objects.filter(pk=study.pk).update(screening=screening, written_personas_per_participant=2)
    study.refresh_from_db()
    return study


def run_worker() -> None:
    call_command("run_worker", once=True, stdout=io.StringIO())


@pytest.fixture
def walker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Walker:
    """Somebody whose persona was answered by a response that reveals its system."""
    walker = Walker(live_study(tmp_path, monkeypatch)).begin()
    walker.write()
    run_worker()
    return walker


def test_a_finding_in_one_output_holds_all_of_its_persona_before_anybody_sees_them(walker: Walker) -> None:
    persona = Persona.objects.get(submitted_at__isnull=False)
    assert states(persona) == ["ready", "ready"] and walker.step == "held"
    assert list(OutputFinding.objects.values_list("output__arm__ordinal", "kind")) == [(1, "reveal")]
    hold = PersonaHold.objects.get()
    assert (hold.persona, hold.stage, hold.reason) == (persona, "outputs", "reveal")
    page = walker.get().content.decode()
    assert "Llama" not in page and "stay." not in page


def test_there_is_no_moment_between_an_output_and_its_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    persona = write_persona(live_study(tmp_path, monkeypatch))
    monkeypatch.setattr("modelhub.live.scanning.outputs_hold", _fails)
    with pytest.raises(RuntimeError, match="as if killed"):
        run_worker()
    ready = Output.objects.filter(persona=persona, state="ready")
    assert not ready.filter(text=REVEALING).exists() and not OutputFinding.objects.exists()


def _fails(**kwargs: object) -> None:
    raise RuntimeError("as if killed")


def test_a_study_that_only_flags_shows_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    walker = Walker(live_study(tmp_path, monkeypatch, outputs="flag")).begin()
    walker.write()
    run_worker()
    assert walker.step == "rate" and OutputFinding.objects.count() == 1 and not PersonaHold.objects.exists()


def test_outputs_without_a_finding_are_shown_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    walker = Walker(live_study(tmp_path, monkeypatch, general="Take a walk.")).begin()
    walker.write()
    run_worker()
    assert walker.step == "rate" and not OutputFinding.objects.exists()


@pytest.mark.parametrize(("name", "step"), [("walk", "rate"), ("walk-8b", "held")])
def test_a_name_that_is_a_word_like_any_other_holds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, step: str
) -> None:
    study = live_study(tmp_path, monkeypatch, general=f"Take a {name}.")
    System.objects.filter(bindings__arm__study=study, bindings__arm__ordinal=1).update(name=name)
    walker = Walker(study).begin()
    walker.write()
    run_worker()
    assert walker.step == step


def test_the_scan_shows_what_was_found_live_too(walker: Walker) -> None:
    (pair,) = scan_study(walker.participant.study).pairs
    assert sorted(flag.kind for text in pair.texts for flag in text.flags) == ["reveal"]


def test_an_erasure_takes_findings_of_outputs_with_it(walker: Walker) -> None:
    study = walker.participant.study
    other = participant_create(study=study)  # so that the outputs' rows have to stay
    rated = {"persona": Persona.objects.get(submitted_at__isnull=False), "kind": "overlap", "ordinal": 1}
    Assignment.objects.create(participant=other, expires_at="2100-01-01T00:00Z", **rated)
    participant_erase(participant=walker.participant)
    assert Output.objects.exists() and not OutputFinding.objects.exists()


# --- the researchers' page ---


def address(study: Study, name: str = "held") -> str:
    if name == "held":
        return reverse("modelhub:held", args=[study.slug, study.version])
    hold = PersonaHold.objects.get()
    return reverse(f"modelhub:{name}", args=[study.slug, study.version, hold.persona.key, hold.stage])


@pytest.fixture
def signed_in(walker: Walker, client: Client) -> Client:
    client.force_login(walker.participant.study.owner)
    return client


def test_the_study_page_says_that_something_is_held_and_leads_there(walker: Walker, signed_in: Client) -> None:
    study = walker.participant.study
    page = signed_in.get(reverse("annotation:study", args=[study.slug, study.version])).content.decode()
    assert "1 persona is held" in page and "For their responses: 1." in page and address(study) in page


def test_the_page_shows_texts_and_findings_but_no_arm(walker: Walker, signed_in: Client) -> None:
    study = walker.participant.study
    page = signed_in.get(address(study)).content.decode()
    assert REVEALING in page and "As you prefer" in page and "a participant stands at this part" in page
    bindings = ArmBinding.objects.select_related("system")
    secrets = [*Arm.objects.values_list("code", flat=True), *(binding.system.name for binding in bindings)]
    assert not [secret for secret in secrets if secret in page]


def test_a_release_on_the_page_leads_the_participant_to_the_responses(walker: Walker, signed_in: Client) -> None:
    assert signed_in.post(address(walker.participant.study, "held_release")).status_code == 302
    assert walker.step == "rate"
    page = signed_in.get(address(walker.participant.study)).content.decode()
    assert "Nothing waits for a decision" in page and "Released" in page


def test_a_refusal_on_the_page_needs_a_reason_and_sends_the_participant_on(walker: Walker, signed_in: Client) -> None:
    refuse = address(walker.participant.study, "held_refuse")
    refused = signed_in.post(refuse, {"reason": " "})
    assert refused.status_code == 422 and "Say why this is refused" in refused.content.decode()
    assert signed_in.post(refuse, {"reason": "It names its model."}).status_code == 302
    assert walker.step == "write"
    again = signed_in.post(refuse, {"reason": "Once more."})
    assert again.status_code == 409


def test_an_analyst_reads_and_decides_nothing(walker: Walker, client: Client) -> None:
    study, analyst = walker.participant.study, make_user("analyst")
    StudyMember.objects.create(study=study, user=analyst, role="analyst")
    client.force_login(analyst)
    assert "Release" not in client.get(address(study)).content.decode().replace("Released", "")
    assert client.post(address(study, "held_release")).status_code == 403
