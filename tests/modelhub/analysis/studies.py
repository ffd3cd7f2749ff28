"""Finished studies with planted effects, written through the ORM: no server is needed."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import numpy as np
from django.utils import timezone

from annotation.models import Aspect, Assignment, Item, Output, PageVisit, Participant, Persona, Rating, Slot, Study
from annotation.presets import preset_aspects
from modelhub.models import ArmBinding, PersonaOrigin, Run, System
from tests.annotation.study_rows import add_participant, make_frozen_study

BASE, TEST = "DPO", "PT-DPO"
Rate = Callable[[Participant, Persona, int, str], int]  # (who, persona, arm number, aspect) -> answer


def make_bound_study(
    *, systems: Sequence[str] = (BASE, TEST), overlap_share: float = 0, repeat_share: float = 0, **options: Any
) -> Study:
    """Return an open study with a comparison, its arms bound to systems of these names."""
    study = make_frozen_study(**{"given_items": 0, "given_per_participant": 0, "arms": len(systems), **options})
    study.overlap_share, study.repeat_share = overlap_share, repeat_share
    study.save(update_fields=["overlap_share", "repeat_share"])
    bind(study, systems)
    return study


def bind(study: Study, names: Sequence[str]) -> None:
    """Bind the study's arms to systems of these names."""
    for arm, name in zip(study.arms.order_by("ordinal"), names, strict=True):
        system, _ = System.objects.get_or_create(name=name, engine="scripted", fingerprint="f" * 64)
        ArmBinding.objects.create(arm=arm, system=system)


def own_persona(participant: Participant, item_key: str, *, words: Sequence[int] = (20, 20)) -> Persona:
    """Return a persona that the participant wrote, with one output per arm of these many words."""
    item, now = participant.study.items.get(key=item_key), timezone.now()
    persona = Persona.objects.create(
        item=item, source=Persona.Source.WRITTEN, author=participant, text="The user rests.", submitted_at=now
    )
    for arm, length in zip(participant.study.arms.order_by("ordinal"), words, strict=True):
        Output.objects.create(
            persona=persona, arm=arm, state=Output.State.READY, ready_at=now, text=" ".join(["word"] * length)
        )
    return persona


def rate(
    participant: Participant,
    persona: Persona,
    answers: Mapping[str, Sequence[int]],
    *,
    choice: int | None = None,
    swapped: bool = False,
    kind: Assignment.Kind = Assignment.Kind.MAIN,
    repeat_of: Assignment | None = None,
    state: Assignment.State = Assignment.State.COMPLETED,
    about_persona: Mapping[str, int] | None = None,
    seconds: int = 30,
) -> Assignment:
    """Return a part: `answers` per aspect in the order of arms, whatever side they stood on."""
    now = timezone.now()
    assignment = Assignment.objects.create(
        participant=participant, persona=persona, ordinal=participant.assignments.count() + 1, kind=kind, state=state,
        repeat_of=repeat_of, repeat=1 if repeat_of else 0, expires_at=now + timedelta(hours=24), shown_at=now,
        completed_at=now if state == Assignment.State.COMPLETED else None,
    )  # fmt: skip
    aspects = {aspect.key: aspect for aspect in participant.study.aspects.all()}
    outputs = list(persona.outputs.order_by("arm__ordinal"))
    rows = []
    for place, output in enumerate(outputs[:: -1 if swapped else 1], start=1):
        slot = Slot.objects.create(assignment=assignment, kind=Slot.Kind.OUTPUT, position=place, output=output)
        number = outputs.index(output)
        rows += [_answer(slot, aspects[key], values[number]) for key, values in answers.items()]
    of_pair = [aspect for aspect in aspects.values() if aspect.kind in (Aspect.Kind.COMPARISON, Aspect.Kind.PICK)]
    if choice is not None:
        slot = Slot.objects.create(assignment=assignment, kind=Slot.Kind.PAIR, position=len(outputs) + 1)
        rows.append(_answer(slot, of_pair[0], choice))
    if about_persona:
        slot = Slot.objects.create(
            assignment=assignment, kind=Slot.Kind.PERSONA, position=len(outputs) + 2, persona=persona
        )
        rows += [_answer(slot, aspects[key], value) for key, value in about_persona.items()]
    Rating.objects.bulk_create(rows)
    PageVisit.objects.create(assignment=assignment, client_key=uuid.uuid4(), phase="rate", focused_ms=seconds * 1000)
    return assignment


def own_persona_study(
    *,
    participants: int = 8,
    items: int = 10,
    effect: Mapping[str, float] | None = None,
    seed: int = 0,
    per_word: float = 0.0,
    kind: Participant.Kind = Participant.Kind.PERSON,
    **options: Any,
) -> Study:
    """Return a study in which everybody wrote a persona for every item and rated both outputs.

    `effect` is what the second arm gets on top, by aspect; `per_word` what every word of an output adds.
    """
    rng = np.random.default_rng(seed)
    study = make_bound_study(**{"written_items": items, "written_per_participant": items, **options})
    for _ in range(participants):
        person = add_participant(study, kind=kind, **_done())
        lenient = rng.normal(0, 0.4)
        for number in range(1, items + 1):
            words = (int(rng.integers(20, 60)), int(rng.integers(20, 60) * (0.7 if per_word else 1)))
            persona = own_persona(person, f"item-{number}", words=words)
            answers = {
                key: [
                    likert(3 + lenient + arm * (effect or {}).get(key, 0) + per_word * (length - 35), rng)
                    for arm, length in enumerate(words)
                ]
                for key in ("answerability", "personalization")
            }
            side = bool((number + person.number) % 2)
            rate(person, persona, answers, swapped=side, choice=int(rng.integers(1, 5)))
    return study


def likert(latent: float, rng: np.random.Generator, *, spread: float = 0.8) -> int:
    """Return a rating from 1 to 5 about `latent`."""
    return int(np.clip(np.rint(latent + rng.normal(0, spread)), 1, 5))


def persona_study(
    *, pairs: int = 20, raters: int = 3, effect: Mapping[str, float] | None = None, accuracy: float = 0.9, seed: int = 0
) -> Study:
    """Return a persona assessment with the full preset: every rater assesses both personas of every pair.

    `effect` is what rejected personas get on top, by aspect; `accuracy` the probability of picking the own response.
    """
    rng = np.random.default_rng(seed)
    study = _assessment()
    inferring, _ = System.objects.get_or_create(name="LLaMA-405B", engine="imported", fingerprint="e" * 64)
    personas = [persona for number in range(pairs) for persona in _pair(study, number, inferring)]
    for _ in range(raters):
        person = add_participant(study, **_done())
        lenient = rng.normal(0, 0.3)
        for number, (persona, direction) in enumerate(personas):
            is_rejected = direction == "rejected"
            about = {
                key: likert(3 + lenient + is_rejected * (effect or {}).get(key, 0), rng)
                for key in ("plausibility", "applicability", "harm", "overfitting")
            }
            swapped = bool((number + person.number) % 2)
            own_is_left = is_rejected == swapped  # the first arm holds the chosen response
            is_right = bool(rng.random() < accuracy)
            rate(person, persona, {}, swapped=swapped, choice=1 if own_is_left == is_right else 2, about_persona=about)
    return study


def _assessment() -> Study:
    study = make_frozen_study(comparison=False, given_items=0, slug="personas")
    Study.objects.filter(pk=study.pk).update(kind=Study.Kind.PERSONA_ASSESSMENT)
    study.refresh_from_db()
    study.aspects.all().delete()
    for number, aspect in enumerate(preset_aspects("persona_assessment_with_pick", {}), start=1):
        scale = aspect.get("scale", {1: "A", 2: "B"})
        study.aspects.create(
            ordinal=number, key=aspect["key"], name=aspect["name"], kind=aspect["type"],
            level=aspect.get("level", "nominal"), question=aspect["question"], question_for_others=aspect["question"],
            minimum=min(scale), maximum=max(scale), labels=list(scale.values()),
        )  # fmt: skip
    bind(study, ("chosen response", "rejected response"))
    return study


def _pair(study: Study, number: int, inferring: System) -> list[tuple[Persona, str]]:
    now = timezone.now()
    item = Item.objects.create(
        study=study, ordinal=number + 1, key=f"pair-{number}", prompt="What now?", stratum=("BT", "HHH")[number % 2]
    )
    run, _ = Run.objects.get_or_create(stage="import_personas", defaults={"heartbeat_at": now, "lease_until": now})
    made = []
    for direction in ("chosen", "rejected"):
        persona = Persona.objects.create(
            item=item, source=Persona.Source.GIVEN, text=f"The user is {direction} and prefers it.", submitted_at=now,
            block=f"b-{direction[:4]}",
        )  # fmt: skip
        PersonaOrigin.objects.create(
            persona=persona, direction=direction, source="gold", run=run, inferring_system=inferring
        )
        for arm in study.arms.order_by("ordinal"):
            Output.objects.create(persona=persona, arm=arm, state="ready", ready_at=now, text="One two three four.")
        made.append((persona, direction))
    return made


def _done() -> dict[str, Any]:
    """Return the fields of somebody who consented and finished."""
    return {"consented_at": timezone.now(), "consent_hash": "c" * 64, "completed_at": timezone.now()}


def _answer(slot: Slot, aspect: Aspect, value: int) -> Rating:
    return Rating(
        slot=slot, aspect=aspect, value=value, minimum=aspect.minimum, maximum=aspect.maximum,
        position=slot.position, version=1, client_key=uuid.uuid4(),
    )  # fmt: skip
