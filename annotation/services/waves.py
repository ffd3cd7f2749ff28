"""Add items to an opened study, as a wave of their own: an amendment."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import Max
from django.utils import timezone

from annotation.errors import ServiceError
from annotation.models import Amendment, Arm, Item, Output, Participant, Persona, Study, User
from annotation.services.amendments import amendment_write
from annotation.services.definitions import images_write
from annotation.services.outputs import outputs_request_missing
from annotation.services.tallies import tallies_drop, tallies_make
from annotation.studyfile import ItemDefinition

_OF_AN_ITEM = ("key", "prompt", "stratum", "warning", "answer_start", "language", "image")
_MOST_NAMED = 10
Responses = Mapping[tuple[str, int], str]


def wave_add(
    *, study: Study, items: Sequence[ItemDefinition], responses: Responses, reason: str, user: User | None
) -> Amendment:
    """Add items, each with its given persona if it has one, to an open or paused study. Logged.

    `responses` are texts by item and number of the arm, for arms that no system answers for; what bound systems are to
    answer is queued. Places that exist stay as they are; new ones are handed out from then on.

    Raises:
        NotAllowedNow: the study is neither open nor paused.
        ServiceError: everything that is wrong with the items, or there is no reason.
    """
    problems = _problems(study, items, responses)
    if problems:
        raise ServiceError("\n".join(["Nothing was added:", *(f"- {problem}" for problem in problems)]))

    def change() -> list[dict[str, Any]]:
        _write(study, items, responses)
        outputs_request_missing(study=study)
        tallies_drop(study=study)
        for kind in Participant.Kind.values:
            if kind == Participant.Kind.PERSON or study.participants.filter(kind=kind).exists():
                tallies_make(study=study, kind=kind)
        hashed = {f"{key} arm {arm}": _sha256(text) for (key, arm), text in sorted(responses.items())}
        return [{"what": "items", "added": [item.key for item in items], "responses": hashed}]

    return amendment_write(study=study, reason=reason, user=user, change=change)


def _problems(study: Study, items: Sequence[ItemDefinition], responses: Responses) -> list[str]:
    if study.items_imported:
        return ["the study's items come from stages of the pipeline; make a new version for more of them"]
    if not items:
        return ["there is no item"]
    keys = [item.key for item in items]
    there = set(study.items.filter(key__in=keys).values_list("key", flat=True))
    twice = {key for key in keys if keys.count(key) > 1}
    given = [item.key for item in items if item.persona is not None]
    problems = [
        *([f"these ids are taken: {_listed(there)}"] if there else []),
        *([f"these ids stand twice: {_listed(twice)}"] if twice else []),
    ]
    if given and not study.given_personas_per_participant:
        problems.append(f"the study hands out no given personas; remove those of {_listed(given)}")
    if len(given) < len(items) and not study.written_personas_per_participant:
        problems.append(f"nobody writes a persona in this study; {_listed(set(keys) - set(given))} need one")
    return [*problems, *_response_problems(study, given, responses)]


def _response_problems(study: Study, given: Sequence[str], responses: Responses) -> list[str]:
    problems = []
    for arm in study.arms.order_by("ordinal"):
        brought = {key for key, number in responses if number == arm.ordinal}
        if arm.fingerprint and brought:
            problems.append(f"arm {arm.ordinal} is answered by its system; leave its responses out")
        elif not arm.fingerprint and set(given) - brought:
            problems.append(f"arm {arm.ordinal} has no system and no response for {_listed(set(given) - brought)}")
    foreign = {key for key, _ in responses} - set(given)
    return [*problems, *([f"there are responses for no given persona: {_listed(foreign)}"] if foreign else [])]


def _write(study: Study, items: Sequence[ItemDefinition], responses: Responses) -> None:
    last = study.items.aggregate(last=Max("ordinal"))["last"] or 0
    made = Item.objects.bulk_create(
        Item(study=study, ordinal=ordinal, **{name: getattr(item, name) for name in _OF_AN_ITEM})
        for ordinal, item in enumerate(items, start=last + 1)
    )
    images_write(study=study, images={item.image["sha256"]: item.image_file for item in items if item.image}, keep=True)
    now = timezone.now()
    personas = Persona.objects.bulk_create(
        Persona(item=row, source=Persona.Source.GIVEN, text=item.persona, submitted_at=now)
        for row, item in zip(made, items, strict=True)
        if item.persona is not None
    )
    arms: dict[int, Arm] = {arm.ordinal: arm for arm in study.arms.all()}
    Output.objects.bulk_create(
        Output(
            persona=persona, arm=arms[number], state=Output.State.READY, text=responses[persona.item.key, number],
            fingerprint=arms[number].fingerprint, ready_at=now,
        )
        for persona in personas
        for number in arms
        if (persona.item.key, number) in responses
    )  # fmt: skip


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _listed(keys: Sequence[str] | set[str]) -> str:
    shown = sorted(keys)[:_MOST_NAMED]
    return ", ".join(shown) + (f" and {len(keys) - len(shown)} more" if len(keys) > len(shown) else "")
