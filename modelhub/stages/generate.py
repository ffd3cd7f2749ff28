"""Let systems answer the prompts of stored pairs, each with the personas of any sources.

Decoding, stop rule and the sources are those of Balepur et al., "Whose Boat Does it Float?" (ACL 2025).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

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
from modelhub.runs.parameters import BatchOptions, Option
from modelhub.runs.rows import Task, engine_stage, run_engine_stages
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
    sources: Sequence[SourceTexts]
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
        return " ".join([self.split, "+".join(one.source for one in self.sources), *origin])

    @property
    def conditions(self) -> dict[str, Any]:
        # What a persona is belongs to the key of its row, and exemplars to the system.
        return {
            "template": template_version(self.system.persona_style),
            "answer_start": self.profile.answer_start_template,
        }

    def tasks(self) -> Iterator[Task]:
        stored = PairOutput.objects.filter(system=self.system, pair__dataset=self.dataset, pair__split=self.split)
        known = set(stored.order_by().values_list("pair_id", "source", "persona_key"))
        pairs = list(PreferencePair.objects.filter(dataset=self.dataset, split=self.split).order_by("row", "pk"))
        for one in self.sources:
            for pair in pairs:
                if pair.pk not in one.texts:
                    continue
                persona = one.texts[pair.pk]
                if (pair.pk, one.source, persona_key(persona)) not in known:
                    yield Task(_key(pair, one.source, persona), (pair, one.source, persona))

    def request(self, task: Task) -> GenerationRequest:
        pair, _, persona = task.row
        start = self.profile.answer_start(pair.prompt)
        return generation_request(self.system, prompt=pair.prompt, persona=persona, answer_start=start)

    def store(self, *, run: Run, task: Task, generation: Generation) -> None:
        pair, source, persona = task.row
        output = PairOutput.objects.create(
            system=self.system,
            pair=pair,
            source=source,
            persona=persona,
            persona_key=persona_key(persona),
            text=whole_answer(self.profile.answer_start(pair.prompt), generation.text),
            generation=generation,
            run=run,
        )
        (given,) = (one for one in self.sources if one.source == source)
        if pair.pk in given.inferred:
            output.inferred_personas.add(given.inferred[pair.pk])

    def link(self) -> None:
        """Link outputs that are there already: another system may have inferred the same persona."""
        outputs = PairOutput.objects.filter(system=self.system, pair__dataset=self.dataset, pair__split=self.split)
        for one in self.sources:
            outputs_link(outputs, one)

    def is_stored(self, task: Task) -> bool:
        pair, source, persona = task.row
        return PairOutput.objects.filter(
            system=self.system, pair=pair, source=source, persona_key=persona_key(persona)
        ).exists()


def generate(
    *, dataset: str, split: str, systems: Sequence[str], sources: Sequence[str], origin: Origin, profile: str = ""
) -> list[Generate]:
    """Return one stage for each system, those on the same model next to each other.

    Raises ServiceError for names that are not known, systems that cannot answer, and sources without any persona.
    """
    (known_split,) = splits_of(dataset, [split])
    chosen_profile = profile_of(profile or dataset)
    answering = [system_named(name) for name in dict.fromkeys(systems)]
    if imported := [system.name for system in answering if system.engine == IMPORTED]:
        raise ServiceError(f"{', '.join(imported)}: imported texts only, which answer nothing. Register the models.")
    found = [
        source_texts(dataset, known_split, source, profile=chosen_profile, origin=origin)
        for source in dict.fromkeys(sources)
    ]
    if empty := [one.source for one in found if not one.texts]:
        raise ServiceError(f"No pair of {dataset}/{split} has a persona of {', '.join(empty)}.")
    models = list(dict.fromkeys((system.engine, system.model) for system in answering))
    answering.sort(key=lambda system: models.index((system.engine, system.model)))
    return [Generate(dataset, known_split, system, chosen_profile, found, origin) for system in answering]


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
    for one in stages[0].sources:
        if one.missing:
            reporting.say(
                f"{len(one.missing)} of {len(one.missing) + len(one.texts)} pairs have no persona of {one.source} and "
                f"get no output: {named_rows(one.missing)}."
            )
    return stages


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
