"""The first steps: import the pairs, register what infers and judges, infer and check personas, retrieve them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from annotation.errors import ServiceError
from modelhub.engines import IMPORTED
from modelhub.files.problems import refusal
from modelhub.files.records import RecordError, file_sha256
from modelhub.files.sources import read_sources
from modelhub.models import Direction, InferredPersona, PersonaCheck, PreferencePair, Run, System
from modelhub.pipeline.config import Pipeline, SystemSettings
from modelhub.pipeline.steps import Desk, EngineStep, Left
from modelhub.profiles import SHOTS
from modelhub.prompting.persona_judging import ACCURACY_RUBRIC
from modelhub.queries.datasets import inferring_system, splits_of, system_named
from modelhub.queries.personas import retrievers_of
from modelhub.retrieval.checkpoint import find_checkpoint
from modelhub.retrieval.ready import Preparation
from modelhub.retrieval.rows import groups_of
from modelhub.runs.rows import BatchOptions, EngineStage
from modelhub.stages.import_preferences import PreferenceImport, import_preferences
from modelhub.stages.infer_personas import infer_personas
from modelhub.stages.judge_personas import CheckPersonas
from modelhub.stages.profiles import profile_of
from modelhub.stages.retrieve_personas import RetrievePersonas, all_left, retrieve_personas
from modelhub.systems.registering import is_registered, system_register

TRAINING_SPLITS = ("sft_train", "sft_val", "dpo_train", "dpo_val")


@dataclass(frozen=True)
class ImportPairs:
    """Reads the files, unless an earlier run has read exactly them."""

    pipeline: Pipeline
    name: str = "import the preference pairs"
    unit: str = "pairs"

    def left(self) -> Left:
        stored = PreferencePair.objects.filter(dataset=self.pipeline.dataset).count()
        try:
            sources = read_sources(self.pipeline.files)
        except RecordError as error:
            raise ServiceError(refusal(error.problems)) from error
        missing = [name for name in self._needed() if name not in sources.splits]
        if missing:
            raise ServiceError(f"{', '.join(self.pipeline.files)}: there is no split {', '.join(missing)}.")
        now = sorted(file_sha256(file) for file in sources.files), sources.downloads
        runs = Run.objects.filter(
            stage="import_preferences", state=Run.State.FINISHED, arguments__dataset=self.pipeline.dataset
        )
        read = [(sorted(one["sha256"] for one in run.inputs), run.arguments["downloads"]) for run in runs]
        return Left(0 if now in read else sum(map(len, sources.splits.values())), stored)

    def run(self, desk: Desk) -> None:
        wanted = PreferenceImport(sources=self.pipeline.files, dataset=self.pipeline.dataset)
        report = import_preferences(wanted, on_start=desk.start, on_rows=desk.advance)
        desk.say(f"Run {report.run.key}: {sum(split.new for split in report.splits)} pairs imported.")

    def _needed(self) -> Sequence[str]:
        return (*TRAINING_SPLITS, self.pipeline.generation.split)


@dataclass(frozen=True)
class RegisterSystems:
    """Registers the systems that the file describes in full; the same registration again changes nothing."""

    pipeline: Pipeline
    name: str = "register what infers and judges"
    unit: str = "systems"

    def left(self) -> Left:
        described = self._described()
        there = [one for one in described if is_registered(**_settings(one))]
        for one in [self.pipeline.inferring, self.pipeline.judge]:
            if one is not None and not one.engine:
                system_named(one.name)
        return Left(len(described) - len(there), len(there))

    def run(self, desk: Desk) -> None:
        for one in self._described():
            system = system_register(**_settings(one))
            desk.say(f"{system.name}: fingerprint {system.fingerprint[:12]}…")

    def _described(self) -> list[SystemSettings]:
        return [one for one in (self.pipeline.inferring, self.pipeline.judge) if one is not None and one.engine]


def _settings(described: SystemSettings) -> dict[str, Any]:
    return {
        "name": described.name, "engine": described.engine, "model": described.model, "endpoint": described.endpoint,
        "persona_style": System.PersonaStyle.NONE, "decoding": described.decoding, "options": described.options,
    }  # fmt: skip


def infer_step(pipeline: Pipeline) -> EngineStep:
    """Return the step that infers both personas of every pair; those of an imported system are there already."""
    splits = [*TRAINING_SPLITS, pipeline.generation.split]
    made = InferredPersona.objects.filter(
        system__name=pipeline.inferring.name, pair__dataset=pipeline.dataset, pair__split__in=splits
    )

    def stages() -> list[EngineStage]:
        if system_named(pipeline.inferring.name).engine == IMPORTED:
            return []
        return [
            infer_personas(
                dataset=pipeline.dataset, splits=splits, system=pipeline.inferring.name, profile=pipeline.profile,
                directions=Direction.values, shots=SHOTS,
            )
        ]  # fmt: skip

    return EngineStep("infer personas", "personas", stages, made.count)


def check_step(pipeline: Pipeline, judge: str, splits: Sequence[str]) -> EngineStep:
    """Return the step in which the judge says which response the user of each persona would choose."""
    made = PersonaCheck.objects.filter(
        judge__name=judge, rubric=ACCURACY_RUBRIC, persona__system__name=pipeline.inferring.name,
        persona__pair__dataset=pipeline.dataset, persona__pair__split__in=splits,
    )  # fmt: skip

    def stages() -> list[CheckPersonas]:
        return [
            CheckPersonas(
                dataset=pipeline.dataset, splits=splits_of(pipeline.dataset, splits),
                inferring=inferring_system(pipeline.dataset, pipeline.inferring.name), system=system_named(judge),
                profile=profile_of(pipeline.profile or pipeline.dataset),
            )
        ]  # fmt: skip

    return EngineStep("check personas", "verdicts", stages, made.count)


@dataclass(frozen=True)
class Retrieve:
    """Finds, for every test pair, the training pair with the nearest prompt; imported ones serve as well."""

    pipeline: Pipeline
    name: str = "retrieve personas"
    unit: str = "pairs"

    def left(self) -> Left:
        split = self.pipeline.generation.split
        total = PreferencePair.objects.filter(dataset=self.pipeline.dataset, split=split).count()
        if self.pipeline.retrieval is None:
            if not retrievers_of(self.pipeline.dataset, [split]):
                raise ServiceError(
                    "Retrieved personas are wanted, and the pairs bring none: name a checkpoint under [retrieval]."
                )
            return Left(0, total)
        left = sum(len(pairs) for _, pairs in all_left(self._stage(Desk()), BatchOptions()))
        return Left(left, total - left)

    def run(self, desk: Desk) -> None:
        report = retrieve_personas(self._stage(desk), desk.options, on_start=desk.start, on_rows=desk.advance)
        desk.say(f"Run {report.run.key}: personas retrieved for {report.done} pairs.")

    def _stage(self, desk: Desk) -> RetrievePersonas:
        assert self.pipeline.retrieval is not None
        system = inferring_system(self.pipeline.dataset, self.pipeline.inferring.name)
        groups = groups_of(self.pipeline.dataset, [self.pipeline.generation.split], system)
        files = find_checkpoint(self.pipeline.retrieval.checkpoint)
        return RetrievePersonas(Preparation(self.pipeline.dataset, files, say=desk.say), groups, system)


def retriever_name(pipeline: Pipeline) -> str:
    """Return what the rows that this pipeline retrieved say; empty where they were imported or none is wanted."""
    return find_checkpoint(pipeline.retrieval.checkpoint).retriever if pipeline.retrieval else ""
