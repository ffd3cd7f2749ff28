"""The later steps: train both arms, let them answer, leave out what loops, judge, and draft the study."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import Max, QuerySet

from annotation.errors import ServiceError
from annotation.models import Output, Study, User
from annotation.services.studies import study_save
from annotation.studyfile import read_study_file
from modelhub.models import Judgement, PairOutput, PersonaSource, Run, System
from modelhub.pipeline.config import PLAIN, TAILORED, Judging, Pipeline, StudyPart
from modelhub.pipeline.personas import retriever_name
from modelhub.pipeline.steps import Desk, EngineStep, Left
from modelhub.prompting.output_judging import METRICS, RUBRICS
from modelhub.queries.persona_sources import Origin
from modelhub.stages.filter_outputs import FilterWanted, filter_outputs
from modelhub.stages.generate import Generate, generate
from modelhub.stages.judge import Judge, judge
from modelhub.stages.rate_outputs import RateWanted, add_outputs_to_rate
from modelhub.stages.train import (
    TrainingRequest,
    run_training_stage,
    trained_settings,
    trained_system_register,
    training_plan,
)
from modelhub.systems.registering import arms_bind, is_registered, present_fingerprint
from modelhub.training.job import DPO, SFT
from modelhub.training.manifest import MANIFEST
from modelhub.training.trainer import EVALUATION, LogEntry

ARMS = {"1": PLAIN, "2": TAILORED}


def model_folder(pipeline: Pipeline, kind: str, arm: str) -> Path:
    """Return where an arm's adapter is kept."""
    return Path(settings.VAR_DIR) / "models" / f"{pipeline.name}-{kind}-{arm}"


@dataclass(frozen=True)
class Train:
    """One training of one arm; what its folder holds is compared with what is asked for now."""

    pipeline: Pipeline
    kind: str
    arm: str
    unit: str = "models"

    @property
    def name(self) -> str:
        return f"train the {self.arm} arm by {self.kind.upper()}"

    def left(self) -> Left:
        if not (model_folder(self.pipeline, self.kind, self.arm) / MANIFEST).is_file():
            return Left(1, 0)
        # Reads the texts again, and refuses a folder that was trained on others, or otherwise.
        return Left(0, 1) if training_plan(self._request()).finished else Left(1, 0)

    def run(self, desk: Desk) -> None:
        plan = training_plan(self._request())
        if plan.left_out:
            desk.say(f"{len(plan.left_out)} rows have no persona or response, and are left out: {plan.left_out[0]} …")
        last = 0

        def started(total: int, done: int) -> None:
            nonlocal last
            last = done
            desk.start(total)
            desk.advance(done)

        def logged(entry: LogEntry) -> None:
            nonlocal last
            desk.advance(max(0, entry.step - last))
            last = max(last, entry.step)
            if entry.kind == EVALUATION:
                desk.say(f"Epoch {entry.epoch:g}: validation loss {entry.values.get('eval_loss')}.")

        report = run_training_stage(
            plan, lease_seconds=desk.options.lease_seconds, on_start=started, on_log=logged
        )  # fmt: skip
        if report.run is not None and report.result is not None:
            desk.say(f"Run {report.run.key}: {report.result.steps} steps, in {report.result.out}.")

    def _request(self) -> TrainingRequest:
        training = self.pipeline.training
        return TrainingRequest(
            kind=self.kind,
            dataset=self.pipeline.dataset,
            train_split=f"{self.kind}_train",
            validation_split=f"{self.kind}_val",
            base=training.base,
            out=model_folder(self.pipeline, self.kind, self.arm),
            recipe=self.pipeline.recipe(),
            personas=training.personas if self.arm == TAILORED else "none",
            system=self.pipeline.inferring.name if self.arm == TAILORED else "",
            seed=training.seed,
            allow_missing=True,
            sft=model_folder(self.pipeline, SFT, self.arm) if self.kind == DPO else None,
        )


@dataclass(frozen=True)
class RegisterTrained:
    """Registers both arms' models as systems."""

    pipeline: Pipeline
    name: str = "register the trained systems"
    unit: str = "systems"

    def left(self) -> Left:
        there = list(System.objects.filter(name__in=self.pipeline.system_names.values()))
        for system in there:
            if present_fingerprint(system) != system.fingerprint:
                raise ServiceError(f"The files of system {system.name!r} have changed since it was registered.")
        left = sum(not self._is_registered(arm) for arm in self.pipeline.system_names)
        return Left(left, len(ARMS) - left)

    def run(self, desk: Desk) -> None:
        for arm in self.pipeline.system_names:
            system = trained_system_register(out=self._folder(arm), **self._settings(arm))
            desk.say(f"{system.name}: fingerprint {system.fingerprint[:12]}…")

    def _is_registered(self, arm: str) -> bool:
        """Return whether the arm's model is registered with the settings that the file gives now."""
        folder, settings = self._folder(arm), self._settings(arm)
        known = (folder / MANIFEST).is_file() and System.objects.filter(name=settings["name"]).exists()
        return known and is_registered(**settings, **trained_settings(folder))

    def _folder(self, arm: str) -> Path:
        return model_folder(self.pipeline, DPO, arm)

    def _settings(self, arm: str) -> dict[str, Any]:
        how = self.pipeline.generation
        return {
            "name": self.pipeline.system_names[arm], "engine": how.engine, "decoding": how.decoding,
            "options": how.options,
        }  # fmt: skip


def generate_step(pipeline: Pipeline) -> EngineStep:
    """Return the step in which both arms answer for all sources, and the plain one without personas if wanted."""
    how, names = pipeline.generation, pipeline.system_names
    sources = [str(source) for source in how.sources]
    wanted: list[tuple[list[str], list[str]]] = [(list(names.values()), sources)]
    if how.generic:
        wanted.append(([names[PLAIN]], [str(PersonaSource.NONE)]))

    def stages() -> list[Generate]:
        return [
            stage
            for systems, given in wanted
            for stage in generate(
                dataset=pipeline.dataset, split=how.split, systems=systems, sources=given, origin=origin_of(pipeline),
                profile=pipeline.profile,
            )
        ]  # fmt: skip

    return EngineStep("generate outputs", "outputs", stages, lambda: _outputs(pipeline).count())


def origin_of(pipeline: Pipeline) -> Origin:
    """Return whose personas are meant, and by what they were retrieved."""
    return Origin(inferring=pipeline.inferring.name, retriever=retriever_name(pipeline))


def _outputs(pipeline: Pipeline, sources: Sequence[str] = ()) -> QuerySet[PairOutput]:
    made = PairOutput.objects.filter(
        pair__dataset=pipeline.dataset, pair__split=pipeline.generation.split,
        system__name__in=pipeline.system_names.values(),
    )  # fmt: skip
    return made.filter(source__in=sources) if sources else made


@dataclass(frozen=True)
class FilterLoops:
    """Marks the pairs in which an arm loops, source by source, again whenever there are new outputs."""

    pipeline: Pipeline
    name: str = "leave out answers that loop"
    unit: str = "sources"

    def left(self) -> Left:
        wanted = self._wanted()
        left = sum(not self._is_done(one) for one in wanted)
        return Left(left, len(wanted) - left)

    def run(self, desk: Desk) -> None:
        for one in self._wanted():
            if not self._is_done(one):
                report = filter_outputs(one)
                desk.say(f"Run {report.run.key}: {one.sources[0]}, {report.excluded} of {report.pairs} pairs left out.")

    def _wanted(self) -> list[FilterWanted]:
        how, names = self.pipeline.generation, self.pipeline.system_names
        compared = [(tuple(names.values()), source) for source in how.sources]
        if how.generic:
            compared.append(((names[PLAIN],), PersonaSource.NONE))
        return [
            FilterWanted(
                dataset=self.pipeline.dataset, split=how.split, systems=systems, sources=(str(source),),
                share=how.loop_share,
            )
            for systems, source in compared
        ]  # fmt: skip

    def _is_done(self, wanted: FilterWanted) -> bool:
        newest = _outputs(self.pipeline, wanted.sources).aggregate(at=Max("created_at"))["at"]
        runs = Run.objects.filter(
            stage="filter_outputs", state=Run.State.FINISHED, arguments__action="mark",
            arguments__dataset=wanted.dataset, arguments__split=wanted.split, arguments__share=wanted.share,
            arguments__systems=list(wanted.systems), arguments__sources=list(wanted.sources),
        )  # fmt: skip
        return newest is not None and runs.filter(started_at__gte=newest).exists()


def judge_step(pipeline: Pipeline, judging: Judging) -> EngineStep:
    """Return the step in which the judge compares both arms, for every source, in quality and personalization.

    With answers of the plain arm without personas, both arms are compared with these too: where they win,
    personalization made things worse.
    """
    names = pipeline.system_names
    matched = [(TAILORED, "")]
    if pipeline.generation.generic:
        matched += [(arm, str(PersonaSource.NONE)) for arm in (PLAIN, TAILORED)]
    made = Judgement.objects.filter(
        base__system__name=names[PLAIN], test__system__name__in=[names[arm] for arm, _ in matched],
        judge__name=judging.name, rubric=RUBRICS[judging.format], test__pair__dataset=pipeline.dataset,
        test__pair__split=pipeline.generation.split,
    )  # fmt: skip

    def stages() -> list[Judge]:
        return [
            judge(
                dataset=pipeline.dataset, split=pipeline.generation.split, base=names[PLAIN], base_source=base_source,
                test=names[arm], source=str(source), judge=judging.name, metrics=METRICS, format=judging.format,
                origin=origin_of(pipeline), profile=pipeline.profile,
            )
            for arm, base_source in matched
            for source in pipeline.generation.sources
        ]  # fmt: skip

    return EngineStep("judge outputs", "verdicts", stages, made.count)


@dataclass(frozen=True)
class DraftStudy:
    """Loads the study file, binds the arms and brings the outputs; a study that has been opened stays as it is."""

    pipeline: Pipeline
    part: StudyPart
    owner: User
    name: str = "draft the study"
    unit: str = "studies"

    def left(self) -> Left:
        slug = read_study_file(Path(self.part.file)).slug
        study = Study.objects.filter(slug=slug).order_by("-version").first()
        if study is None:
            return Left(1, 0)
        is_filled = Output.objects.filter(arm__study=study, state=Output.State.READY).exists()
        return Left(0, 1) if is_filled or study.state != Study.State.DRAFT else Left(1, 0)

    def run(self, desk: Desk) -> None:
        study = study_save(definition=read_study_file(Path(self.part.file)), owner=self.owner)
        names = self.pipeline.system_names
        arms_bind(study=study, bindings={number: names[arm] for number, arm in ARMS.items()}, user=self.owner)
        wanted = RateWanted(
            dataset=self.pipeline.dataset, split=self.pipeline.generation.split, source=str(self.part.source),
            origin=origin_of(self.pipeline), profile=self.pipeline.profile, allow_missing=True, limit=self.part.limit,
            seed=self.part.seed,
        )  # fmt: skip
        report = add_outputs_to_rate(study=study, wanted=wanted, user=self.owner)
        desk.say(
            f"Run {report.run.key}: {study} is a draft of {report.study.pairs} items with {report.outputs} outputs; "
            f"{report.left_out} pairs have none that can be shown. Look at it, then: manage.py open_study {study.slug}"
        )
