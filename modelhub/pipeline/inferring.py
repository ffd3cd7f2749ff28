"""The first steps: import the pairs, register what infers and judges, infer and check personas, retrieve them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from annotation.errors import ServiceError
from modelhub.engines import IMPORTED
from modelhub.files.sources import read_sources
from modelhub.models import InferredPersona, PersonaCheck, PreferencePair, RetrievedPersona, System
from modelhub.pipeline.config import TRAINING_SPLITS, Pipeline, SystemSettings
from modelhub.pipeline.steps import StageStep
from modelhub.prompting.layouts import PersonaStyle
from modelhub.prompting.persona_judging import ACCURACY_RUBRIC
from modelhub.queries.datasets import system_named
from modelhub.queries.personas import retrievers_of
from modelhub.retrieval.checkpoint import find_checkpoint
from modelhub.runs.stage import Remaining, Reporting
from modelhub.stages import check_personas, import_preferences, infer_personas, retrieve_personas
from modelhub.stages.import_preferences import PreferenceImport
from modelhub.stages.shared.persona_judging import PersonaJudgingOptions
from modelhub.systems.registering import is_registered, system_register
from modelhub.systems.trying import telling


@dataclass(frozen=True)
class ImportPairs(StageStep):
    """Reads the files, unless all that they hold is stored; they must have every split that later steps need."""

    needed: Sequence[str] = ()

    def remaining(self) -> Remaining:
        (wanted,) = self.parameters()
        assert isinstance(wanted, PreferenceImport)
        there = read_sources(wanted.sources).splits
        if missing := [name for name in self.needed if name not in there]:
            raise ServiceError(f"{', '.join(wanted.sources)}: there is no split {', '.join(missing)}.")
        return super().remaining()


def import_step(pipeline: Pipeline) -> StageStep:
    """Return the step that imports the preference pairs."""
    return ImportPairs(
        name="import the preference pairs",
        stage=import_preferences.STAGE,
        parameters=lambda: [pipeline.told(import_preferences.STAGE, sources=pipeline.files, dataset=pipeline.dataset)],
        needed=(*TRAINING_SPLITS, pipeline.generation.split),
    )


@dataclass(frozen=True)
class RegisterSystems:
    """Registers the systems that the file describes in full; the same registration again changes nothing."""

    pipeline: Pipeline
    name: str = "register what infers and judges"
    unit: str = "systems"

    def remaining(self) -> Remaining:
        described = self._described()
        there = [one for one in described if is_registered(**_settings(one))]
        for one in [self.pipeline.inferring, self.pipeline.judge]:
            if one is not None and not one.engine:
                system_named(one.name)
        return Remaining(len(described) - len(there), len(there))

    def run(self, reporting: Reporting) -> None:
        for one in self._described():
            system = system_register(**_settings(one), trying=telling(reporting.say))
            reporting.say(f"{system.name}: fingerprint {system.fingerprint[:12]}…")

    def _described(self) -> list[SystemSettings]:
        return [one for one in (self.pipeline.inferring, self.pipeline.judge) if one is not None and one.engine]


def _settings(described: SystemSettings) -> dict[str, Any]:
    return {
        "name": described.name, "engine": described.engine, "model": described.model, "endpoint": described.endpoint,
        "persona_style": PersonaStyle.NONE, "decoding": described.decoding, "options": described.options,
    }  # fmt: skip


def infer_step(pipeline: Pipeline) -> StageStep:
    """Return the step that infers both personas of every pair; those of an imported system are there already."""
    splits = (*TRAINING_SPLITS, pipeline.generation.split)
    name = pipeline.inferring.name
    made = InferredPersona.objects.filter(
        system__name=name, pair__dataset=pipeline.dataset, pair__split__in=splits
    )  # fmt: skip

    def parameters() -> list[infer_personas.InferPersonasOptions]:
        if System.objects.filter(name=name, engine=IMPORTED).exists():
            return []
        stage = infer_personas.STAGE
        return [
            pipeline.told(stage, dataset=pipeline.dataset, split=splits, system=name, profile=pipeline.profile)
        ]  # fmt: skip

    return StageStep("infer personas", infer_personas.STAGE, parameters, made.count)


def check_step(pipeline: Pipeline, judge: str, splits: Sequence[str]) -> StageStep:
    """Return the step in which the judge says which response the user of each persona would choose."""
    made = PersonaCheck.objects.filter(
        judge__name=judge, rubric=ACCURACY_RUBRIC, persona__system__name=pipeline.inferring.name,
        persona__pair__dataset=pipeline.dataset, persona__pair__split__in=splits,
    )  # fmt: skip

    def parameters() -> list[PersonaJudgingOptions]:
        return [
            pipeline.told(
                check_personas.STAGE, dataset=pipeline.dataset, split=tuple(splits), judge=judge,
                system=pipeline.inferring.name, profile=pipeline.profile,
            )
        ]  # fmt: skip

    return StageStep("check personas", check_personas.STAGE, parameters, made.count)


def retrieve_step(pipeline: Pipeline) -> "StageStep | ImportedRetrieval":
    """Return the step that finds, for every test pair, the training pair with the nearest prompt."""
    retrieval = pipeline.retrieval
    if retrieval is None:
        return ImportedRetrieval(pipeline)
    split = pipeline.generation.split

    def parameters() -> list[retrieve_personas.RetrieveOptions]:
        return [
            pipeline.told(
                retrieve_personas.STAGE, dataset=pipeline.dataset, checkpoint=retrieval.checkpoint, split=(split,),
                system=pipeline.inferring.name,
            )
        ]  # fmt: skip

    made = RetrievedPersona.objects.filter(pair__dataset=pipeline.dataset, pair__split=split, rank=1)
    return StageStep("retrieve personas", retrieve_personas.STAGE, parameters, made.count)


@dataclass(frozen=True)
class ImportedRetrieval:
    """Stands in for retrieval where the pairs bring retrieved personas themselves."""

    pipeline: Pipeline
    name: str = "retrieve personas"
    unit: str = "pairs"

    def remaining(self) -> Remaining:
        split = self.pipeline.generation.split
        if not retrievers_of(self.pipeline.dataset, [split]):
            raise ServiceError(
                "Retrieved personas are wanted, and the pairs bring none: name a checkpoint under [retrieval]."
            )
        return Remaining(0, PreferencePair.objects.filter(dataset=self.pipeline.dataset, split=split).count())

    def run(self, reporting: Reporting) -> None:
        """Nothing is left to do."""


def retriever_name(pipeline: Pipeline) -> str:
    """Return what the rows that this pipeline retrieved say; empty where they were imported or none is wanted."""
    return find_checkpoint(pipeline.retrieval.checkpoint).retriever if pipeline.retrieval else ""
