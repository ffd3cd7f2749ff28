"""Decide how a part is written when it is handed out, and propose a persona where one is due."""

from collections import Counter, defaultdict

from django.db.models import QuerySet

from annotation.elicitation.conditions import BOTH, choose_condition
from annotation.elicitation.proposing import OwnPart, RatedResponse, propose
from annotation.history import History
from annotation.models import Aspect, Assignment, Item, Participant, Persona, PersonaProposal, Rating, Slot

_State = Assignment.State
PERSONALIZATION = "personalization"  # the key of the aspect by which personas are ranked, where a study has it


def condition_next(history: History, item: Item) -> str:
    """Return the condition in which the participant's next part of their own is written; blank without the section."""
    participant = history.participant
    elicitation = participant.study.elicitation
    if not elicitation or elicitation["condition"] != BOTH:
        return str(elicitation.get("condition", ""))
    of_item = Persona.objects.filter(
        item=item, author__kind=participant.kind, assignments__kind=Assignment.Kind.MAIN,
        assignments__state__in=(_State.OPEN, _State.COMPLETED),
    )  # fmt: skip
    return choose_condition(
        seed=participant.study.seed,
        participant=participant.number,
        key=history.next_ordinal,
        mine=history.writing_conditions(),
        of_item=Counter(of_item.values_list("condition", flat=True)),
    )


def proposal_make(*, history: History, draft: Persona) -> None:
    """Propose a persona for a part that has just been handed out, if one is due and there is something to say."""
    after = history.participant.study.elicitation.get("propose_after")
    if not after or draft.condition != Persona.Condition.ELICITED or len(history.finished_own()) < after:
        return
    proposed = propose(_own_parts(history.participant, history.finished_own()))
    refused = PersonaProposal.objects.filter(
        persona__author=history.participant, decision=PersonaProposal.Decision.REFUSED
    )
    if proposed and not refused.filter(text=proposed.text).exists():
        PersonaProposal.objects.create(persona=draft, text=proposed.text, attributes=list(proposed.attributes))


def _own_parts(participant: Participant, finished: list[int]) -> list[OwnPart]:
    """Return the parts with these ids in their order, with their responses and scores; no arm is asked for."""
    slots = Slot.objects.filter(assignment__in=finished, kind=Slot.Kind.OUTPUT)
    rows = slots.order_by("assignment__ordinal", "position").values_list(
        "pk", "assignment", "assignment__persona__text", "output__text"
    )
    scores = _scores(participant, slots)
    parts: dict[int, OwnPart] = {}
    for slot, assignment, persona, text in rows:
        before = parts.get(assignment, OwnPart(persona, ()))
        parts[assignment] = OwnPart(persona, (*before.responses, RatedResponse(text, scores.get(slot))))
    return list(parts.values())


def _scores(participant: Participant, slots: QuerySet[Slot]) -> dict[int, float]:
    """Return each slot's score from 0 to 1: on personalization, or the mean of all scales without such an aspect."""
    aspects = [aspect for aspect in participant.study.aspects.all() if aspect.kind == Aspect.Kind.RATING]
    named = [aspect for aspect in aspects if aspect.key == PERSONALIZATION]
    scales = {aspect.pk: aspect for aspect in named or aspects}
    ratings = Rating.objects.filter(slot__in=slots, superseded_by__isnull=True, aspect__in=scales)
    found: defaultdict[int, list[float]] = defaultdict(list)
    for slot, aspect, value in ratings.values_list("slot", "aspect", "value"):
        scale = scales[aspect]
        found[slot].append((value - scale.minimum) / (scale.maximum - scale.minimum))
    return {slot: sum(values) / len(values) for slot, values in found.items()}
