"""The rehearsal: bots that take the study on the running server, each to its end."""

from typing import Any

from django.db import transaction

from annotation.bots import BotReport
from annotation.botwalks import Walkers
from annotation.models import Participant
from annotation.services.rehearsals import rehearsal_participants
from modelhub.models import Job
from modelhub.runs.recording import Execution

AT_ONCE = 4


def rehearsal_walk(job: Job, execution: Execution) -> None:
    """Let the bots walk that have not ended yet; a bot that had begun goes on where the server has it.

    Raises:
        ServiceError: bots cannot take the study now.
    """
    bots = _bots(job)
    reports: list[dict[str, Any]] = job.findings["reports"]
    ended = {report["code"] for report in reports}
    execution.expect(len(bots))
    execution.advance(len(ended))
    walkers = Walkers.of(job.study, job.arguments["address"], careless=job.arguments["careless"])
    for report in walkers.walk([bot for bot in bots if bot.code not in ended], AT_ONCE):
        reports.append(_kept(report))
        job.save(update_fields=["findings"])
        execution.advance(1)


def _bots(job: Job) -> list[Participant]:
    if "bots" not in job.findings:
        with transaction.atomic():
            made = rehearsal_participants(study=job.study, count=job.arguments["bots"], user=job.asked_by)
            job.findings = {"bots": [bot.pk for bot in made], "reports": []}
            job.save(update_fields=["findings"])
    return list(job.study.participants.filter(pk__in=job.findings["bots"]).order_by("number"))


def _kept(report: BotReport) -> dict[str, Any]:
    return {"code": report.code, "step": report.step, "ratings": report.ratings, "error": report.error}
