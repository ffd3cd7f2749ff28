"""Let a judge say which of two responses the user of an inferred persona would choose: does the persona explain it?

Source of the measure: Balepur et al., "Whose Boat Does it Float?" (ACL 2025), section on persona inference.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from modelhub.engines.base import GenerationRequest
from modelhub.models import Generation, PersonaCheck, Run
from modelhub.prompting.persona_judging import ACCURACY_RUBRIC, render_accuracy
from modelhub.prompting.persona_text import persona_as_data
from modelhub.runs.rows import Task, engine_stage
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
        made = PersonaCheck.objects.filter(judge=self.system, rubric=ACCURACY_RUBRIC, persona__system=self.inferring)
        known = set(made.values_list("persona_id", "order"))
        for persona in self.personas().iterator():
            if not has_texts(self.profile, persona.pair):
                continue
            for order in ORDERS:
                if (persona.pk, order) not in known:
                    pair = persona.pair
                    yield Task(f"{pair.dataset}/{pair.split}/{pair.key}/{persona.direction}/{order}", (persona, order))

    def request(self, task: Task) -> GenerationRequest:
        persona, order = task.row
        first, second = in_order(order, persona.pair.chosen, persona.pair.rejected)
        shown, prompt = persona_as_data(persona.text), persona.pair.prompt
        rendered = render_accuracy(self.profile, prompt=prompt, response_a=first, response_b=second, persona=shown)
        return GenerationRequest(rendered=rendered, prompt=prompt, persona=shown)

    def store(self, *, run: Run, task: Task, generation: Generation) -> None:
        persona, order = task.row
        PersonaCheck.objects.create(persona=persona, order=order, **self.verdict(run, generation, ACCURACY_RUBRIC))

    def is_stored(self, task: Task) -> bool:
        persona, order = task.row
        return PersonaCheck.objects.filter(
            persona=persona, judge=self.system, rubric=ACCURACY_RUBRIC, order=order
        ).exists()


STAGE = engine_stage(
    name=CheckPersonas.name,
    summary="Ask a judge, in both orders, which response the user of each inferred persona would choose.",
    unit="verdicts",
    parameters=PersonaJudgingOptions,
    stages=lambda wanted, reporting: [CheckPersonas.of(wanted)],
)
