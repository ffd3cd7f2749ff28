"""Abduce the personas of both responses of every preference pair.

Source of the method: Balepur et al., "Whose Boat Does it Float?" (ACL 2025), section on persona inference.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field

from annotation.errors import ServiceError
from modelhub.engines import IMPORTED
from modelhub.engines.base import GenerationRequest
from modelhub.models import Direction, Generation, InferredPersona, PreferencePair, Run, System
from modelhub.profiles import SHOTS, DatasetProfile
from modelhub.prompting.endings import NEXT_PROMPT
from modelhub.prompting.persona_inference import INFERENCE_TEMPLATE, parse_persona, render_inference
from modelhub.queries.datasets import splits_of, system_named
from modelhub.runs.parameters import BatchOptions, Option
from modelhub.runs.rows import Task, engine_stage
from modelhub.screening.persona_flags import screen_persona
from modelhub.stages.shared.parameters import Name, OfSplits
from modelhub.stages.shared.profiles import has_texts, profile_digest, profile_of

# One line is wanted; the published setting leaves room for models that think aloud first.
DECODING = {"max_new_tokens": 200, "min_new_tokens": 1, "temperature": 0.0, "stop": list(NEXT_PROMPT)}


class InferPersonasOptions(OfSplits, BatchOptions):
    """What `infer_personas` can be told."""

    system: Name = Field(description="what infers; see register_system")
    profile: Name = Field(default="", description="or a YAML file; default: the data set's name")
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
        known = set(
            InferredPersona.objects.filter(system=self.system, pair__dataset=self.dataset).values_list(
                "pair_id", "direction"
            )
        )
        pairs = PreferencePair.objects.filter(dataset=self.dataset, split__in=self.splits)
        for pair in pairs.order_by("split", "row").iterator():
            if not has_texts(self.profile, pair):
                continue
            for direction in self.directions:
                if (pair.pk, direction) not in known:
                    yield Task(f"{pair.dataset}/{pair.split}/{pair.key}/{direction}", (pair, direction))

    def request(self, task: Task) -> GenerationRequest:
        pair, direction = task.row
        rendered = render_inference(
            self.profile, prompt=pair.prompt, chosen=pair.chosen, rejected=pair.rejected, direction=direction,
            shots=self.shots,
        )  # fmt: skip
        return GenerationRequest(rendered=rendered, prompt=pair.prompt, persona="")

    def store(self, *, run: Run, task: Task, generation: Generation) -> None:
        pair, direction = task.row
        text = parse_persona(generation.text)
        flags = screen_persona(text, prompt=pair.prompt, responses=(pair.chosen, pair.rejected))
        InferredPersona.objects.create(
            pair=pair,
            direction=direction,
            system=self.system,
            text=text,
            flags=[{"kind": flag.kind, "detail": flag.detail} for flag in flags],
            generation=generation,
            run=run,
        )

    def is_stored(self, task: Task) -> bool:
        pair, direction = task.row
        return InferredPersona.objects.filter(pair=pair, direction=direction, system=self.system).exists()


def infer_personas(
    *, dataset: str, splits: Sequence[str], system: str, profile: str = "", directions: Sequence[str], shots: int
) -> InferPersonas:
    """Return the stage; raise ServiceError for names that are not known, or more exemplars than the profile has."""
    made_by = system_named(system)
    if made_by.engine == IMPORTED:
        raise ServiceError(f"{system} has imported texts only: it can infer nothing. Register a model.")
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
