"""What the two stages share in which a judge looks at inferred personas.

Each question is put in both orders, so that a judge's liking for the first or the last cannot pass for an opinion.
Source of the measures: Balepur et al., "Whose Boat Does it Float?" (ACL 2025), section on persona inference.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from django.db.models import QuerySet
from pydantic import Field

from modelhub.models import Generation, InferredPersona, PersonaVerdict, Run, System
from modelhub.profiles import DatasetProfile
from modelhub.prompting.verdicts import parse_verdict
from modelhub.queries.datasets import inferring_system, splits_of, system_named
from modelhub.runs.parameters import BatchOptions
from modelhub.stages.shared.parameters import Name, OfSplits, Place
from modelhub.stages.shared.profiles import profile_digest, profile_of
from modelhub.systems.requests import check_can_be_asked

# Judges explain themselves before they decide.
DECODING = {"max_new_tokens": 512, "min_new_tokens": 1, "temperature": 0.0, "stop": []}
ORDERS = tuple(PersonaVerdict.Order.values)


class PersonaJudgingOptions(OfSplits, BatchOptions):
    """What a stage can be told in which a judge looks at inferred personas."""

    judge: Name = Field(description="the system that judges")
    system: Name = Field(default="", description="whose personas; needed if several systems inferred some")
    profile: Place = Field(default="", description="or a YAML file; default: the data set's name")


@dataclass(frozen=True)
class PersonaJudging:
    """What both stages share: whose personas are judged, and by whom. `system` is the judge."""

    dataset: str
    splits: Sequence[str]
    inferring: System
    system: System
    profile: DatasetProfile
    defaults: dict[str, Any] = field(default_factory=lambda: dict(DECODING))

    @classmethod
    def of(cls, wanted: PersonaJudgingOptions) -> Self:
        """Return what is meant; raise ServiceError for names that are not known."""
        splits = splits_of(wanted.dataset, wanted.split)
        judge = system_named(wanted.judge)
        check_can_be_asked(judge, task="judge")
        inferring = inferring_system(wanted.dataset, wanted.system)
        return cls(wanted.dataset, splits, inferring, judge, profile_of(wanted.profile or wanted.dataset))

    @property
    def subject(self) -> str:
        return f"{self.dataset} by {self.inferring.name}, judged by {self.system.name}"

    @property
    def selection(self) -> str:
        return "+".join(self.splits)

    def personas(self) -> QuerySet[InferredPersona]:
        """Return the personas to judge; an unreadable one (empty text) has nothing to be judged."""
        return (
            InferredPersona.objects.filter(
                pair__dataset=self.dataset, pair__split__in=self.splits, system=self.inferring
            )
            .exclude(text="")
            .select_related("pair")
            .order_by("pair__split", "pair__row", "direction")
        )

    def profile_conditions(self) -> dict[str, Any]:
        """Return what of the profile shapes the verdicts."""
        return {"profile": self.profile.name, "profile_sha256": profile_digest(self.profile)}

    def verdict(self, run: Run, generation: Generation, rubric: str) -> dict[str, Any]:
        """Return what both kinds of stored verdicts have in common."""
        verdict = parse_verdict(generation.text, is_cut=generation.finish_reason == "length")
        return {
            "judge": self.system,
            "rubric": rubric,
            "verdict": verdict.value,
            "reason": verdict.reason,
            "generation": generation,
            "run": run,
        }


def in_order(order: str, chosen: str, rejected: str) -> tuple[str, str]:
    """Return both texts in the order in which the judge sees them."""
    return (chosen, rejected) if order == PersonaVerdict.Order.AS_IS else (rejected, chosen)
