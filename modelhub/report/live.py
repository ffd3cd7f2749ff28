"""Results for pages, computed again only when something was rated, excluded or erased in the meantime."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from django.core.cache import cache
from django.db.models import Count, Max, Q

from annotation.export.querysets import answers_of, assignments_of, participants_of
from annotation.export.scope import Scope
from annotation.models import Assignment, Study
from modelhub.analysis.agreement import agreement_by_design
from modelhub.analysis.data import load_data
from modelhub.analysis.results import analyze_data
from modelhub.models import Job
from modelhub.report.build import build_document
from modelhub.report.bundle import RESULTS
from modelhub.report.sections.document import Document
from modelhub.report.sections.names import DESIGNS
from modelhub.results.agreement import AgreementReport
from modelhub.results.report import Results
from modelhub.stats.numbers import decimal, interval, reason, warning

_COMPLETED = Q(state=Assignment.State.COMPLETED)
KEPT_SECONDS = 60 * 60
PANEL_REPLICATES = 500
# About two seconds of computing; above it a worker does it, and the page says how far it is.
SLOW_FROM_ANSWERS = 10_000
Made = TypeVar("Made")


@dataclass(frozen=True)
class AgreementLine:
    """One question of one design: alpha and its interval in figures, or why there is none."""

    design: str
    question: str
    items: int
    alpha: str
    interval: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class AgreementSoFar:
    """What the dashboard's panel shows. It says nothing about single arms."""

    note: str
    lines: tuple[AgreementLine, ...]


def study_document(study: Study, *, command: str, include_bots: bool = False, blinded: bool = False) -> Document | None:
    """Return the report of the study as it stands; `command` writes the same as files.

    None where computing it takes long, and no job has made it since something was answered last.
    """

    def make() -> Document | None:
        job = report_job(study, include_bots=include_bots, blinded=blinded)
        if job is not None:
            return build_document(job_results(job))
        if answers_in(study, include_bots=include_bots) >= SLOW_FROM_ANSWERS:
            return None
        data = load_data(study, include_bots=include_bots, blinded=blinded)
        return build_document(analyze_data(data, command=command, include_bots=include_bots))

    return _kept("report-blinded" if blinded else "report", study, include_bots, make)


def report_job(study: Study, *, include_bots: bool, blinded: bool) -> Job | None:
    """Return the job that has made this report as files from the data as they are now."""
    kind = Job.Kind.BLINDED_REPORT if blinded else Job.Kind.REPORT
    job = Job.objects.filter(study=study, kind=kind, state=Job.State.FINISHED, files__name=RESULTS).first()
    asked = {"include_bots": include_bots, "state": state_of_data(study, include_bots=include_bots)}
    return job if job is not None and job.findings == asked else None


def job_results(job: Job) -> Results:
    """Return the results that a job has kept."""
    return Results.model_validate_json(bytes(job.files.get(name=RESULTS).content))


def answers_in(study: Study, *, include_bots: bool) -> int:
    """Return how many answers a report is computed from."""
    return answers_of(Scope.of(study, include_bots=include_bots)).count()


def agreement_so_far(study: Study, *, include_bots: bool = False) -> AgreementSoFar:
    """Return the agreement of every design and question, all arms together."""

    def make() -> AgreementSoFar:
        data = load_data(study, include_bots=include_bots)
        found = agreement_by_design(data, seed=0, replicates=PANEL_REPLICATES)
        lines = tuple(
            _line(DESIGNS[design], data.questions[key].name, reports.pooled)
            for design, questions in found.designs.items()
            for key, reports in questions.items()
        )
        return AgreementSoFar(found.note, lines)

    return _kept("agreement", study, include_bots, make)


def _line(design: str, question: str, report: AgreementReport) -> AgreementLine:
    missing = [name for name in ("krippendorff_alpha", "alpha_ci") if name in report.reasons]
    notes = dict.fromkeys(reason(report.reasons[name]) for name in missing)
    return AgreementLine(
        design=design,
        question=question,
        items=report.pairable_items,
        alpha=decimal(report.krippendorff_alpha),
        interval=interval(report.alpha_ci),
        notes=(*notes, *(warning(code) for code in report.warnings)),
    )


def _kept(what: str, study: Study, include_bots: bool, make: Callable[[], Made]) -> Made:
    key = _key(what, study, include_bots)
    kept: Made | None = cache.get(key)
    if kept is None:
        kept = make()
        if kept is not None:
            cache.set(key, kept, KEPT_SECONDS)
    return kept


def _key(what: str, study: Study, include_bots: bool) -> str:
    return f"{what}-{study.pk}-{include_bots}-{state_of_data(study, include_bots=include_bots)}"


def state_of_data(study: Study, *, include_bots: bool) -> str:
    """Return a short text that changes whenever results could: with answers, finished parts, exclusions, the state."""
    scope = Scope.of(study, include_bots=include_bots)
    answers = answers_of(scope).aggregate(n=Count("pk"), last=Max("saved_at"))
    people = participants_of(scope).aggregate(
        n=Count("pk"), consented=Count("consented_at"), completed=Count("completed_at"), excluded=Count("excluded_at"),
        last_excluded=Max("excluded_at"), declined=Count("declined_at"), withdrawn=Count("withdrawn_at"),
        erased=Count("erased_at"),
    )  # fmt: skip
    done = assignments_of(scope).aggregate(n=Count("pk"), completed=Count("pk", filter=_COMPLETED))
    bindings = list(study.arms.order_by("ordinal").values_list("code", "fingerprint", "binding__system__name"))
    outputs = study.arms.aggregate(excluded=Count("outputs__excluded_at"))
    everything = (answers, people, done, bindings, outputs, study.state, study.title, study.analysis)
    return hashlib.sha256(repr(everything).encode()).hexdigest()[:24]
