"""The later steps: train both arms, let them answer, leave out what loops, judge, and draft the study."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import QuerySet

from annotation.errors import ServiceError
from annotation.models import Output, Study, User
from annotation.services.studies import study_save
from annotation.studyfile import read_study_file
from modelhub.engines.digests import MANIFEST
from modelhub.models import Judgement, PairOutput, PersonaSource, System
from modelhub.pipeline.config import PLAIN, TAILORED, Judging, Pipeline, Prompted, StudyPart
from modelhub.pipeline.inferring import retriever_name
from modelhub.pipeline.steps import StageStep
from modelhub.prompting.output_judging import RUBRICS
from modelhub.prompting.procedures import Procedure
from modelhub.queries.checks import ANY
from modelhub.queries.datasets import system_named
from modelhub.runs.stage import Remaining, Reporting, Stage
from modelhub.stages import add_outputs_to_rate, filter_outputs, generate, judge, train_dpo, train_sft
from modelhub.stages.filter_outputs import FilterOptions
from modelhub.stages.generate import GenerateOptions
from modelhub.stages.judge import JudgeOptions
from modelhub.stages.shared.training import trained_settings, trained_system_register
from modelhub.stages.train_dpo import DpoOptions
from modelhub.stages.train_sft import SftOptions
from modelhub.systems.exemplar_pools import FrozenPool, pool_read, pool_store
from modelhub.systems.procedures import procedure_described
from modelhub.systems.registering import arms_bind, is_registered, present_fingerprint, system_register
from modelhub.systems.trying import telling
from modelhub.training.job import DPO, SFT


def model_folder(pipeline: Pipeline, kind: str, arm: str) -> Path:
    """Return where what is trained for an arm is kept."""
    return Path(settings.VAR_DIR) / "models" / f"{pipeline.name}-{kind}-{arm}"


def train_step(pipeline: Pipeline, kind: str, arm: str) -> StageStep:
    """Return one training of one arm; what its folder holds is compared with what is asked for now."""
    training = pipeline.training
    common = {
        "dataset": pipeline.dataset,
        "out": str(model_folder(pipeline, kind, arm)),
        "base": training.base,
        "recipe": training.recipe,
        "config": training.recipe_file or None,
        "overrides": training.settings,
        "personas": training.personas if arm == TAILORED else "none",
        "persona_quality": training.persona_quality if arm == TAILORED else ANY,
        "system": pipeline.inferring.name if arm == TAILORED else "",
        "seed": training.seed,
        "allow_missing": True,
    }

    def parameters() -> list[SftOptions] | list[DpoOptions]:
        if kind == SFT:
            return [pipeline.told(train_sft.STAGE, **common)]
        return [pipeline.told(train_dpo.STAGE, **common, sft=str(model_folder(pipeline, SFT, arm)))]

    stage: Stage[Any] = train_sft.STAGE if kind == SFT else train_dpo.STAGE
    return StageStep(f"train the {arm} arm by {kind.upper()}", stage, parameters, counted="models")


@dataclass(frozen=True)
class RegisterTrained:
    """Registers both arms' models as systems."""

    pipeline: Pipeline
    name: str = "register the trained systems"
    unit: str = "systems"

    def remaining(self) -> Remaining:
        there = list(System.objects.filter(name__in=self.pipeline.system_names.values()))
        for system in there:
            if present_fingerprint(system) != system.fingerprint:
                raise ServiceError(f"The files of system {system.name!r} have changed since it was registered.")
        left = sum(not self._is_registered(arm) for arm in self.pipeline.system_names)
        return Remaining(left, len(self.pipeline.system_names) - left)

    def run(self, reporting: Reporting) -> None:
        for arm in self.pipeline.system_names:
            system = trained_system_register(
                out=self._folder(arm), **self._settings(arm), trying=telling(reporting.say)
            )
            reporting.say(f"{system.name}: fingerprint {system.fingerprint[:12]}…")

    def _is_registered(self, arm: str) -> bool:
        """Return whether the arm's model is registered with the settings that the file gives now."""
        folder, settings = self._folder(arm), self._settings(arm)
        known = (folder / MANIFEST).is_file() and System.objects.filter(name=settings["name"]).exists()
        return known and is_registered(**{**settings, **trained_settings(folder, settings["decoding"])})

    def _folder(self, arm: str) -> Path:
        return model_folder(self.pipeline, DPO, arm)

    def _settings(self, arm: str) -> dict[str, Any]:
        how = self.pipeline.generation
        return {
            "name": self.pipeline.system_names[arm], "engine": how.engine, "decoding": how.decoding,
            "options": how.options,
        }  # fmt: skip


@dataclass(frozen=True)
class RegisterPrompted:
    """Registers the systems that answer untrained, as far as the file describes them in full."""

    pipeline: Pipeline
    name: str = "register the prompted systems"
    unit: str = "systems"

    def remaining(self) -> Remaining:
        for one in self.pipeline.prompted:
            if not one.engine:
                system_named(one.name)
        described = [one for one in self.pipeline.prompted if one.engine]
        left = sum(not is_registered(**self._settings(one, self._pool(one))) for one in described)
        return Remaining(left, len(described) - left)

    def run(self, reporting: Reporting) -> None:
        for one in self.pipeline.prompted:
            if one.engine:
                pool = self._pool(one)
                if pool is not None:
                    pool_store(pool)
                system = system_register(**self._settings(one, pool), trying=telling(reporting.say))
                reporting.say(f"{system.name}: fingerprint {system.fingerprint[:12]}…")

    def _pool(self, one: Prompted) -> FrozenPool | None:
        if one.procedure != Procedure.RETRIEVED_EXEMPLARS:
            return None
        source = f"{self.pipeline.dataset}/{one.exemplars}"
        return pool_read(source=source, shots=one.shots, inferring=self.pipeline.inferring.name)

    def _settings(self, one: Prompted, pool: FrozenPool | None) -> dict[str, Any]:
        return {
            "name": one.name, "engine": one.engine, "model": one.model or self.pipeline.training.base,
            "endpoint": one.endpoint, "persona_style": one.persona_style, "decoding": one.decoding,
            "options": one.options, "procedure": procedure_described(one.procedure, pool=pool, shots=one.shots),
        }  # fmt: skip


def generate_step(pipeline: Pipeline) -> StageStep:
    """Return the step in which all systems answer for all sources, and the plain one without personas if wanted."""
    how, names = pipeline.generation, pipeline.system_names

    def parameters() -> list[GenerateOptions]:
        wanted: list[tuple[tuple[str, ...], tuple[PersonaSource, ...]]] = [(tuple(pipeline.answering), how.sources)]
        if how.generic:
            wanted.append(((names[PLAIN],), (PersonaSource.NONE,)))
        return [
            pipeline.told(
                generate.STAGE, dataset=pipeline.dataset, split=how.split, system=systems, persona=given,
                profile=pipeline.profile, **origin_of(pipeline),
            )
            for systems, given in wanted
        ]  # fmt: skip

    return StageStep("generate outputs", generate.STAGE, parameters, _outputs(pipeline).count)


def origin_of(pipeline: Pipeline) -> dict[str, str]:
    """Return whose personas are meant, and by what they were retrieved."""
    return {"inferring_system": pipeline.inferring.name, "retriever": retriever_name(pipeline)}


def _outputs(pipeline: Pipeline) -> QuerySet[PairOutput]:
    return PairOutput.objects.filter(
        pair__dataset=pipeline.dataset, pair__split=pipeline.generation.split,
        system__name__in=pipeline.answering,
    )  # fmt: skip


def filter_step(pipeline: Pipeline) -> StageStep:
    """Return the step that marks the pairs in which a system loops, in all of them alike, source by source."""
    how, names = pipeline.generation, pipeline.system_names

    def parameters() -> list[FilterOptions]:
        compared = [(tuple(pipeline.answering), source) for source in how.sources]
        if how.generic:
            compared.append(((names[PLAIN],), PersonaSource.NONE))
        return [
            pipeline.told(
                filter_outputs.STAGE, dataset=pipeline.dataset, split=how.split, system=systems,
                persona=(str(source),), share=how.loop_share,
            )
            for systems, source in compared
        ]  # fmt: skip

    return StageStep("leave out answers that loop", filter_outputs.STAGE, parameters)


def judge_step(pipeline: Pipeline, judging: Judging) -> StageStep:
    """Return the step in which the judge compares all systems with the plain arm, in quality and personalization.

    With answers of the plain arm without personas, all systems are compared with these too: where they win,
    personalization made things worse.
    """
    names = pipeline.system_names
    matched = [(name, "") for name in pipeline.answering if name != names[PLAIN]]
    if pipeline.generation.generic:
        matched += [(name, str(PersonaSource.NONE)) for name in pipeline.answering]
    made = Judgement.objects.filter(
        base__system__name=names[PLAIN], test__system__name__in=[name for name, _ in matched],
        judge__name=judging.name, rubric=RUBRICS[judging.format], test__pair__dataset=pipeline.dataset,
        test__pair__split=pipeline.generation.split,
    )  # fmt: skip

    def parameters() -> list[JudgeOptions]:
        return [
            pipeline.told(
                judge.STAGE, dataset=pipeline.dataset, split=pipeline.generation.split, base=names[PLAIN],
                base_persona=base_source, test=name, persona=str(source), judge=judging.name,
                rubric=judging.format, profile=pipeline.profile, **origin_of(pipeline),
            )
            for name, base_source in matched
            for source in pipeline.generation.sources
        ]  # fmt: skip

    return StageStep("judge outputs", judge.STAGE, parameters, made.count)


@dataclass(frozen=True)
class DraftStudy:
    """Loads the study file, binds the arms and brings the outputs; a study that has been opened stays as it is."""

    pipeline: Pipeline
    part: StudyPart
    owner: User
    name: str = "draft the study"
    unit: str = "studies"

    def remaining(self) -> Remaining:
        slug = read_study_file(Path(self.part.file)).slug
        study = Study.objects.filter(slug=slug).order_by("-version").first()
        if study is None:
            return Remaining(1, 0)
        is_filled = Output.objects.filter(arm__study=study, state=Output.State.READY).exists()
        return Remaining(0, 1) if is_filled or study.state != Study.State.DRAFT else Remaining(1)

    def run(self, reporting: Reporting) -> None:
        study = study_save(definition=read_study_file(Path(self.part.file)), owner=self.owner)
        bindings = {str(number): name for number, name in enumerate(self.pipeline.answering, start=1)}
        arms_bind(study=study, bindings=bindings, user=self.owner)
        wanted = self.pipeline.told(
            add_outputs_to_rate.STAGE, study=str(study), dataset=self.pipeline.dataset,
            split=self.pipeline.generation.split, persona=str(self.part.source), profile=self.pipeline.profile,
            allow_missing=True, limit=self.part.limit, seed=self.part.seed, **origin_of(self.pipeline),
        )  # fmt: skip
        report = add_outputs_to_rate.add_outputs_to_rate(study=study, wanted=wanted, user=self.owner)
        reporting.say(
            f"Run {report.run.key}: {study} is a draft of {report.study.pairs} items with {report.outputs} outputs; "
            f"{report.left_out} pairs have none that can be shown. Look at it, then: manage.py open_study {study.slug}"
        )
