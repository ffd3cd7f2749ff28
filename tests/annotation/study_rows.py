"""Answers as they stand in the tables after people have worked on a study of tests.factories."""

import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.utils import timezone

from annotation.fields import id_key
from annotation.models import Aspect, Assignment, Output, PageVisit, Participant, Persona, Rating, Slot, Study
from annotation.protocol import protocol_hash
from tests.factories import make_study


def make_frozen_study(**options: Any) -> Study:
    """Return an open study with a comparison whose protocol hash is that of its definition."""
    study = make_study(**{"comparison": True, **options})
    # Outputs are part of the protocol up to the time of opening.
    study.opened_at = timezone.now()
    study.protocol_hash = protocol_hash(study)
    study.save(update_fields=["opened_at", "protocol_hash"])
    return study


def add_participant(study: Study, *, kind: Participant.Kind = Participant.Kind.PERSON, **fields: Any) -> Participant:
    """Return a participant with the next number."""
    if "external_id" in fields:
        fields["external_key"] = id_key(fields["external_id"])
    return Participant.objects.create(study=study, number=study.participants.count() + 1, kind=kind, **fields)


def add_written_persona(participant: Participant, *, item_key: str, text: str) -> Persona:
    """Return a submitted persona of the participant with one ready output per arm."""
    item, now = participant.study.items.get(key=item_key), timezone.now()
    persona = Persona.objects.create(
        item=item, source=Persona.Source.WRITTEN, author=participant, text=text, submitted_at=now
    )
    for arm in participant.study.arms.all():
        Output.objects.create(persona=persona, arm=arm, state=Output.State.READY, ready_at=now, text=f"For {text}")
    return persona


def add_assignment(
    participant: Participant,
    item_key: str = "item-1",
    *,
    values: Sequence[Sequence[int]] = ((4, 5), (2, 1)),
    choice: int | None = 1,
    swapped: bool = False,
    persona: Persona | None = None,
) -> Assignment:
    """Return a completed assignment: `values` per position and aspect, and a comparison.

    `swapped` puts the second arm first.
    """
    now = timezone.now()
    persona = persona or Persona.objects.get(item__study=participant.study, item__key=item_key)
    assignment = Assignment.objects.create(
        participant=participant, persona=persona, ordinal=participant.assignments.count() + 1,
        state=Assignment.State.COMPLETED, expires_at=now + timedelta(hours=24), shown_at=now, completed_at=now,
    )  # fmt: skip
    outputs = list(persona.outputs.order_by("arm__ordinal"))
    scales = list(participant.study.aspects.filter(kind=Aspect.Kind.RATING))
    for position, (output, answers) in enumerate(zip(outputs[:: -1 if swapped else 1], values, strict=True), start=1):
        slot = Slot.objects.create(assignment=assignment, kind=Slot.Kind.OUTPUT, position=position, output=output)
        for aspect, value in zip(scales, answers, strict=True):
            add_rating(slot, aspect, value)
    if choice is not None:
        pair = Slot.objects.create(assignment=assignment, kind=Slot.Kind.PAIR, position=3)
        add_rating(pair, participant.study.aspects.get(kind=Aspect.Kind.COMPARISON), choice)
    PageVisit.objects.create(
        assignment=assignment, client_key=uuid.uuid4(), phase=PageVisit.Phase.RATE, focused_ms=1500, idle_ms=250
    )
    return assignment


def add_rating(slot: Slot, aspect: Aspect, value: int) -> Rating:
    """Save an answer; the one that stood before is superseded and kept."""
    before = Rating.objects.filter(slot=slot, aspect=aspect, superseded_by=None).first()
    rating = Rating(
        slot=slot, aspect=aspect, value=value, minimum=aspect.minimum, maximum=aspect.maximum,
        position=slot.position, version=before.version + 1 if before else 1, client_key=uuid.uuid4(),
    )  # fmt: skip
    if before:
        Rating.objects.filter(pk=before.pk).update(superseded_by=rating.pk)  # checked at commit
    rating.save(force_insert=True)
    return rating
