"""Reminders by e-mail: to whom, with whose link, once, and never where no server is set."""

import smtplib
from typing import Any

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotation.models import Participant, Study
from annotation.services.recruitment import participants_invite
from modelhub.jobs.beginning import job_take
from modelhub.jobs.doing import job_do
from modelhub.models import Job
from tests.annotation.study_rows import make_frozen_study

pytestmark = pytest.mark.django_db(transaction=True)
PEOPLE = ["ada@example.org", "bob@example.org", "office-12", "cyd@example.org"]
FORM = {"to": "not_begun", "subject": "A study", "text": "Please take part: {link}"}


@pytest.fixture(autouse=True)
def mail_server(settings: Any) -> None:
    settings.EMAIL_HOST, settings.DEFAULT_FROM_EMAIL = "mail.example.org", "team@example.org"


@pytest.fixture
def study() -> Study:
    study = make_frozen_study()
    participants_invite(study=study, ids=PEOPLE, user=None)
    study.participants.filter(external_id="bob@example.org").update(consented_at=timezone.now(), consent_hash="c" * 64)
    study.participants.filter(external_id="cyd@example.org").update(declined_at=timezone.now())
    return study


def ask(client: Client, study: Study, **changes: str) -> Any:
    client.force_login(study.owner)
    return client.post(reverse("modelhub:reminders_start", args=[study.slug, study.version]), {**FORM, **changes})


def done() -> Job:
    job = job_take()
    assert job is not None
    return job_do(job.key)


def test_each_person_gets_their_own_link_and_nobody_else_is_written_to(study: Study, client: Client) -> None:
    assert ask(client, study).status_code == 302
    done()
    (sent,) = mail.outbox
    link = reverse("annotation:participant", args=[Participant.objects.get(external_id="ada@example.org").token])
    assert (sent.to, sent.from_email) == (["ada@example.org"], "team@example.org")
    assert sent.body == f"Please take part: http://testserver{link}"
    ask(client, study, to="not_finished")
    done()
    assert [message.to for message in mail.outbox[1:]] == [["bob@example.org"]]


def test_a_job_that_is_begun_again_writes_to_nobody_twice(study: Study, client: Client) -> None:
    ask(client, study)
    ada = Participant.objects.get(external_id="ada@example.org")
    Job.objects.update(findings={"sent": [ada.pk], "refused": {}})
    done()
    assert not mail.outbox


class Refusing(EmailBackend):
    """A server that does not know one address."""

    def send_messages(self, messages: Any) -> int:
        if messages[0].to == ["ada@example.org"]:
            raise smtplib.SMTPRecipientsRefused({"ada@example.org": (550, b"No such user")})
        return super().send_messages(messages)


def test_an_address_that_is_refused_is_told_and_the_others_are_written_to(
    study: Study, client: Client, settings: Any
) -> None:
    settings.EMAIL_BACKEND = "tests.modelhub.jobs.test_reminders.Refusing"
    participants_invite(study=study, ids=["dee@example.org"], user=None)
    ask(client, study)
    job = done()
    ada = Participant.objects.get(external_id="ada@example.org")
    assert job.findings["refused"] == {ada.code: "the server refused the address (SMTP 550)"}
    assert [message.to for message in mail.outbox] == [["dee@example.org"]]
    page = client.get(reverse("modelhub:reminders", args=[study.slug, study.version])).content.decode()
    assert ada.code in page and "ada@example.org" not in page


@pytest.mark.parametrize(("changes", "status"), [({"text": "No link."}, 422), ({"to": "everybody"}, 422)])
def test_a_reminder_without_a_link_or_to_whom_is_refused(
    study: Study, client: Client, changes: dict[str, str], status: int
) -> None:
    assert ask(client, study, **changes).status_code == status
    assert not Job.objects.exists()


def test_without_a_mail_server_nothing_is_offered_or_sent(study: Study, client: Client, settings: Any) -> None:
    settings.EMAIL_HOST = ""
    assert ask(client, study).status_code == 409
    page = client.get(reverse("modelhub:reminders", args=[study.slug, study.version])).content.decode()
    assert "This site sends no e-mail" in page and "Send a reminder" not in page
