"""The page that leads through recruiting on Prolific: what to paste, a try, the submissions, time, pay and lists."""

import re
from datetime import timedelta
from urllib.parse import unquote

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape

from annotation.models import AuditLog, OpenLink, Participant, Study
from annotation.services.entrance import places_taken
from annotation.services.recruitment import Proof, participant_arrive
from tests.annotation.prolific import prolific_study

pytestmark = pytest.mark.django_db


@pytest.fixture
def study() -> Study:
    return prolific_study()


@pytest.fixture
def link(study: Study) -> OpenLink:
    return OpenLink.objects.create(study=study, cap=5)


def page(client: Client, study: Study, **query: str) -> str:
    client.force_login(study.owner)
    return client.get(reverse("annotation:recruit", args=[study.slug, study.version]), query).content.decode()


def arrived(link: OpenLink, person: str, *, minutes: float | None = None, **fields: object) -> Participant:
    """Let somebody arrive, and finish after so many minutes."""
    participant = participant_arrive(open_link=link, person=person, session="session-1", proof=Proof())
    now = timezone.now()
    times: dict[str, object] = {}
    if minutes is not None:
        times = {
            "consented_at": now - timedelta(minutes=minutes), "consent_hash": "c" * 64, "completed_at": now,
            "platform_state": Participant.PlatformState.COMPLETED,
        }  # fmt: skip
    Participant.objects.filter(pk=participant.pk).update(**times, **fields)
    return participant


def test_the_whole_address_stands_there_with_its_placeholders(study: Study, link: OpenLink, client: Client) -> None:
    address = (
        f"http://testserver/arrive/{link.token}/?PROLIFIC_PID={{{{%PROLIFIC_PID%}}}}&STUDY_ID={{{{%STUDY_ID%}}}}"
        "&SESSION_ID={{%SESSION_ID%}}"
    )
    assert escape(address) in page(client, study)


def test_a_try_goes_to_the_end_as_a_preview_and_takes_no_place(study: Study, link: OpenLink, client: Client) -> None:
    (attempt,) = re.findall(r'href="([^"]+preview-[^"]+)"', page(client, study))
    person = Client()
    address = unquote(attempt.replace("&amp;", "&")).removeprefix("http://testserver")
    assert person.get(address).status_code == 200
    response = person.post(address)
    assert response.status_code == 302
    made = study.participants.get()
    assert (made.kind, made.platform_state) == (Participant.Kind.PREVIEW, Participant.PlatformState.ACTIVE)
    assert "voluntary" in person.get(response["Location"]).content.decode()
    assert places_taken(link) == 0


@pytest.mark.parametrize(("old", "new"), [("preview", "tester"), ("preview-", "preview-0")])
def test_an_id_that_this_site_did_not_make_is_a_person_like_any_other(
    study: Study, link: OpenLink, client: Client, old: str, new: str
) -> None:
    (person,) = set(re.findall(r"preview-[0-9a-f]{12}-[0-9a-f]{16}", page(client, study)))
    participant_arrive(open_link=link, person=person.replace(old, new), session="session-1", proof=Proof())
    assert study.participants.get().kind == Participant.Kind.PERSON


def test_the_submissions_of_prolific_are_taken_in_from_the_page(study: Study, link: OpenLink, client: Client) -> None:
    arrived(link, "person-0001")
    client.force_login(study.owner)
    table = "Participant id,Status,Submission id\nperson-0001,RETURNED,session-1\n"
    address = reverse("annotation:recruit_sync", args=[study.slug, study.version])
    client.post(address, {"submissions": SimpleUploadedFile("submissions.csv", table.encode())})
    assert study.participants.get().platform_state == Participant.PlatformState.RETURNED
    wrong = client.post(address, {"submissions": SimpleUploadedFile("submissions.csv", b"a,b\n1,2\n")})
    assert wrong.status_code == 422


def test_pay_per_hour_follows_from_the_time_that_people_took(study: Study, link: OpenLink, client: Client) -> None:
    for number, minutes in enumerate((10, 20, 60), start=1):
        arrived(link, f"person-000{number}", minutes=minutes)
    text = page(client, study, reward="3")
    assert "the median from agreeing to the end is 20.0 minutes" in text
    assert "That pays 9.00 an hour." in text


def test_lists_hold_who_is_to_be_approved_paid_more_or_written_to(study: Study, link: OpenLink, client: Client) -> None:
    arrived(link, "person-0001", minutes=10)
    arrived(link, "person-0002", minutes=40)
    arrived(link, "person-0003", minutes=40, excluded_at=timezone.now(), excluded_reason="Slept")
    arrived(link, "person-0004")
    client.force_login(study.owner)

    def listed(name: str, **query: str) -> list[str]:
        address = reverse("annotation:recruit_list", args=[study.slug, study.version, name])
        return client.get(address, query).content.decode().splitlines()

    assert listed("approve") == ["person-0001", "person-0002"]
    assert listed("bonus", rate="9", reward="3") == ["person-0002,3.00"]
    assert listed("unfinished") == ["person-0004"]
    assert AuditLog.objects.filter(action="recruitment_list").count() == 3
    assert client.get(reverse("annotation:recruit_list", args=[study.slug, study.version, "others"])).status_code == 404


def test_a_study_that_recruits_on_no_platform_is_told_how_it_would(study: Study, client: Client) -> None:
    Study.objects.filter(pk=study.pk).update(recruitment={})
    assert "This study recruits on no platform." in page(client, study)
