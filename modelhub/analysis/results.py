"""From a study to its results, whose form is in modelhub/results/."""

import platform
from collections.abc import Callable, Sequence
from importlib import metadata
from typing import TypeVar

import django
from django.utils import timezone

from annotation.models import Study
from modelhub.analysis.agreement import agreement_by_design
from modelhub.analysis.data import ALL, POOLED, POPULATIONS, Data, load_data
from modelhub.analysis.family import holm_add
from modelhub.analysis.flow import checks_report, flow_report
from modelhub.analysis.judge import judge_report
from modelhub.analysis.length import length_report
from modelhub.analysis.output_rating import Compared, contrast_report, interactions, stratum_report
from modelhub.analysis.persona_assessment import persona_report
from modelhub.analysis.position import order_report, position_report
from modelhub.results.report import PopulationResults, Results
from modelhub.results.study import Footer, QuestionResult, StudyResult, SystemResult
from modelhub.runs.provenance import provenance
from modelhub.stats.bootstrap import REPLICATES
from modelhub.stats.winrate import Verdict
from personaeval import __version__

_PACKAGES = ("numpy", "scipy", "krippendorff")
Made = TypeVar("Made")


def analyze(
    study: Study,
    *,
    seed: int = 0,
    replicates: int = REPLICATES,
    judgements: Sequence[Verdict] | None = None,
    command: str = "",
    base: str | None = None,
    test: str | None = None,
    include_bots: bool = False,
) -> Results:
    """Return the results of a study.

    `base` and `test` name the systems compared, by name or arm number. `replicates` is the size of the bootstrap for
    agreement; `command` is what the footer says produced the numbers. Bots count as participants only with
    `include_bots`; previews never do.

    Raises:
        ServiceError: `base` or `test` is no system of the study.
        ValueError: two judgements are about the same unit, metric and order.
    """
    data = load_data(study, include_bots=include_bots, base=base, test=test)
    return analyze_data(
        data, seed=seed, replicates=replicates, judgements=judgements, command=command, include_bots=include_bots
    )


def analyze_data(
    data: Data,
    *,
    seed: int = 0,
    replicates: int = REPLICATES,
    judgements: Sequence[Verdict] | None = None,
    command: str = "",
    include_bots: bool = False,
    advance: Callable[[int], object] = lambda parts: None,
) -> Results:
    """Return the results of a study that is loaded already; see `analyze`. Raises ValueError as it does.

    `advance` is told of every part that is done, of the number that `parts_of` says; what it raises ends the work.
    """
    names = primary_first(data)
    reports: dict[str, PopulationResults] = {}
    for name in names:
        people = data.population(name)
        if reports and len(people.answers) == len(data.population(names[0]).answers):
            (same,) = reports.values()
            reports[name] = same
        else:
            reports[name] = population_report(
                people, seed=seed, replicates=replicates, judgements=judgements, advance=advance
            )
    return Results(
        study=_study(data, include_bots=include_bots),
        flow=flow_report(data),
        populations=names,
        analysis=reports,
        footer=_footer(data, command=command, seed=seed, replicates=replicates),
    )


def parts_of(data: Data) -> int:
    """Return in how many parts `analyze_data` computes."""
    populations = {len(data.population(name).answers) for name in POPULATIONS}
    return len(populations) * (len(_strata(data)) + len(data.contrasts[1:]) + 2)


def _strata(data: Data) -> tuple[str, ...]:
    return (POOLED, *data.strata, *data.writings)


def primary_first(data: Data) -> list[str]:
    """Return the populations, that which the study declares as its primary one before the other."""
    primary = data.declared.get("population", ALL)
    return sorted(POPULATIONS, key=lambda name: name != primary)


def population_report(
    data: Data,
    *,
    seed: int,
    replicates: int,
    judgements: Sequence[Verdict] | None,
    advance: Callable[[int], object] = lambda parts: None,
) -> PopulationResults:
    """Return the part of the results that stands under `analysis` for the answers of `data`."""

    def done(part: Made) -> Made:
        advance(1)
        return part

    compared = Compared.of(data)
    is_assessment = data.study.kind == Study.Kind.PERSONA_ASSESSMENT
    report = PopulationResults(
        participants=len({answer.participant for answer in data.main}),
        strata={name: done(stratum_report(data, name, compared, seed=seed)) for name in _strata(data)},
        interactions=interactions(data, compared),
        contrasts=[done(contrast_report(data.contrast(*pair), seed=seed)) for pair in data.contrasts[1:]],
        position=position_report(compared.pairs, compared.chosen),
        order=order_report(data),
        length=length_report(data, seed=seed),
        agreement=done(agreement_by_design(data, seed=seed, replicates=replicates)),
        persona=persona_report(data, judgements or [], seed=seed) if is_assessment else None,
        judge=None if judgements is None else judge_report(data, judgements),
        checks=checks_report(data),
    )
    holm_add(report, data)
    return done(report)


def _study(data: Data, *, include_bots: bool) -> StudyResult:
    study, declared = data.study, data.declared
    of_question = (
        "key", "name", "kind", "level", "question", "question_for_others", "minimum", "maximum", "before_persona"
    )  # fmt: skip
    return StudyResult(
        slug=study.slug,
        version=study.version,
        title=study.title,
        kind=study.kind,
        state=study.state,
        protocol_hash=study.protocol_hash,
        demonstration=study.demonstration,
        include_bots=include_bots,
        questions=[
            QuestionResult(**{name: getattr(question, name) for name in of_question}, labels=list(question.labels))
            for question in data.questions.values()
        ],
        systems=[
            SystemResult(**{name: getattr(system, name) for name in SystemResult.model_fields})
            for system in data.systems
        ],
        base=data.base,
        test=data.test,
        strata=list(data.strata),
        writings=list(data.writings),
        family=declared.get("family", []),
        margin=declared.get("margin", {}),
        comparisons_declared="comparisons" in declared,
        prompts=declared.get("prompts", "sampled"),
        raters=declared.get("raters", "fixed"),
        population=declared.get("population", ALL),
    )


def _footer(data: Data, *, command: str, seed: int, replicates: int) -> Footer:
    return Footer(
        command=command,
        seed=seed,
        replicates=replicates,
        versions={
            "personaeval": __version__,
            "python": platform.python_version(),
            "django": django.get_version(),
            **{name: metadata.version(name) for name in _PACKAGES},
        },
        git=provenance()["git"],
        data_sha256=data.sha256,
        protocol_hash=data.study.protocol_hash,
        generated_at=timezone.now().isoformat(timespec="seconds"),
    )
