"""Let a judge say whether inferred personas explain what they should, and which of a pair's two is the better.

Each question is put in both orders, so that a judge's liking for the first or the last cannot pass for an opinion.
Source of the measures: Balepur et al., "Whose Boat Does it Float?" (ACL 2025), section on persona inference.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import QuerySet

from modelhub.engines.base import GenerationRequest
from modelhub.models import (
    Direction,
    Generation,
    InferredPersona,
    PersonaCheck,
    PersonaComparison,
    PersonaVerdict,
    Run,
    System,
)
from modelhub.profiles import DatasetProfile
from modelhub.prompting.persona_judging import ACCURACY_RUBRIC, COMPARISON_RUBRIC, render_accuracy, render_comparison
from modelhub.prompting.verdicts import parse_verdict
from modelhub.runs.rows import Task
from modelhub.stages.profiles import has_texts, profile_digest

# Judges explain themselves before they decide.
DECODING = {"max_new_tokens": 512, "min_new_tokens": 1, "temperature": 0.0, "stop": []}
ORDERS = tuple(PersonaVerdict.Order.values)


@dataclass(frozen=True)
class _Judging:
    """What both stages share: whose personas are judged, and by whom. `system` is the judge."""

    dataset: str
    splits: Sequence[str]
    inferring: System
    system: System
    profile: DatasetProfile
    defaults: dict[str, Any] = field(default_factory=lambda: dict(DECODING))

    @property
    def subject(self) -> str:
        return f"{self.dataset} by {self.inferring.name}, judged by {self.system.name}"

    @property
    def selection(self) -> str:
        return "+".join(self.splits)

    def _personas(self) -> QuerySet[InferredPersona]:
        """Return the personas to judge; an unreadable one (empty text) has nothing to be judged."""
        return (
            InferredPersona.objects.filter(
                pair__dataset=self.dataset, pair__split__in=self.splits, system=self.inferring
            )
            .exclude(text="")
            .select_related("pair")
            .order_by("pair__split", "pair__row", "direction")
        )

    def _profile(self) -> dict[str, Any]:
        return {"profile": self.profile.name, "profile_sha256": profile_digest(self.profile)}


@dataclass(frozen=True)
class CheckPersonas(_Judging):
    """An `EngineStage`: which response would the user of this persona choose? Two rows per persona."""

    name: str = "check_personas"

    @property
    def conditions(self) -> dict[str, Any]:
        return {"rubric": ACCURACY_RUBRIC, **self._profile()}

    def tasks(self) -> Iterator[Task]:
        made = PersonaCheck.objects.filter(judge=self.system, rubric=ACCURACY_RUBRIC, persona__system=self.inferring)
        known = set(made.values_list("persona_id", "order"))
        for persona in self._personas().iterator():
            if not has_texts(self.profile, persona.pair):
                continue
            for order in ORDERS:
                if (persona.pk, order) not in known:
                    pair = persona.pair
                    yield Task(f"{pair.dataset}/{pair.split}/{pair.key}/{persona.direction}/{order}", (persona, order))

    def request(self, task: Task) -> GenerationRequest:
        persona, order = task.row
        first, second = _in_order(order, persona.pair.chosen, persona.pair.rejected)
        rendered = render_accuracy(
            self.profile, prompt=persona.pair.prompt, response_a=first, response_b=second, persona=persona.text
        )
        return GenerationRequest(rendered=rendered, prompt=persona.pair.prompt, persona=persona.text)

    def store(self, *, run: Run, task: Task, generation: Generation) -> None:
        persona, order = task.row
        PersonaCheck.objects.create(persona=persona, order=order, **_verdict(self, run, generation, ACCURACY_RUBRIC))

    def is_stored(self, task: Task) -> bool:
        persona, order = task.row
        return PersonaCheck.objects.filter(
            persona=persona, judge=self.system, rubric=ACCURACY_RUBRIC, order=order
        ).exists()


@dataclass(frozen=True)
class ComparePersonas(_Judging):
    """An `EngineStage`: which of a pair's two personas is the better one? Two rows per pair."""

    name: str = "compare_personas"

    @property
    def conditions(self) -> dict[str, Any]:
        return {"rubric": COMPARISON_RUBRIC, **self._profile()}

    def tasks(self) -> Iterator[Task]:
        made = PersonaComparison.objects.filter(
            judge=self.system, rubric=COMPARISON_RUBRIC, chosen__system=self.inferring
        )
        known = set(made.values_list("chosen_id", "order"))
        rejected = {one.pair_id: one for one in self._personas().filter(direction=Direction.REJECTED)}
        for chosen in self._personas().filter(direction=Direction.CHOSEN).iterator():
            if not has_texts(self.profile, chosen.pair):
                continue
            for order in ORDERS:
                if chosen.pair_id in rejected and (chosen.pk, order) not in known:
                    pair = chosen.pair
                    yield Task(f"{pair.dataset}/{pair.split}/{pair.key}/{order}", (chosen, rejected[pair.pk], order))

    def request(self, task: Task) -> GenerationRequest:
        chosen, rejected, order = task.row
        pair = chosen.pair
        responses = _in_order(order, pair.chosen, pair.rejected)
        personas = _in_order(order, chosen.text, rejected.text)
        rendered = render_comparison(
            self.profile, prompt=pair.prompt, response_a=responses[0], response_b=responses[1], persona_a=personas[0],
            persona_b=personas[1],
        )  # fmt: skip
        return GenerationRequest(rendered=rendered, prompt=pair.prompt, persona="")

    def store(self, *, run: Run, task: Task, generation: Generation) -> None:
        chosen, rejected, order = task.row
        made = _verdict(self, run, generation, COMPARISON_RUBRIC)
        PersonaComparison.objects.create(chosen=chosen, rejected=rejected, order=order, **made)

    def is_stored(self, task: Task) -> bool:
        chosen, rejected, order = task.row
        return PersonaComparison.objects.filter(
            chosen=chosen, rejected=rejected, judge=self.system, rubric=COMPARISON_RUBRIC, order=order
        ).exists()


def _in_order(order: str, chosen: str, rejected: str) -> tuple[str, str]:
    return (chosen, rejected) if order == PersonaVerdict.Order.AS_IS else (rejected, chosen)


def _verdict(stage: _Judging, run: Run, generation: Generation, rubric: str) -> dict[str, Any]:
    verdict = parse_verdict(generation.text)
    return {
        "judge": stage.system,
        "rubric": rubric,
        "verdict": verdict.value,
        "reason": verdict.reason,
        "generation": generation,
        "run": run,
    }
