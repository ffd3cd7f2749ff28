"""Let a judge say which of a pair's two inferred personas is the better one.

Source of the measure: Balepur et al., "Whose Boat Does it Float?" (ACL 2025), section on persona inference.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from modelhub.engines.base import GenerationRequest
from modelhub.models import Direction, Generation, PersonaComparison, Run
from modelhub.prompting.persona_judging import COMPARISON_RUBRIC, render_comparison
from modelhub.prompting.persona_text import persona_as_data
from modelhub.runs.rows import Task, engine_stage
from modelhub.stages.shared.persona_judging import ORDERS, PersonaJudging, PersonaJudgingOptions, in_order
from modelhub.stages.shared.profiles import has_texts


@dataclass(frozen=True)
class ComparePersonas(PersonaJudging):
    """An `EngineStage`: which of a pair's two personas is the better one? Two rows per pair."""

    name: str = "compare_personas"

    @property
    def conditions(self) -> dict[str, Any]:
        return {"rubric": COMPARISON_RUBRIC, **self.profile_conditions()}

    def tasks(self) -> Iterator[Task]:
        made = PersonaComparison.objects.filter(
            judge=self.system, rubric=COMPARISON_RUBRIC, chosen__system=self.inferring
        )
        known = set(made.values_list("chosen_id", "order"))
        rejected = {one.pair_id: one for one in self.personas().filter(direction=Direction.REJECTED)}
        for chosen in self.personas().filter(direction=Direction.CHOSEN).iterator():
            if not has_texts(self.profile, chosen.pair):
                continue
            for order in ORDERS:
                if chosen.pair_id in rejected and (chosen.pk, order) not in known:
                    pair = chosen.pair
                    yield Task(f"{pair.dataset}/{pair.split}/{pair.key}/{order}", (chosen, rejected[pair.pk], order))

    def request(self, task: Task) -> GenerationRequest:
        chosen, rejected, order = task.row
        pair = chosen.pair
        responses = in_order(order, pair.chosen, pair.rejected)
        personas = in_order(order, persona_as_data(chosen.text), persona_as_data(rejected.text))
        rendered = render_comparison(
            self.profile, prompt=pair.prompt, response_a=responses[0], response_b=responses[1], persona_a=personas[0],
            persona_b=personas[1],
        )  # fmt: skip
        return GenerationRequest(rendered=rendered, prompt=pair.prompt, persona="")

    def store(self, *, run: Run, task: Task, generation: Generation) -> None:
        chosen, rejected, order = task.row
        made = self.verdict(run, generation, COMPARISON_RUBRIC)
        PersonaComparison.objects.create(chosen=chosen, rejected=rejected, order=order, **made)

    def is_stored(self, task: Task) -> bool:
        chosen, rejected, order = task.row
        return PersonaComparison.objects.filter(
            chosen=chosen, rejected=rejected, judge=self.system, rubric=COMPARISON_RUBRIC, order=order
        ).exists()


STAGE = engine_stage(
    name=ComparePersonas.name,
    summary="Ask a judge, in both orders, which of the two personas of each pair is the better one.",
    unit="verdicts",
    parameters=PersonaJudgingOptions,
    stages=lambda wanted, reporting: [ComparePersonas.of(wanted)],
)
