"""Reports that a worker makes: as a page, as files, blinded, and gone with whoever is erased."""

import io
import re
import zipfile

import pytest
from django.contrib.auth.models import Permission
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from annotation.models import AuditLog, Study, User
from annotation.protocol import protocol_hash
from annotation.services.withdrawal import participant_erase
from modelhub.jobs.beginning import job_take
from modelhub.jobs.doing import job_do
from modelhub.models import Job, JobFile
from modelhub.report import live
from tests.modelhub.analysis.studies import BASE, TEST, own_persona_study

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def everything_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    cache.clear()
    monkeypatch.setattr(live, "SLOW_FROM_ANSWERS", 1)


@pytest.fixture
def study() -> Study:
    return own_persona_study(participants=3, items=2)


@pytest.fixture
def analyst(study: Study) -> User:
    study.owner.user_permissions.add(Permission.objects.get(codename="unblind"))
    return User.objects.get(pk=study.owner_id)


def url(name: str, study: Study, *more: str) -> str:
    return reverse(f"modelhub:{name}", args=[study.slug, study.version, *more])


def page(client: Client, study: Study, name: str = "report") -> str:
    return client.get(url(name, study)).content.decode()


def made(client: Client, study: Study, name: str = "report") -> Job:
    """Ask for the report on its page, and do what a worker does."""
    assert client.post(url(f"{name}_compute", study)).status_code == 302
    job = job_take()
    assert job is not None
    return job_do(job.key)


def files(client: Client, study: Study, job: Job) -> dict[str, str]:
    archive = zipfile.ZipFile(io.BytesIO(client.get(url("job_files", study, job.key)).content))
    return {name: archive.read(name).decode(errors="replace") for name in archive.namelist()}


def test_a_report_that_takes_long_is_asked_for_made_by_a_worker_and_then_stands_on_its_page(
    study: Study, analyst: User, client: Client
) -> None:
    client.force_login(analyst)
    assert f"{TEST} against {BASE}" not in page(client, study)
    assert not Job.objects.exists()  # looking asks for nothing
    client.post(url("report_compute", study))
    waiting = page(client, study)
    assert "The report is being computed from" in waiting
    assert "No worker is running" in waiting
    job = job_take()
    assert job is not None
    job_do(job.key)
    assert client.get(url("job_progress", study, job.key))["HX-Refresh"] == "true"
    assert f"{TEST} against {BASE}" in page(client, study)
    folder = f"{study.slug}-v{study.version}-report"
    assert {f"{folder}/report.html", f"{folder}/results.json", f"{folder}/long.csv"} <= set(files(client, study, job))
    assert AuditLog.objects.filter(action="report_download", user=analyst).count() == 1


def test_what_is_answered_after_a_report_makes_it_be_asked_for_anew(
    study: Study, analyst: User, client: Client
) -> None:
    client.force_login(analyst)
    made(client, study)
    study.participants.filter(number=2).update(excluded_at=study.opened_at, excluded_reason="Slept")
    assert f"{TEST} against {BASE}" not in page(client, study)
    second = made(client, study)
    assert "(without excluded people)" in page(client, study)
    assert {file.job for file in JobFile.objects.all()} == {second}  # those before it are let go of


def test_a_blinded_report_names_no_system_and_tells_nothing_of_the_order_of_arms(study: Study, client: Client) -> None:
    study.analysis = {"base": 2, "margin": {"answerability": 0.5}, "comparisons": [[2, 1]]}
    study.save(update_fields=["analysis"])
    Study.objects.filter(pk=study.pk).update(protocol_hash=protocol_hash(Study.objects.get(pk=study.pk)))
    client.force_login(study.owner)
    assert client.get(url("report", study)).status_code == 403
    job = made(client, study, "results")
    everything = {**files(client, study, job), "page": page(client, study, "results")}
    for letter, code in letters(study).items():
        assert re.search(rf"Arm {letter}</t[dh]>\s*<td[^>]*>\d</td>\s*<td[^>]*>{code}<", everything["page"])
    for name, text in everything.items():
        assert not any(secret in text for secret in (BASE, TEST, "scripted", "f" * 16)), name
        assert "0.5 points" not in text, name


def letters(study: Study) -> dict[str, str]:
    return dict(zip("AB", sorted(study.arms.values_list("code", flat=True)), strict=True))


def test_files_of_the_unblinded_report_are_for_those_who_may_unblind(
    study: Study, analyst: User, client: Client
) -> None:
    client.force_login(analyst)
    job = made(client, study)
    analyst.user_permissions.clear()
    for name in ("job_files", "job_progress"):
        assert client.get(url(name, study, job.key)).status_code == 403


def test_reports_that_counted_somebody_go_with_their_erasure(study: Study, analyst: User, client: Client) -> None:
    client.force_login(analyst)
    made(client, study)
    participant_erase(participant=study.participants.get(number=1), user=analyst)
    assert not JobFile.objects.exists()
    assert "Download the report" not in page(client, study)
