"""Small, valid studies for tests, made through the ORM so that a test states only what it is about."""

import hashlib
from datetime import timedelta
from functools import cache
from typing import Any

from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.db.models import QuerySet
from django.utils import timezone

from annotation.models import Arm, Aspect, Assignment, Item, Output, Persona, Study, UnitTally, User
from annotation.permissions import Role
from annotation.services.members import role_give

SCALE_LABELS = ["Not at all", "Slightly", "Moderately", "Very", "Completely"]


def make_user(username: str = "researcher", **fields: Any) -> User:
    """Return the researcher of that name, created with the password `correct horse` where missing."""
    user = User.objects.filter(username=username).first()
    if user is None:
        user = User.objects.create(username=username, password=_hash_quickly("correct horse"), **fields)
        role_give(user=user, role=Role.RESEARCHER)
    return user


@cache
def _hash_quickly(password: str) -> str:
    # The site's own kind of hash, so that real servers accept it, with few rounds: hashing took most of the test time.
    return PBKDF2PasswordHasher().encode(password, salt="only-for-tests", iterations=1000)


def make_study(
    *,
    owner: User | None = None,
    slug: str = "study",
    arms: int = 2,
    given_items: int = 4,
    written_items: int = 0,
    given_per_participant: int = 4,
    written_per_participant: int = 0,
    raters_per_item: int = 3,
    comparison: bool = False,
    state: str = "open",
    practice: int = 0,
    seed: int = 1,
) -> Study:
    """Return a study with two five-point aspects, its arms, its items, and ready outputs for every given persona."""
    study = Study.objects.create(
        slug=slug,
        owner=owner or make_user(),
        kind=Study.Kind.OUTPUT_RATING,
        state=state,
        title=f"The {slug} study",
        contact="study@example.org",
        consent="Taking part is **voluntary**.",
        instructions="Read both responses, then answer every question.",
        debrief="Thank you. You compared *two kinds* of responses.",
        practice=[_practice_item(n) for n in range(1, practice + 1)],
        given_personas_per_participant=given_per_participant,
        written_personas_per_participant=written_per_participant,
        raters_per_item=raters_per_item,
        seed=seed,
        protocol_hash="" if state == Study.State.DRAFT else _digest(f"{slug} as opened"),
        opened_at=None if state == Study.State.DRAFT else timezone.now(),
        closed_at=timezone.now() if state == Study.State.CLOSED else None,
    )
    _make_aspects(study, comparison)
    Arm.objects.bulk_create(
        Arm(study=study, ordinal=n, fingerprint=_digest(f"{slug} arm {n}")) for n in range(1, arms + 1)
    )
    _make_items(study, given_items, written_items)
    return study


def _make_aspects(study: Study, comparison: bool) -> None:
    for ordinal, (key, question) in enumerate(
        [("answerability", "does this response answer the prompt?"), ("personalization", "is it made for the person?")],
        start=1,
    ):
        study.aspects.create(
            ordinal=ordinal,
            key=key,
            name=key.capitalize(),
            question=f"For me, {question}",
            question_for_others=f"For the person described, {question}",
            minimum=1,
            maximum=5,
            labels=SCALE_LABELS,
        )
    if comparison:
        study.aspects.create(
            ordinal=3,
            key="preference",
            name="Preference",
            kind=Aspect.Kind.COMPARISON,
            level=Aspect.Level.NOMINAL,
            question="Which response do you prefer overall?",
            question_for_others="Which response would this person prefer overall?",
            minimum=1,
            maximum=4,
            labels=["Left", "Right", "Tie", "Both bad"],
        )


def _make_items(study: Study, given: int, written: int) -> None:
    items = Item.objects.bulk_create(
        Item(study=study, ordinal=n, key=f"item-{n}", prompt=f"How do I spend free evening number {n}?", stratum="test")
        for n in range(1, given + written + 1)
    )
    personas = Persona.objects.bulk_create(
        Persona(
            item=item,
            source=Persona.Source.GIVEN,
            text=f"The user is a gardener of kind {item.ordinal} and prefers quiet evenings.",
            submitted_at=timezone.now(),
        )
        for item in items[:given]
    )
    Output.objects.bulk_create(
        _ready_output(persona, arm) for persona in personas for arm in study.arms.order_by("ordinal")
    )


def _ready_output(persona: Persona, arm: Arm) -> Output:
    # The text tells a test which item and arm it belongs to without naming the arm.
    return Output(
        persona=persona,
        arm=arm,
        state=Output.State.READY,
        text=f"Answer {'ABCDEFGH'[arm.ordinal - 1]} to prompt {persona.item.ordinal}: take a walk, then read.",
        fingerprint=arm.fingerprint,
        ready_at=timezone.now(),
    )


def _practice_item(number: int) -> dict[str, Any]:
    return {
        "prompt": f"Practice prompt {number}: what should I cook?",
        "persona": "The user is a student and prefers cheap meals.",
        "responses": ["Cook some rice.", "Cook rice with beans: it costs little and feeds you for two days."],
    }


def let_expire(assignments: QuerySet[Assignment]) -> None:
    """Let the time of these assignments have run out, for them and for the tallies that know when it does."""
    ago = timezone.now() - timedelta(minutes=1)
    assignments.update(expires_at=ago)
    UnitTally.objects.filter(recount_at__isnull=False).update(recount_at=ago)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
