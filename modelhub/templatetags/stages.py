"""What templates have to know of stages."""

from django import template

from modelhub.models import Job
from modelhub.stages import unit_of

register = template.Library()

# What runs of jobs count, which are no stages.
_OF_JOBS = {
    Job.Kind.REHEARSAL.value: "bots",
    Job.Kind.POWER.value: "designs",
    Job.Kind.REPORT.value: "parts of the results",
    Job.Kind.BLINDED_REPORT.value: "parts of the results",
    Job.Kind.REMINDERS.value: "e-mails",
}


@register.filter
def counted_in(stage: str) -> str:
    """Return what the runs of a stage, or of a kind of job, count, in the plural."""
    return _OF_JOBS.get(stage) or unit_of(stage)
