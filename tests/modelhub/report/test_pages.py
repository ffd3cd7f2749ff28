"""The report as a page, and agreement on the dashboard."""

import re

import pytest
from django.contrib.auth.models import Permission
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from annotation.models import AuditLog, Study, User
from tests.modelhub.analysis.studies import BASE, TEST, own_persona_study, rate

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh_cache() -> None:
    cache.clear()


@pytest.fixture
def study(db: None) -> Study:
    return own_persona_study(participants=3, items=2)


@pytest.fixture
def analyst(study: Study) -> User:
    study.owner.user_permissions.add(Permission.objects.get(codename="unblind"))
    return User.objects.get(pk=study.owner_id)


def url(name: str, study: Study) -> str:
    return reverse(f"modelhub:{name}", args=[study.slug, study.version])


def test_analysts_see_the_report_and_each_look_is_logged(study: Study, analyst: User, client: Client) -> None:
    client.force_login(analyst)
    for _ in range(2):
        page = client.get(url("report", study)).content.decode()
        assert f"{TEST} against {BASE}" in page
    assert AuditLog.objects.filter(action="report_seen", user=analyst).count() == 2


def test_the_page_has_no_style_or_script_of_its_own(study: Study, analyst: User, client: Client) -> None:
    client.force_login(analyst)
    page = client.get(url("report", study)).content.decode()
    assert "<svg" in page
    assert not re.search(r"<style|\sstyle=|<script(?![^>]*\ssrc=)|\son\w+=", page)


def test_ids_on_the_page_are_unique(study: Study, analyst: User, client: Client) -> None:
    client.force_login(analyst)
    ids = re.findall(r'\sid="([^"]+)"', client.get(url("report", study)).content.decode())
    assert len(ids) == len(set(ids)) > 20


def test_an_exclusion_is_in_the_next_report(study: Study, analyst: User, client: Client) -> None:
    client.force_login(analyst)
    assert "6 pairs by 3 participants" in client.get(url("report", study)).content.decode()
    study.participants.filter(number=2).update(excluded_at=study.opened_at, excluded_reason="Slept")
    assert "(without excluded people)" in client.get(url("report", study)).content.decode()


def test_a_study_changed_after_opening_shows_no_numbers(study: Study, analyst: User, client: Client) -> None:
    study.items.update(prompt="Something else?")
    client.force_login(analyst)
    response = client.get(url("report", study))
    assert response.status_code == 409
    assert "was changed after it was opened" in response.content.decode()
    assert not AuditLog.objects.filter(action="report_seen").exists()


def test_the_panel_says_why_there_is_no_agreement(study: Study, client: Client) -> None:
    client.force_login(study.owner)
    page = client.get(url("agreement_panel", study)).content.decode()
    assert "inter-rater agreement cannot be estimated" in page


def test_the_panel_is_blinded_and_renewed_with_new_answers(client: Client) -> None:
    study = own_persona_study(participants=3, items=2, overlap_share=0.5)
    client.force_login(study.owner)
    assert "nothing was rated" in panel(client, study)
    author, other = study.participants.order_by("number")[:2]
    persona = author.assignments.order_by("ordinal")[0].persona
    rate(other, persona, {"answerability": [2, 3], "personalization": [4, 4]}, kind="overlap")  # type: ignore[arg-type]
    renewed = panel(client, study)
    assert "nothing was rated" not in renewed
    assert BASE not in renewed and TEST not in renewed
    assert "<html" not in renewed


def test_the_dashboard_loads_the_panel_and_links_to_it(study: Study, client: Client) -> None:
    client.force_login(study.owner)
    page = client.get(reverse("annotation:dashboard", args=[study.slug, study.version])).content.decode()
    assert f'hx-get="{url("agreement_panel", study)}' in page
    assert f'href="{url("agreement_panel", study)}' in page


def panel(client: Client, study: Study) -> str:
    return client.get(url("agreement_panel", study), headers={"HX-Request": "true"}).content.decode()
