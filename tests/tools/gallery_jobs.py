"""Pages of long work: a rehearsal, the planner, and a blinded report, waited for and done."""

from collections.abc import Sequence

from django.urls import reverse

from annotation.models import Study
from modelhub.jobs.asking import job_ask
from modelhub.jobs.beginning import job_take
from modelhub.jobs.doing import job_do
from modelhub.models import Job
from modelhub.powerform import PowerForm
from tests.tools.spots import Spot

_REPORTS = [
    {"code": "P-0101", "step": "done", "ratings": 24, "error": ""},
    {"code": "P-0102", "step": "full", "ratings": 0, "error": ""},
    {"code": "P-0103", "step": "write", "ratings": 8, "error": "page write: there is no field 'text'"},
]


def job_spots(study: Study, other: Sequence[object]) -> list[Spot]:
    """Return the pages of jobs: of `study`, where all has come to an end, and of the one named by `other`."""
    here = [study.slug, study.version]
    Job.objects.create(
        study=study, kind=Job.Kind.REHEARSAL, state=Job.State.FINISHED, asked_by=study.owner,
        arguments={"bots": 3, "careless": 0.0}, findings={"bots": [], "reports": _REPORTS},
    )  # fmt: skip
    form = PowerForm({"participants": "10, 20, 40", "prompts": "2, 6", "whose": "own", "difference": "0.4",
                      "sd_participants": "0.4", "sd_prompts": "0.3", "sd_residual": "1.4",
                      "simulations": "100"})  # fmt: skip
    assert form.is_valid(), form.errors
    job_ask(study=study, kind=Job.Kind.POWER, arguments=form.arguments(), user=study.owner)
    job = job_take()
    assert job is not None
    job_do(job.key)
    waiting = Study.objects.get(slug=str(other[0]), version=str(other[1]))
    job_ask(study=waiting, kind=Job.Kind.REHEARSAL, arguments={"bots": 20, "careless": 0.2}, user=waiting.owner)
    return [
        Spot("rehearsal", reverse("modelhub:rehearsal", args=here), signed_in=True),
        Spot("rehearsal-waiting", reverse("modelhub:rehearsal", args=other), signed_in=True),
        Spot("reminders", reverse("modelhub:reminders", args=here), signed_in=True),
        Spot("planner", reverse("modelhub:power", args=here), signed_in=True),
        Spot("planner-empty", reverse("modelhub:power", args=other), signed_in=True),
        Spot("results", reverse("modelhub:results", args=here), signed_in=True),
    ]
