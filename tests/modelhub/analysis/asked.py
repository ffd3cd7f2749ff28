"""A finished study with sliders, rankings, and best and worst, where the third arm is liked best, the first least."""

import uuid
from datetime import timedelta

import numpy as np
from django.utils import timezone

from annotation.models import Aspect, Assignment, Output, Persona, Rating, Slot, Study
from annotation.orders import Order
from tests.annotation.asking import make_asking_study
from tests.annotation.study_rows import add_participant
from tests.modelhub.analysis.studies import bind, likert

SYSTEMS = ("Plain", "Short", "Tailored")


def asked_study(*, participants: int = 8, gap: float = 1.0, seed: int = 0) -> Study:
    """Return the study, with `gap` points of a five-point scale between one arm and the next."""
    rng = np.random.default_rng(seed)
    study = make_asking_study()
    bind(study, SYSTEMS)
    for _ in range(participants):
        person = add_participant(study)
        for ordinal, persona in enumerate(Persona.objects.filter(item__study=study), start=1):
            now = timezone.now()
            part = Assignment.objects.create(
                participant=person, persona=persona, ordinal=ordinal, state=Assignment.State.COMPLETED,
                expires_at=now + timedelta(hours=1), shown_at=now, completed_at=now,
            )  # fmt: skip
            _answer_all(part, persona, gap, rng)
    return study


def _answer_all(part: Assignment, persona: Persona, gap: float, rng: np.random.Generator) -> None:
    aspects = {aspect.key: aspect for aspect in persona.item.study.aspects.all()}
    outputs: list[Output] = list(rng.permutation(np.array(persona.outputs.select_related("arm"), dtype=object)))
    liked = {}
    for position, output in enumerate(outputs, start=1):
        slot = Slot.objects.create(assignment=part, kind=Slot.Kind.OUTPUT, position=position, output=output)
        liked[position] = 3 + (output.arm.ordinal - 2) * gap + rng.normal(0, 0.6)
        _answer(slot, aspects["quality"], int(np.clip(liked[position] * 20, 0, 100)))
        fit = likert(liked[position], rng, spread=0.2)
        _answer(slot, aspects["fit"], fit)
        if fit in aspects["lacking"].asked_if_values:
            _answer(slot, aspects["lacking"], int(rng.integers(1, 4)))
    order: Order = tuple(sorted(liked, key=lambda position: -liked[position]))
    slot = Slot.objects.create(assignment=part, kind=Slot.Kind.PAIR, position=len(outputs) + 1)
    _answer(slot, aspects["order"], 1 + aspects["order"].orders.index(order))
    _answer(slot, aspects["extremes"], 1 + aspects["extremes"].orders.index((order[0], order[-1])))


def _answer(slot: Slot, aspect: Aspect, value: int) -> None:
    Rating.objects.create(
        slot=slot, aspect=aspect, value=value, minimum=aspect.minimum, maximum=aspect.maximum,
        position=slot.position, version=1, client_key=uuid.uuid4(),
    )  # fmt: skip
