"""Let systems answer the prompts of stored pairs, each with the personas of any sources.

Decoding, stop rule and the sources are those of Balepur et al., "Whose Boat Does it Float?" (ACL 2025).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

from django.db.models import QuerySet
from pydantic import Field

from annotation.errors import ServiceError
from modelhub.engines import IMPORTED
from modelhub.engines.base import GenerationRequest
from modelhub.models import Generation, PairOutput, PersonaSource, PreferencePair, Run, System
from modelhub.profiles import DatasetProfile
from modelhub.prompting.endings import NEXT_PROMPT, whole_answer
from modelhub.prompting.layouts import template_version
from modelhub.queries.datasets import splits_of, system_named
from modelhub.queries.persona_sources import Origin, SourceTexts, named_rows, persona_key, source_texts
from modelhub.queries.portions import portions
from modelhub.runs.engine_stage import Task
from modelhub.runs.parameters import BatchOptions, Option
from modelhub.runs.rows import engine_stage, run_engine_stages
from modelhub.runs.stage import Reporting
from modelhub.stages.shared.parameters import Names, OfOrigin, OfSplit
from modelhub.stages.shared.persona_links import outputs_link
from modelhub.stages.shared.profiles import profile_of
from modelhub.systems.requests import generation_request

# Greedy, and the answer ends where the model begins to write the next prompt itself.
DECODING = {"max_new_tokens": 512, "min_new_tokens": 10, "temperature": 0.0, "stop": list(NEXT_PROMPT)}
_UNIT = "outputs"


class GenerateOptions(OfOrigin, OfSplit, BatchOptions):
    """What `generate` can be told."""

    persona: Annotated[tuple[PersonaSource, ...], Option(metavar="SOURCE")] = Field(
        description=f"where personas come from: {', '.join(PersonaSource.values)}"
    )
    system: Names = Field(description="what answers, one by one")


@dataclass(frozen=True)
class Generate:
    """An `EngineStage`: one row per pair and source, of one system.

    The model is given the pair's prompt exactly as it is stored, as in training: nothing is cleaned on either side.
    Only a profile's answer start is added, at the end. Pairs without a persona of a source are left out of it.
    """

    dataset: str
    split: str
    system: System
    profile: DatasetProfile
    sources: Sequence[str]
    origin: Origin = field(default_factory=Origin)
    name: str = "generate"
    defaults: dict[str, Any] = field(default_factory=lambda: dict(DECODING))

    @property
    def subject(self) -> str:
        return f"{self.dataset} by {self.system.name}"

    @property
    def selection(self) -> str:
        # The names as given: another persona is another row, so two runs never collide over them.
        origin = [f"{name} {value}" for name, value in vars(self.origin).items() if value not in ("", 1)]
        return " ".join([self.split, "+".join(self.sources), *origin])

    @property
    def conditions(self) -> dict[str, Any]:
        # What a persona is belongs to the key of its row, and exemplars to the system.
        return {
            "template": template_version(self.system.persona_style),
            "answer_start": self.profile.answer_start_rule,
        }

    def tasks(self) -> Iterator[Task]:
        for source in self.sources:
            for pairs in portions(_pairs(self.dataset, self.split)):
                given = self.given(source, pairs)
                for pair in pairs:
                    if pair.pk in given.texts:
                        persona = given.texts[pair.pk]
                        yield Task(_key(pair, source, persona), (pair, source, persona, given.inferred.get(pair.pk)))

    def stored(self, tasks: Sequence[Task]) -> set[str]:
        found = PairOutput.objects.filter(system=self.system, pair__in={task.row[0].pk for task in tasks})
        known = set(found.order_by().values_list("pair_id", "source", "persona_key"))
        rows = ((task.key, *task.row[:3]) for task in tasks)
        return {key for key, pair, source, persona in rows if (pair.pk, source, persona_key(persona)) in known}

    def request(self, task: Task) -> GenerationRequest:
        pair, _, persona, _ = task.row
        start = self.profile.answer_start(pair.prompt)
        return generation_request(self.system, prompt=pair.prompt, persona=persona, answer_start=start)

    def store(self, *, run: Run, made: Sequence[tuple[Task, Generation]]) -> None:
        outputs = PairOutput.objects.bulk_create([self._output(run, task, generation) for task, generation in made])
        through = PairOutput.inferred_personas.through
        inferred = [(output.pk, task.row[3]) for output, (task, _) in zip(outputs, made, strict=True)]
        through.objects.bulk_create([
            through(pairoutput_id=output, inferredpersona_id=persona) for output, persona in inferred if persona
        ])  # fmt: skip

    def _output(self, run: Run, task: Task, generation: Generation) -> PairOutput:
        pair, source, persona, _ = task.row
        return PairOutput(
            system=self.system,
            pair=pair,
            source=source,
            persona=persona,
            persona_key=persona_key(persona),
            text=whole_answer(self.profile.answer_start(pair.prompt), generation.text),
            generation=generation,
            run=run,
        )

    def given(self, source: str, pairs: Sequence[PreferencePair]) -> SourceTexts:
        """Return what a source gives some pairs of the split."""
        return source_texts(
            self.dataset, self.split, source, profile=self.profile, origin=self.origin, pairs=pairs
        )  # fmt: skip

    def link(self) -> None:
        """Link outputs that are there already: another system may have inferred the same persona."""
        outputs = PairOutput.objects.filter(system=self.system)
        if not outputs.filter(pair__dataset=self.dataset, pair__split=self.split).exists():
            return
        for source in self.sources:
            for pairs in portions(_pairs(self.dataset, self.split)):
                outputs_link(outputs.filter(pair__in=pairs), self.given(source, pairs))


def _pairs(dataset: str, split: str) -> QuerySet[PreferencePair]:
    return PreferencePair.objects.filter(dataset=dataset, split=split).order_by("row", "pk")


def generate(
    *, dataset: str, split: str, systems: Sequence[str], sources: Sequence[str], origin: Origin, profile: str = ""
) -> list[Generate]:
    """Return one stage for each system, those on the same model next to each other.

    Raises ServiceError for names that are not known and systems that cannot answer.
    """
    (known_split,) = splits_of(dataset, [split])
    chosen_profile = profile_of(profile or dataset)
    answering = [system_named(name) for name in dict.fromkeys(systems)]
    if imported := [system.name for system in answering if system.engine == IMPORTED]:
        raise ServiceError(f"{', '.join(imported)}: imported texts only, which answer nothing. Register the models.")
    following = [system.name for system in answering if system.procedure]
    if following and PersonaSource.NONE in sources:
        raise ServiceError(
            f"{', '.join(following)}: their procedures start from a persona. Leave out --persona {PersonaSource.NONE}, "
            "or let systems without a procedure answer it."
        )
    models = list(dict.fromkeys((system.engine, system.model) for system in answering))
    answering.sort(key=lambda system: models.index((system.engine, system.model)))
    chosen = list(dict.fromkeys(sources))
    return [Generate(dataset, known_split, system, chosen_profile, chosen, origin) for system in answering]


def _key(pair: PreferencePair, source: str, persona: str) -> str:
    return "/".join([pair.dataset, pair.split, pair.key, source, *([persona_key(persona)] if persona else [])])


def _stages(wanted: GenerateOptions, reporting: Reporting) -> list[Generate]:
    stages = generate(
        dataset=wanted.dataset,
        split=wanted.split,
        systems=wanted.system,
        sources=[source.value for source in wanted.persona],
        origin=wanted.origin,
        profile=wanted.profile,
    )
    for source in stages[0].sources:
        pairs, missing = _without_persona(stages[0], source)
        if missing:
            reporting.say(
                f"{len(missing)} of {pairs} pairs have no persona of {source} and get no output: {named_rows(missing)}."
            )
    return stages


def _without_persona(stage: Generate, source: str) -> tuple[int, list[int]]:
    """Return how many pairs there are, and the rows of those that the source gives no persona.

    Raises ServiceError if it gives none at all, which is a mistake in the names.
    """
    count, missing = 0, []
    for pairs in portions(_pairs(stage.dataset, stage.split)):
        count += len(pairs)
        missing += [pair.row for pair in stage.given(source, pairs).missing]
    if len(missing) == count:
        raise ServiceError(f"No pair of {stage.dataset}/{stage.split} has a persona of {source}.")
    return count, missing


def _run(wanted: GenerateOptions, reporting: Reporting) -> None:
    stages = _stages(wanted, reporting)
    for one in stages:
        one.link()
    run_engine_stages(stages, wanted, reporting, unit=_UNIT)


STAGE = replace(
    engine_stage(
        name=Generate.name,
        summary="Let registered systems answer the prompts of a stored split, with personas of any sources or none.",
        unit=_UNIT,
        parameters=GenerateOptions,
        stages=_stages,
    ),
    run=_run,
)
