"""Bring stored outputs of two or more systems into a draft output rating, whose opening then freezes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from django.db import transaction
from pydantic import Field

from annotation.errors import ServiceError
from annotation.models import Arm, Output, Persona, Study, User
from annotation.services.log import audit_log
from annotation.services.outputs import output_import
from annotation.studyref import study_from_reference
from modelhub.files.pairs import Pair, PersonaRow
from modelhub.files.preferences import split_digest
from modelhub.models import ArmBinding, Generation, PairOutput, PersonaSource, PreferencePair, Run, System
from modelhub.profiles import DatasetProfile
from modelhub.prompting.layouts import PersonaStyle
from modelhub.queries.datasets import inferring_system, splits_of
from modelhub.queries.persona_sources import GOLD, RETRIEVED, named_rows, persona_key, source_texts
from modelhub.runs.parameters import Option, Positive, Seed
from modelhub.runs.recording import recorded_run
from modelhub.runs.stage import Reporting, Stage
from modelhub.stages.shared import parameters as shared
from modelhub.stages.shared.filling import answer_start
from modelhub.stages.shared.profiles import profile_of
from modelhub.stages.shared.study_personas import (
    StudyPersonasReport,
    study_personas_add,
    study_personas_conflicts,
    study_takes_personas,
)
from modelhub.stats.sampling import balanced_draw

SOURCES = tuple(str(source) for source in (*GOLD, *RETRIEVED))
NOTHING = "No output was brought."


class RateOptions(shared.OfOrigin, shared.OfSplit):
    """Which outputs are brought: those of a split with personas of one source; of these `limit` pairs, by `seed`."""

    study: shared.Study = Field(description=shared.STUDY)
    persona: Annotated[str, Option(choices=lambda: SOURCES)] = Field(description="where personas come from")
    allow_missing: bool = Field(default=False, description="leave out pairs that lack an arm's output")
    limit: Annotated[Positive | None, Option(metavar="N")] = Field(default=None, description="draw N pairs")
    seed: Annotated[Seed, Option(metavar="N")] = Field(default=0, description="decides the draw")


@dataclass(frozen=True)
class RateReport:
    """What was brought, and how many pairs could not be, since an arm has no usable output."""

    study: StudyPersonasReport
    run: Run
    outputs: int
    unchanged: int
    left_out: int


@dataclass(frozen=True)
class _RatedPair:
    """A pair with its persona and the output of each arm, by the arm's id."""

    pair: PreferencePair
    persona: str
    outputs: Mapping[int, PairOutput]


def add_outputs_to_rate(*, study: Study, wanted: RateOptions, user: User | None = None) -> RateReport:
    """Bring pairs with their personas and the outputs of all arms' systems; what is there already stays as it is.

    Raises NotAllowedNow unless the study is a draft output rating that imports its items, and ServiceError if an arm is
    not bound, if outputs are missing or left out, or if the study has other texts; nothing is written then.
    """
    study_takes_personas(study, Study.Kind.OUTPUT_RATING)
    arms = _bound_arms(study)
    units, unusable = _units(wanted, arms)
    if unusable and not wanted.allow_missing:
        raise ServiceError(
            f"{len(unusable)} of {len(units) + len(unusable)} pairs lack an output that can be shown, of some arm's "
            f"system: {named_rows(unusable)}. Make them (generate), or give --allow-missing to leave these pairs out."
        )
    units = _drawn(units, wanted)
    if not units:
        raise ServiceError(f"No pair of {wanted.dataset}/{wanted.split} has an output of every arm's system.")
    pairs = _pairs(units, wanted, profile_of(wanted.profile or wanted.dataset))
    _check(study, units, pairs)
    added = study_personas_add(
        study=study,
        pairs=pairs,
        stage="add_outputs_to_rate",
        arguments={**wanted.stored(), "study": str(study), "left_out": len(unusable)},
        sha256s=[split_digest(unit.pair.sha256 for unit in units)],
        seed=wanted.seed,
        user=user,
    )
    run, stored = _store(study, wanted, units, arms, user)
    outputs = len(units) * len(arms)
    return RateReport(added, run, stored, outputs - stored, len(unusable))


def _bound_arms(study: Study) -> dict[Arm, System]:
    bindings = (
        ArmBinding.objects.filter(arm__study=study).select_related("system", "arm__study").order_by("arm__ordinal")
    )
    arms = {binding.arm: binding.system for binding in bindings}
    if unbound := [arm.code for arm in study.arms.all() if arm not in arms]:
        raise ServiceError(f"{', '.join(unbound)} of {study} have no system yet; see bind_arms.")
    return arms


def _units(wanted: RateOptions, arms: Mapping[Arm, System]) -> tuple[list[_RatedPair], list[int]]:
    """Return the pairs that every arm has a usable output for, and the rows of those that some arm has none for."""
    (split,) = splits_of(wanted.dataset, [wanted.split])
    profile = profile_of(wanted.profile or wanted.dataset)
    given = source_texts(wanted.dataset, split, wanted.persona, profile=profile, origin=wanted.origin)
    stored = PairOutput.objects.filter(
        pair__dataset=wanted.dataset, pair__split=split, system__in=set(arms.values()),
        source__in=[wanted.persona, PersonaSource.NONE], excluded_reason="",
    ).exclude(text="")  # fmt: skip
    by_key = {
        (output.system_id, output.pair_id, output.source, output.persona_key): output
        for output in stored.select_related("generation__shared_prompt")
    }
    units, unusable = [], []
    for pair in PreferencePair.objects.filter(dataset=wanted.dataset, split=split).order_by("row", "pk"):
        persona = given.texts.get(pair.pk, "")
        outputs = {arm.pk: _usable(by_key, system, pair, wanted.persona, persona) for arm, system in arms.items()}
        found = {arm: output for arm, output in outputs.items() if output}
        if persona and len(found) == len(arms):
            units.append(_RatedPair(pair, persona, found))
        else:
            unusable.append(pair.row)
    return units, unusable


def _usable(
    by_key: Mapping[tuple[int, int, str, str], PairOutput],
    system: System,
    pair: PreferencePair,
    source: str,
    persona: str,
) -> PairOutput | None:
    output = by_key.get((system.pk, pair.pk, source, persona_key(persona)))
    if output is None and system.persona_style == PersonaStyle.NONE:
        return by_key.get((system.pk, pair.pk, PersonaSource.NONE, ""))
    return output


def _drawn(units: Sequence[_RatedPair], wanted: RateOptions) -> list[_RatedPair]:
    names = balanced_draw([(wanted.dataset, unit.pair.key) for unit in units], limit=wanted.limit, seed=wanted.seed)
    return [unit for unit in units if (wanted.dataset, unit.pair.key) in names]


def _pairs(units: Sequence[_RatedPair], wanted: RateOptions, profile: DatasetProfile) -> list[Pair]:
    system = inferring_system(wanted.dataset, wanted.origin.inferring)
    source = PersonaSource(wanted.persona)
    direction, kind = (GOLD[source], "gold") if source in GOLD else (RETRIEVED[source], "retrieved")
    return [
        Pair(
            unit.pair.key, unit.pair.prompt.strip(), unit.pair.chosen.strip(), unit.pair.rejected.strip(),
            wanted.dataset, [PersonaRow(str(unit.pair), unit.persona, direction, kind, system.name)],
            answer_start(profile, unit.pair),
        )
        for unit in units
    ]  # fmt: skip


def _check(study: Study, units: Sequence[_RatedPair], pairs: Sequence[Pair]) -> None:
    """Raise ServiceError if the study has another persona for a pair, or another output for a persona."""
    problems = study_personas_conflicts(study, pairs)
    wanted = {(unit.pair.key, unit.persona, arm): output.text for unit in units for arm, output in unit.outputs.items()}
    ready = Output.objects.filter(arm__study=study, state=Output.State.READY)
    rows = ready.values_list("persona__item__key", "persona__text", "arm", "text", "arm__ordinal")
    problems += [
        f"Item {key} has another output for arm {ordinal} in the study already."
        for key, persona, arm, text, ordinal in rows
        if wanted.get((key, persona, arm), text) != text
    ]
    if problems:
        raise ServiceError("\n".join(["Nothing was brought:", *problems]))


def _store(
    study: Study, wanted: RateOptions, units: Sequence[_RatedPair], arms: Mapping[Arm, System], user: User | None
) -> tuple[Run, int]:
    personas = {
        (persona.item.key, persona.text): persona
        for persona in Persona.objects.filter(item__study=study, source=Persona.Source.GIVEN).select_related("item")
    }
    stored = 0
    with recorded_run(
        stage="add_outputs_to_rate", study=study, arguments={**wanted.stored(), "study": str(study)},
        total=len(units) * len(arms), renewed=False, leaves=NOTHING,
    ) as execution:  # fmt: skip
        run = execution.run
        with transaction.atomic():
            for unit in units:
                persona = personas[unit.pair.key, unit.persona]
                for arm, system in arms.items():
                    stored += _bring(persona, arm, system, unit.outputs[arm.pk], run)
            audit_log(user=user, action="outputs_imported", study=study, run=run.key, outputs=stored)
        execution.advance(stored)
    return run, stored


def _bring(persona: Persona, arm: Arm, system: System, made: PairOutput, run: Run) -> bool:
    """Store an output with how it was made; False if exactly this one was there."""
    output = output_import(persona=persona, arm=arm, text=made.text)
    if output is None:
        return False
    how = made.generation
    Generation.objects.update_or_create(
        output=output,
        defaults={
            "run": run,
            "system": system,
            "rendered_prompt": how.rendered_prompt if how else "",
            "shared_prompt": how.shared_prompt if how else None,
            "shared_at": how.shared_at if how else 0,
            "finish_reason": how.finish_reason if how else "unknown",
            "prompt_tokens": how.prompt_tokens if how else None,
            "completion_tokens": how.completion_tokens if how else None,
            "seconds": how.seconds if how else None,
            "steps": how.steps if how else [],
        },
    )
    return True


def _run(wanted: RateOptions, reporting: Reporting) -> None:
    report = add_outputs_to_rate(study=study_from_reference(wanted.study), wanted=wanted)
    reporting.say(
        f"Run {report.run.key}: {report.study.pairs} pairs, {report.study.added} personas and {report.outputs} "
        f"outputs added, {report.unchanged} outputs were there already."
    )
    if report.left_out:
        reporting.say(f"{report.left_out} pairs were left out: an arm has no output that can be shown.")


STAGE = Stage(
    name="add_outputs_to_rate",
    summary="Bring prompts, personas and the stored outputs of the arms' systems into a draft output rating.",
    unit="outputs",
    parameters=RateOptions,
    run=_run,
    leaves=NOTHING,
)
