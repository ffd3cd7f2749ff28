"""Studies of two steps: some questions are asked before the persona is shown, and their answers are fixed with that.

Whoever sees a persona beside responses sees which of them was tailored, and judges their quality with that in mind.
"""

from collections.abc import Iterable

from annotation.models import Aspect, Assignment


def has_two_steps(aspects: Iterable[Aspect]) -> bool:
    """Whether some of a study's questions are asked before the persona is shown."""
    return any(aspect.before_persona for aspect in aspects)


def is_before_persona(assignment: Assignment) -> bool:
    """Whether an assignment is in the first of two steps: nothing that its pages are given may hold the persona."""
    return assignment.persona_shown_at is None and has_two_steps(assignment.participant.study.aspects.all())
