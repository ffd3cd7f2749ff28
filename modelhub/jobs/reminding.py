"""Reminders by e-mail, one to each person, with their own link."""

import smtplib
from typing import Any

from django.core.mail import EmailMessage, get_connection
from django.urls import reverse

from annotation.errors import ServiceError
from annotation.management.base import page_address
from annotation.models import Participant, Study
from annotation.queries_reminders import to_remind
from annotation.services.log import audit_log
from modelhub.models import Job
from modelhub.runs.recording import Execution


def reminders_send(job: Job, execution: Execution) -> None:
    """Send what has not been sent yet. Nobody gets two: each is noted before it leaves, and a refused one is told.

    Raises:
        ServiceError: the study is not open, or the mail server cannot be reached.
    """
    if job.study.state != Study.State.OPEN:
        raise ServiceError(f"{job.study} is {job.study.state}; people are reminded of an open study only.")
    sent: list[int] = job.findings.setdefault("sent", [])
    refused: dict[str, str] = job.findings.setdefault("refused", {})
    people = [one for one in to_remind(job.study, job.arguments["to"]) if one.pk not in sent]
    execution.expect(len(sent) + len(people))
    execution.advance(len(sent))
    try:
        with get_connection() as server:
            for person in people:
                sent.append(person.pk)
                job.save(update_fields=["findings"])
                if reason := _refusal(server, _message(job, person)):
                    refused[person.code] = reason
                    job.save(update_fields=["findings"])
                execution.advance(1)
    except (OSError, smtplib.SMTPException) as error:
        why = type(error).__name__
        raise ServiceError(f"The mail server did not take it ({why}). Ask whoever runs the site.") from error
    audit_log(user=job.asked_by, action="reminders_sent", study=job.study, people=len(sent), refused=len(refused))


def _message(job: Job, person: Participant) -> EmailMessage:
    link = page_address(job.arguments["address"], reverse("annotation:participant", args=[person.token]))
    text = job.arguments["text"].replace("{link}", link)
    return EmailMessage(subject=job.arguments["subject"], body=text, to=[person.external_id])


def _refusal(server: Any, message: EmailMessage) -> str:
    """Send the message; return why this one address was not taken, or ""."""
    try:
        server.send_messages([message])
    except smtplib.SMTPRecipientsRefused as error:
        (code, _) = next(iter(error.recipients.values()))
        return f"the server refused the address (SMTP {code})"
    return ""
