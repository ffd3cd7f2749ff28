"""Bots with opinions: answers that follow a latent quality, so that a rehearsal has effects to be found.

A latent value is the middle of the scale plus how lenient the bot is, how good this response or persona is (the same
for every bot), what the rehearsal plants for its condition, and noise. Conditions are arms by number and blocks of
personas by code: a rehearsal knows no more of systems than the rest of this package.
"""

import random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from annotation.errors import ServiceError
from annotation.models import Aspect, Assignment, Persona, Slot, Study
from annotation.orders import Order

LENIENCY, QUALITY, NOISE = 0.3, 0.5, 0.8  # standard deviations in points of the scale
INDIFFERENCE = 0.3  # responses whose latent values are closer than this are a tie
_EFFECT = re.compile(r"(?P<aspect>[^:=]+):(?:(?P<arm>\d+)|(?P<block>b-[0-9a-z]+)(?:/(?P<of>\d+))?)=(?P<size>[^=]+)")


@dataclass(frozen=True)
class Effect:
    """Points that an aspect gets on top, for an arm, for a block of personas, or for an arm beside such a persona."""

    aspect: str
    size: float
    arm: int | None = None
    block: str | None = None

    def applies(self, aspect: str, arm: int | None, block: str) -> bool:
        """Whether it does to what this arm answered for, or this aspect asks about, a persona of this block."""
        return self.aspect == aspect and self.arm in (None, arm) and self.block in (None, block)


@dataclass(frozen=True)
class _Place:
    """A slot of the page: what stands there. `arm` is None where it is no response."""

    position: int
    arm: int | None


def effects_of(study: Study, texts: Sequence[str]) -> list[Effect]:
    """Read effects such as `personalization:2=+0.6`, `applicability:b-1f2e3d4c=-0.5` or `preferred_response:b-…/1=1`.

    Raises:
        ServiceError: one is not written so, or names an aspect, arm or block that the study does not have.
    """
    aspects = set(study.aspects.exclude(kind=Aspect.Kind.CHECK).values_list("key", flat=True))
    arms = set(study.arms.values_list("ordinal", flat=True))
    blocks = set(Persona.objects.filter(item__study=study).exclude(block="").values_list("block", flat=True))
    effects = [_effect(text) for text in texts]
    for effect, text in zip(effects, texts, strict=True):
        for name, value, known in (("aspect", effect.aspect, aspects), ("arm", effect.arm, arms),
                                   ("block", effect.block, blocks)):  # fmt: skip
            if value is not None and value not in known:
                listed = ", ".join(map(str, sorted(known))) or "none"
                raise ServiceError(f"--effect {text}: the study has no {name} {value}; there are: {listed}.")
    return effects


class Opinions:
    """What one bot thinks of what stands on a page of a study; `seed` belongs to the rehearsal, `code` to the bot."""

    def __init__(self, study: Study, effects: Sequence[Effect], *, seed: int, code: str) -> None:
        self.aspects = {aspect.key: aspect for aspect in study.aspects.exclude(kind=Aspect.Kind.CHECK)}
        self.effects, self.seed, self.code = effects, seed, code
        self.random = random.Random(f"{seed} {code} noise")

    def answers(self, fields: Iterable[str]) -> dict[str, str]:
        """Return the answers to the fields of a rating page; none for checks and planted pairs."""
        asked = {name: key for name in fields if (key := _slot_and_aspect(name)) and key[1] in self.aspects}
        if not asked:
            return {}
        places, persona, block = _page(next(iter(asked.values()))[0])
        return {
            name: str(self._answer(self.aspects[aspect], places[slot], places.values(), persona, block))
            for name, (slot, aspect) in asked.items()
            if slot in places
        }

    def _answer(self, aspect: Aspect, place: _Place, page: Iterable[_Place], persona: str, block: str) -> int:
        if aspect.kind in (Aspect.Kind.COMPARISON, Aspect.Kind.PICK):
            shown = sorted((one for one in page if one.arm is not None), key=lambda one: one.position)
            left, right = (self._latent(aspect, one.arm, persona, block) for one in shown)
            return self._side(aspect, left - right)
        if aspect.orders:
            shown = [one for one in page if one.arm is not None]
            liked = {one.position: self._latent(aspect, one.arm, persona, block) for one in shown}
            return 1 + max(range(len(aspect.orders)), key=lambda order: _fits(aspect.orders[order], liked))
        # Of passages few are marked, whatever the most is that may be.
        middle = 1 if aspect.is_span else (aspect.minimum + aspect.maximum) / 2
        # Of a slider, an opinion moves as large a part of the way as it does on five points.
        unit = (aspect.maximum - aspect.minimum) / 4 if aspect.is_slider else 1
        lenient = unit * _normal(f"{self.seed} {self.code} {aspect.key}", LENIENCY)
        value = middle + lenient + self._latent(aspect, place.arm, persona, block, unit)
        return min(aspect.maximum, max(aspect.minimum, round(value)))

    def _latent(self, aspect: Aspect, arm: int | None, persona: str, block: str, unit: float = 1) -> float:
        planted = sum(effect.size for effect in self.effects if effect.applies(aspect.key, arm, block))
        quality = _normal(f"{self.seed} {persona} {arm} {aspect.key}", QUALITY)
        return unit * (quality + self.random.gauss(0, NOISE)) + planted

    def _side(self, aspect: Aspect, leaning: float) -> int:
        options = Aspect.COMPARISON_OPTIONS
        if aspect.kind == Aspect.Kind.COMPARISON and abs(leaning) < INDIFFERENCE:
            return 1 + options.index("tie")
        return 1 + options.index("left" if leaning > 0 else "right")


def _fits(order: Order, liked: Mapping[int, float]) -> float:
    """Return how far an order has what is liked before what is not; of best and worst, the first minus the last."""
    return sum(liked[before] - liked[after] for at, before in enumerate(order) for after in order[at + 1 :])


def _effect(text: str) -> Effect:
    match = _EFFECT.fullmatch(text.strip())
    try:
        size = float(match["size"]) if match else None
    except ValueError:
        size = None
    if match is None or size is None or not abs(size) < 100:
        raise ServiceError(
            f"--effect {text}: write ASPECT:ARM=POINTS, such as personalization:2=+0.6, or ASPECT:BLOCK=POINTS or "
            "ASPECT:BLOCK/ARM=POINTS with the code of a block of personas."
        )
    arm = match["arm"] or match["of"]
    return Effect(aspect=match["aspect"].strip(), size=size, arm=int(arm) if arm else None, block=match["block"])


def _slot_and_aspect(field: str) -> tuple[str, str] | None:
    """Return the keys in a field's name, answer-SLOT-ASPECT."""
    parts = field.split("-", 2)
    return (parts[1], parts[2]) if len(parts) == 3 and parts[0] == "answer" else None


def _page(slot_key: str) -> tuple[dict[str, _Place], str, str]:
    """Return what stands on the page that has this slot, by slot; what the persona says of which item; its block."""
    slots = Slot.objects.filter(assignment__slots__key=slot_key).exclude(assignment__kind=Assignment.Kind.CHECK)
    unit = [f"assignment__persona__{name}" for name in ("item__key", "text", "block")]
    rows: list[tuple[Any, ...]] = list(slots.values_list("key", "position", "output__arm__ordinal", *unit))
    places = {key: _Place(position, arm) for key, position, arm, *_ in rows}
    item, text, block = rows[0][3:] if rows else ("", "", "")
    return places, f"{item} {text}", block  # not the persona's random key: a rehearsal can be repeated


def _normal(seed: str, deviation: float) -> float:
    return random.Random(seed).gauss(0, deviation)
