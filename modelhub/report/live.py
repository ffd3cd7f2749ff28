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
from modelhub.analysis.results import analyze_data, parts_of
from modelhub.models import Run
from modelhub.report.build import build_document
from modelhub.report.sections.document import Document
from modelhub.report.sections.names import DESIGNS
from modelhub.results.agreement import AgreementReport
from modelhub.runs.recording import recorded_run
from modelhub.stats.numbers import decimal, interval, reason, warning

_COMPLETED = Q(state=Assignment.State.COMPLETED)
STAGE = "analyze"
KEPT_SECONDS = 60 * 60
PANEL_REPLICATES = 500
# About two seconds of computing; above it a page says first what is going on.
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


def study_document(study: Study, *, command: str, include_bots: bool = False) -> Document:
    """Return the report of the study as it stands; `command` writes the same as files.

    Where it takes long it is a run: another page can show how far it is, and stop it. Raises ScopeTaken while another
    process computes the study's report, and RunStopped if somebody stops this one.
    """

    def make() -> Document:
        data = load_data(study, include_bots=include_bots)
        if len(data.answers) < SLOW_FROM_ANSWERS:
            return build_document(analyze_data(data, command=command, include_bots=include_bots))
        with recorded_run(
            stage=STAGE, study=study, scope=report_scope(study), arguments={"include_bots": include_bots},
            command=command, total=parts_of(data), leaves="Nothing was kept.",
        ) as execution:  # fmt: skip
            found = analyze_data(data, command=command, include_bots=include_bots, advance=execution.advance)
            return build_document(found)

    return _kept("report", study, include_bots, make)


def report_run(study: Study) -> Run | None:
    """Return the run that computes the report for a page at this moment."""
    return Run.objects.filter(scope=report_scope(study), state=Run.State.RUNNING).first()


def report_scope(study: Study) -> str:
    """Return the scope of runs that compute the study's report for a page: one at a time."""
    return f"report of study {study.pk}"


def answers_to_wait_for(study: Study, *, include_bots: bool = False) -> int:
    """Return from how many answers the report is still to be computed; 0 where it is there, or will be in a moment."""
    answers = answers_of(Scope.of(study, include_bots=include_bots)).count()
    if answers < SLOW_FROM_ANSWERS or cache.has_key(_key("report", study, include_bots)):
        return 0
    return answers


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
        cache.set(key, kept, KEPT_SECONDS)
    return kept


def _key(what: str, study: Study, include_bots: bool) -> str:
    return f"{what}-{study.pk}-{include_bots}-{_state_of_data(study, include_bots=include_bots)}"


def _state_of_data(study: Study, *, include_bots: bool) -> str:
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
