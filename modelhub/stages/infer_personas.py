"""Abduce the personas of both responses of every preference pair.

Source of the method: Balepur et al., "Whose Boat Does it Float?" (ACL 2025), section on persona inference.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Annotated, Any, Literal

from pydantic import Field

from annotation.errors import ServiceError
from modelhub.engines.base import GenerationRequest
from modelhub.models import Direction, Generation, InferredPersona, PreferencePair, Run, System
from modelhub.profiles import SHOTS, DatasetProfile
from modelhub.prompting.endings import NEXT_PROMPT
from modelhub.prompting.persona_inference import (
    INFERENCE_TEMPLATE,
    parse_persona,
    render_inference,
    render_instructions,
)
from modelhub.queries.datasets import splits_of, system_named
from modelhub.queries.portions import portions
from modelhub.runs.engine_stage import Task
from modelhub.runs.parameters import BatchOptions, Option
from modelhub.runs.rows import engine_stage
from modelhub.screening.persona_flags import screen_persona
from modelhub.stages.shared.parameters import Name, OfSplits, Place
from modelhub.stages.shared.profiles import has_texts, profile_digest, profile_of
from modelhub.systems.requests import check_can_be_asked

# One line is wanted; the published setting leaves room for models that think aloud first.
DECODING = {"max_new_tokens": 200, "min_new_tokens": 1, "temperature": 0.0, "stop": list(NEXT_PROMPT)}


class InferPersonasOptions(OfSplits, BatchOptions):
    """What `infer_personas` can be told."""

    system: Name = Field(description="what infers; see register_system")
    profile: Place = Field(default="", description="or a YAML file; default: the data set's name")
    direction: Literal["chosen", "rejected", "both"] = Field(default="both", description="of which responses")
    shots: Annotated[int, Option(metavar="N")] = Field(default=SHOTS, description="exemplars shown")

    @property
    def directions(self) -> Sequence[str]:
        """The directions that are meant."""
        return Direction.values if self.direction == "both" else [self.direction]


@dataclass(frozen=True)
class InferPersonas:
    """An `EngineStage`: one row per pair and direction. Pairs with an empty response have no personas."""

    dataset: str
    splits: Sequence[str]
    system: System
    profile: DatasetProfile
    directions: Sequence[str] = tuple(Direction.values)
    shots: int = SHOTS
    name: str = "infer_personas"
    defaults: dict[str, Any] = field(default_factory=lambda: dict(DECODING))

    @property
    def subject(self) -> str:
        return f"{self.dataset} by {self.system.name}"

    @property
    def selection(self) -> str:
        return f"{'+'.join(self.splits)} {'+'.join(self.directions)}"

    @property
    def conditions(self) -> dict[str, Any]:
        return {
            "template": INFERENCE_TEMPLATE,
            "profile": self.profile.name,
            "profile_sha256": profile_digest(self.profile),
            "shots": self.shots,
        }

    def tasks(self) -> Iterator[Task]:
        pairs = PreferencePair.objects.filter(dataset=self.dataset, split__in=self.splits)
        for pair in chain.from_iterable(portions(pairs.order_by("split", "row", "pk"))):
            if has_texts(self.profile, pair):
                for direction in self.directions:
                    yield Task(f"{pair.dataset}/{pair.split}/{pair.key}/{direction}", (pair, direction))

    def stored(self, tasks: Sequence[Task]) -> set[str]:
        found = InferredPersona.objects.filter(system=self.system, pair__in={task.row[0].pk for task in tasks})
        known = set(found.order_by().values_list("pair_id", "direction"))
        return {task.key for task in tasks if (task.row[0].pk, task.row[1]) in known}

    def request(self, task: Task) -> GenerationRequest:
        pair, direction = task.row
        rendered = render_inference(
            self.profile, prompt=pair.prompt, chosen=pair.chosen, rejected=pair.rejected, direction=direction,
            shots=self.shots,
        )  # fmt: skip
        shared = len(render_instructions(self.profile, shots=self.shots))
        return GenerationRequest(rendered=rendered, prompt=pair.prompt, persona="", shared=shared)

    def store(self, *, run: Run, made: Sequence[tuple[Task, Generation]]) -> None:
        InferredPersona.objects.bulk_create([self._persona(run, task, generation) for task, generation in made])

    def _persona(self, run: Run, task: Task, generation: Generation) -> InferredPersona:
        pair, direction = task.row
        text = parse_persona(generation.text)
        flags = screen_persona(text, prompt=pair.prompt, responses=(pair.chosen, pair.rejected))
        return InferredPersona(
            pair=pair,
            direction=direction,
            system=self.system,
            text=text,
            flags=[{"kind": flag.kind, "detail": flag.detail} for flag in flags],
            generation=generation,
            run=run,
        )


def infer_personas(
    *, dataset: str, splits: Sequence[str], system: str, profile: str = "", directions: Sequence[str], shots: int
) -> InferPersonas:
    """Return the stage; raise ServiceError for names that are not known, or more exemplars than the profile has."""
    made_by = system_named(system)
    check_can_be_asked(made_by, task="infer")
    found = splits_of(dataset, splits)  # before the profile: a wrong name is no missing profile
    chosen_profile = profile_of(profile or dataset)
    if not 0 <= shots <= len(chosen_profile.exemplars):
        raise ServiceError(
            f"--shots is {shots}; profile {chosen_profile.name} has 0 to {len(chosen_profile.exemplars)}."
        )
    return InferPersonas(
        dataset=dataset,
        splits=found,
        system=made_by,
        profile=chosen_profile,
        directions=directions,
        shots=shots,
    )


STAGE = engine_stage(
    name=InferPersonas.name,
    summary="Infer the personas of both responses of imported preference pairs with a registered system.",
    unit="personas",
    parameters=InferPersonasOptions,
    stages=lambda wanted, reporting: [
        infer_personas(
            dataset=wanted.dataset,
            splits=wanted.split,
            system=wanted.system,
            profile=wanted.profile,
            directions=wanted.directions,
            shots=wanted.shots,
        )
    ],
)
