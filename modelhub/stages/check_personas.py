"""Let a judge say which of two responses the user of an inferred persona would choose: does the persona explain it?

Source of the measure: Balepur et al., "Whose Boat Does it Float?" (ACL 2025), section on persona inference.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from modelhub.engines.base import GenerationRequest
from modelhub.models import Generation, PersonaCheck, Run
from modelhub.prompting.persona_judging import ACCURACY_RUBRIC, accuracy_opening, render_accuracy
from modelhub.prompting.persona_text import persona_as_data
from modelhub.queries.portions import portions
from modelhub.runs.engine_stage import Task
from modelhub.runs.rows import engine_stage
from modelhub.stages.shared.persona_judging import ORDERS, PersonaJudging, PersonaJudgingOptions, in_order
from modelhub.stages.shared.profiles import has_texts


@dataclass(frozen=True)
class CheckPersonas(PersonaJudging):
    """An `EngineStage`: which response would the user of this persona choose? Two rows per persona."""

    name: str = "check_personas"

    @property
    def conditions(self) -> dict[str, Any]:
        return {"rubric": ACCURACY_RUBRIC, **self.profile_conditions()}

    def tasks(self) -> Iterator[Task]:
        for persona in chain.from_iterable(portions(self.personas())):
            pair = persona.pair
            if has_texts(self.profile, pair):
                for order in ORDERS:
                    yield Task(f"{pair.dataset}/{pair.split}/{pair.key}/{persona.direction}/{order}", (persona, order))

    def stored(self, tasks: Sequence[Task]) -> set[str]:
        found = PersonaCheck.objects.filter(
            judge=self.system, rubric=ACCURACY_RUBRIC, persona__in={task.row[0].pk for task in tasks}
        )
        known = set(found.order_by().values_list("persona_id", "order"))
        return {task.key for task in tasks if (task.row[0].pk, task.row[1]) in known}

    def request(self, task: Task) -> GenerationRequest:
        persona, order = task.row
        first, second = in_order(order, persona.pair.chosen, persona.pair.rejected)
        shown, prompt = persona_as_data(persona.text), persona.pair.prompt
        rendered = render_accuracy(self.profile, prompt=prompt, response_a=first, response_b=second, persona=shown)
        shared = len(accuracy_opening(self.profile))
        return GenerationRequest(rendered=rendered, prompt=prompt, persona=shown, shared=shared)

    def store(self, *, run: Run, made: Sequence[tuple[Task, Generation]]) -> None:
        PersonaCheck.objects.bulk_create([
            PersonaCheck(
                persona=task.row[0], order=task.row[1], **self.verdict(run, generation, ACCURACY_RUBRIC)
            )
            for task, generation in made
        ])  # fmt: skip


STAGE = engine_stage(
    name=CheckPersonas.name,
    summary="Ask a judge, in both orders, which response the user of each inferred persona would choose.",
    unit="verdicts",
    parameters=PersonaJudgingOptions,
    stages=lambda wanted, reporting: [CheckPersonas.of(wanted)],
)
