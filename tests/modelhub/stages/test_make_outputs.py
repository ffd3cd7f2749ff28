"""Outputs of a draft made before it opens: they can be scanned, and opening freezes them."""

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from annotation.errors import ServiceError
from annotation.models import AuditLog, Output, Study
from annotation.protocol import protocol_document, protocol_hash
from annotation.services.queue import outputs_claim
from annotation.services.studies import study_open
from modelhub.models import Generation, Run
from modelhub.stages.make_outputs import draft_outputs_request
from modelhub.systems.registering import arms_bind, system_register
from tests.factories import make_study
from tests.modelhub.pair_rows import make_system, picking_script

pytestmark = pytest.mark.django_db


def draft(folder: Path, slug: str = "draft", **decoding: str) -> Study:
    """A draft with three given personas, two scripted systems behind its arms, and no outputs."""
    study = make_study(state="draft", slug=slug, given_items=3, given_per_participant=2)
    Output.objects.filter(arm__study=study).delete()
    script = str(picking_script(folder, "x"))
    for name, style in (("plain", "general"), ("tailored", "tailored")):
        system_register(
            name=name, engine="scripted", model=script, persona_style="field", decoding={"style": style, **decoding}
        )
    arms_bind(study=study, bindings={"1": "plain", "2": "tailored"})
    return study


def ready(study: Study) -> int:
    return Output.objects.filter(arm__study=study, state="ready").count()


def test_what_is_missing_is_made_and_frozen_by_opening(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = draft(tmp_path)
    call_command("make_outputs", "draft")
    assert "6 outputs were missing, 6 made, 0 attempts failed" in capsys.readouterr().out
    assert set(Output.objects.values_list("arm__ordinal", "text")) == {(1, "An answer."), (2, "An answer for you.")}
    assert Generation.objects.filter(run=Run.objects.get(stage="make_outputs")).count() == 6
    call_command("scan_outputs", "draft")
    study_open(study=study, user=None)
    assert len(protocol_document(study)["outputs"]) == 6
    Output.objects.filter(arm__ordinal=1).update(text="Something else.")
    assert protocol_hash(study) != study.protocol_hash


def test_the_same_command_again_makes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draft(tmp_path)
    call_command("make_outputs", "draft")
    call_command("make_outputs", "draft")
    assert "0 outputs were missing, 0 made" in capsys.readouterr().out
    assert AuditLog.objects.filter(action="outputs_requested").count() == 1


def test_outputs_of_other_studies_are_left_to_their_workers(tmp_path: Path) -> None:
    study, other = draft(tmp_path), draft(tmp_path, "other")
    study_open(study=other, user=None)
    call_command("make_outputs", "draft")
    assert (ready(study), ready(other)) == (6, 0)


def test_a_study_does_not_open_while_its_outputs_are_being_made(tmp_path: Path) -> None:
    study = draft(tmp_path)
    draft_outputs_request(study=study)
    outputs_claim(holder="a worker", limit=10, lease_seconds=60)
    with pytest.raises(ServiceError, match="6 of its outputs are being made at this moment"):
        study_open(study=study, user=None)
    Output.objects.filter(arm__study=study).update(lease_holder="", lease_until=None)
    study_open(study=study, user=None)


def test_failures_are_told_with_where_to_read_the_reason(tmp_path: Path) -> None:
    study = draft(tmp_path, fail_on="number 2?")
    with pytest.raises(CommandError, match="retry_outputs draft says why"):
        call_command("make_outputs", "draft")
    assert ready(study) == 4
    with pytest.raises(ServiceError, match="has outputs for 2 of 3 given personas"):
        study_open(study=study, user=None)


def test_only_a_draft_whose_systems_can_answer_is_taken(tmp_path: Path) -> None:
    study = draft(tmp_path)
    make_system("elsewhere")
    arms_bind(study=study, bindings={"2": "elsewhere"})
    with pytest.raises(CommandError, match="have imported outputs only"):
        call_command("make_outputs", "draft")
    arms_bind(study=study, bindings={"2": "tailored"})
    study.arms.filter(ordinal=1).update(fingerprint="")
    with pytest.raises(CommandError, match="has no system yet; see bind_arms"):
        call_command("make_outputs", "draft")
    study.arms.filter(ordinal=1).update(fingerprint=study.arms.get(ordinal=2).fingerprint)
    study_open(study=study, user=None)
    with pytest.raises(CommandError, match="only while the study is a draft"):
        call_command("make_outputs", "draft")
    assert not Run.objects.filter(stage="make_outputs").exists()
