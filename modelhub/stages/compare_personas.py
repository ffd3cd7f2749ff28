"""Let a judge say which of a pair's two inferred personas is the better one.

Source of the measure: Balepur et al., "Whose Boat Does it Float?" (ACL 2025), section on persona inference.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from modelhub.engines.base import GenerationRequest
from modelhub.models import Direction, Generation, PersonaComparison, Run
from modelhub.prompting.persona_judging import COMPARISON_RUBRIC, comparison_opening, render_comparison
from modelhub.prompting.persona_text import persona_as_data
from modelhub.queries.portions import portions
from modelhub.runs.engine_stage import Task
from modelhub.runs.rows import engine_stage
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
        for portion in portions(self.personas().filter(direction=Direction.CHOSEN)):
            of_pairs = self.personas().filter(direction=Direction.REJECTED, pair__in=[one.pair_id for one in portion])
            rejected = {one.pair_id: one for one in of_pairs}
            for chosen in portion:
                pair = chosen.pair
                if pair.pk in rejected and has_texts(self.profile, pair):
                    for order in ORDERS:
                        row = (chosen, rejected[pair.pk], order)
                        yield Task(f"{pair.dataset}/{pair.split}/{pair.key}/{order}", row)

    def stored(self, tasks: Sequence[Task]) -> set[str]:
        found = PersonaComparison.objects.filter(
            judge=self.system, rubric=COMPARISON_RUBRIC, chosen__in={task.row[0].pk for task in tasks}
        )
        known = set(found.order_by().values_list("chosen_id", "order"))
        return {task.key for task in tasks if (task.row[0].pk, task.row[2]) in known}

    def request(self, task: Task) -> GenerationRequest:
        chosen, rejected, order = task.row
        pair = chosen.pair
        responses = in_order(order, pair.chosen, pair.rejected)
        personas = in_order(order, persona_as_data(chosen.text), persona_as_data(rejected.text))
        rendered = render_comparison(
            self.profile, prompt=pair.prompt, response_a=responses[0], response_b=responses[1], persona_a=personas[0],
            persona_b=personas[1],
        )  # fmt: skip
        shared = len(comparison_opening(self.profile))
        return GenerationRequest(rendered=rendered, prompt=pair.prompt, persona="", shared=shared)

    def store(self, *, run: Run, made: Sequence[tuple[Task, Generation]]) -> None:
        PersonaComparison.objects.bulk_create([
            PersonaComparison(
                chosen=task.row[0], rejected=task.row[1], order=task.row[2],
                **self.verdict(run, generation, COMPARISON_RUBRIC),
            )
            for task, generation in made
        ])  # fmt: skip


STAGE = engine_stage(
    name=ComparePersonas.name,
    summary="Ask a judge, in both orders, which of the two personas of each pair is the better one.",
    unit="verdicts",
    parameters=PersonaJudgingOptions,
    stages=lambda wanted, reporting: [ComparePersonas.of(wanted)],
)
