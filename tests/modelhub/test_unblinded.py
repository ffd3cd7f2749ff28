"""What only those with the permission to unblind may see."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from annotation.models import AuditLog, Output, Persona, Study, User
from modelhub.models import ArmBinding, Generation, PersonaOrigin, System
from modelhub.runs.lifecycle import run_start
from tests.annotation.study_rows import add_assignment, add_participant, make_frozen_study
from tests.factories import make_study, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def study(db: None) -> Study:
    study = make_study(slug="sealed", given_items=2, state="draft")
    for number, arm in enumerate(study.arms.all(), start=1):
        system = System.objects.create(
            name=f"wizard-{number}", engine="imported", persona_style="field", fingerprint=arm.fingerprint
        )
        ArmBinding.objects.create(arm=arm, system=system)
    run = run_start(stage="import_outputs", study=study, arguments={})
    for output in Output.objects.select_related("arm__binding__system"):
        system = output.arm.binding.system
        Generation.objects.create(run=run, system=system, output=output, finish_reason="stop")
    persona = Persona.objects.get(item__key="item-1")
    PersonaOrigin.objects.create(persona=persona, direction="rejected", source="gold", run=run)
    return study


@pytest.fixture
def allowed(study: Study) -> User:
    study.owner.user_permissions.add(Permission.objects.get(codename="unblind"))
    return User.objects.get(pk=study.owner_id)


def export(study: Study, folder: Path, user: str, **options: Any) -> str:
    out = io.StringIO()
    call_command("export_unblinded", study.slug, out=folder, user=user, stdout=out, **options)
    return out.getvalue()


def test_the_export_says_which_system_made_each_output(study: Study, allowed: User, tmp_path: Path) -> None:
    export(study, tmp_path, allowed.username)
    with (tmp_path / "outputs_unblinded.csv").open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert len(rows) == 4
    for row in rows:
        output = Output.objects.select_related("arm__binding__system").get(key=row["output"])
        assert row["system"] == output.arm.binding.system.name
        assert (row["finish_reason"], row["fingerprint"]) == ("stop", output.fingerprint)
        expected = ("rejected", "gold") if row["item"] == "item-1" else ("", "")
        assert (row["persona_direction"], row["persona_origin"]) == expected


def test_the_export_says_what_each_adapter_changes_or_that_nobody_has_looked(
    study: Study, allowed: User, tmp_path: Path
) -> None:
    System.objects.filter(name="wizard-1").update(adapter="dpo", adapter_probe={"difference": 0.5, "dtype": "float32"})
    System.objects.filter(name="wizard-2").update(adapter="sft")
    export(study, tmp_path, allowed.username)
    with (tmp_path / "outputs_unblinded.csv").open(encoding="utf-8", newline="") as handle:
        found = {(row["system"], row["adapter_probe"], row["adapter_difference"]) for row in csv.DictReader(handle)}
    assert found == {("wizard-1", "probed", "0.5"), ("wizard-2", "not_probed", "")}


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet"])
def test_every_format_comes_with_a_codebook(study: Study, allowed: User, tmp_path: Path, format: str) -> None:
    export(study, tmp_path, allowed.username, format=format)
    assert (tmp_path / f"ratings_unblinded.{format}").exists()
    tables = json.loads((tmp_path / "codebook_unblinded.json").read_text("utf-8"))["tables"]
    assert "system" in {column["name"] for table in tables for column in table["columns"]}


def test_the_export_is_logged(study: Study, allowed: User, tmp_path: Path) -> None:
    export(study, tmp_path, allowed.username)
    assert AuditLog.objects.get(action="export_unblinded").user == allowed


def test_without_the_permission_nothing_is_exported(study: Study, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="permission modelhub.unblind is missing"):
        export(study, tmp_path / "out", study.owner.username)
    with pytest.raises(CommandError, match="no active user called 'nobody'"):
        export(study, tmp_path / "out", "nobody")
    stranger = make_user("stranger")
    stranger.user_permissions.add(Permission.objects.get(codename="unblind"))
    with pytest.raises(CommandError, match="belongs to somebody else"):
        export(study, tmp_path / "out", "stranger")
    assert not (tmp_path / "out").exists()
    assert not AuditLog.objects.exists()


class TestArmsPage:
    def url(self, study: Study) -> str:
        return reverse("modelhub:arms", args=[study.slug, study.version])

    def test_it_shows_the_system_of_each_arm_and_logs_the_look(
        self, study: Study, allowed: User, client: Client
    ) -> None:
        client.force_login(allowed)
        page = client.get(self.url(study)).content.decode()
        assert "wizard-1" in page and "wizard-2" in page and "import_outputs" in page
        assert AuditLog.objects.get().action == "arms_seen"

    def test_it_says_what_was_said_of_the_outputs_that_failed(
        self, study: Study, allowed: User, client: Client
    ) -> None:
        first, second = study.arms.order_by("ordinal")
        failed = Output.objects.filter(arm=second)
        failed.update(state="failed", error="wizard-2 answered 500")
        client.force_login(allowed)
        page = client.get(self.url(study)).content.decode()
        before, after = page.split('id="arm-2"')
        assert first.code in before
        assert "Why they failed" not in before
        assert f"{failed.count()} of them: wizard-2 answered 500" in after

    def test_the_owner_needs_the_permission(self, study: Study, client: Client) -> None:
        client.force_login(study.owner)
        assert client.get(self.url(study)).status_code == 403
        assert not AuditLog.objects.exists()

    def test_strangers_find_nothing_even_with_the_permission(self, study: Study, client: Client) -> None:
        stranger = make_user("stranger")
        stranger.user_permissions.add(Permission.objects.get(codename="unblind"))
        client.force_login(stranger)
        assert client.get(self.url(study)).status_code == 404

    def test_it_only_reads(self, study: Study, allowed: User, client: Client) -> None:
        client.force_login(allowed)
        assert client.post(self.url(study)).status_code == 405


class TestRatings:
    def test_ratings_and_comparisons_carry_the_systems_names(self, tmp_path: Path) -> None:
        study = make_frozen_study(slug="rated", given_items=1)
        study.owner.user_permissions.add(Permission.objects.get(codename="unblind"))
        systems = {}
        for arm in study.arms.all():
            system = System.objects.create(name=f"wizard-{arm.ordinal}", engine="imported", fingerprint=arm.fingerprint)
            ArmBinding.objects.create(arm=arm, system=system)
            systems[arm.code] = system.name
        add_assignment(add_participant(study), swapped=True, choice=1)
        export(study, tmp_path, study.owner.username, format="jsonl")
        lines = (tmp_path / "ratings_unblinded.jsonl").read_text("utf-8").splitlines()
        rows = [json.loads(line) for line in lines]
        answers = [row for row in rows if row["aspect_kind"] == "rating"]
        (comparison,) = [row for row in rows if row["aspect_kind"] == "comparison"]
        assert len(answers) == 4
        assert all(row["system"] == systems[row["arm"]] for row in answers)
        # The sides were swapped, so the left one is the second arm's.
        assert (comparison["system"], comparison["preferred_system"]) == (None, "wizard-2")

    def test_a_study_changed_after_opening_is_not_exported(self, tmp_path: Path) -> None:
        study = make_frozen_study(slug="rated", given_items=1)
        study.owner.user_permissions.add(Permission.objects.get(codename="unblind"))
        study.items.update(prompt="Something else?")
        with pytest.raises(CommandError, match="was changed after it was opened"):
            export(study, tmp_path / "out", study.owner.username)
        assert not (tmp_path / "out").exists()
