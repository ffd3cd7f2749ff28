"""Who sees what next, and where: a pure function of the seed and the counts so far.

An *order* is a tuple of arm numbers: `order[i]` stands at position `i + 1`. Positions are counterbalanced within an
item, over the people who see it: each takes one of the orders that leave the arms' positions there most even, drawn
among equals. That is a permuted block for every item (Zelen 1974, J. Chronic Dis. 27). Who sees an item knows nothing
of the others there, so nobody can tell a side from those they have seen: were sides balanced within a participant,
every part would give the next one away (Blackwell & Hodges 1957, Ann. Math. Stat. 28; Efron 1971, Biometrika 58). For
the same reason an item that somebody meets again is placed by lot, whatever stood where before.

Within a participant chance balances. Only where the positions of an arm lie further apart than a coin leaves them for
one in some hundred people (BOUND) is a unit preferred that allows a step back, as in the big stick design (Soares & Wu
1983, Commun. Stat. 12), with a stick long enough to be met by hardly anybody. A unit may belong to a *block*: as long
as places last, a participant sees equally many units of every block, give or take one.

Units are looked up, not gone through. Each has a *draw*, a seeded hash, by which the units of a *level*, those of one
block that equally many people hold, stand in a ring. Every part of every participant starts at a seeded point of the
ring and looks at LOOKED_AT units at most. So a choice costs the same in a study of twenty items and of twenty thousand,
and the same seed and history always give the same study.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from heapq import merge, nsmallest
from itertools import islice, permutations
from math import ceil, floor, sqrt
from typing import Generic, Protocol, TypeVar

# Parts that stand between a part and its repetition, where there are enough.
REPEAT_DISTANCE = 2
# Units of one level that a choice compares at most. Where there are no more, nothing better is left out of sight.
LOOKED_AT = 64
# Standard deviations of a coin's balance beyond which a participant's sides are led back.
BOUND = 3
# Draws lie in a ring of so many.
RING = 2**63

Order = tuple[int, ...]
# (arm number, position) -> how often that arm stood at that position
Sides = Counter[tuple[int, int]]
# A block, and how many people hold each of its units.
Level = tuple[str, int]


@dataclass(frozen=True)
class Unit:
    """Something that can be assigned: a given persona, or an item to write a persona for.

    `taken` is how many hold or have filled a place (live and completed assignments), `sides` the positions those gave
    to the arms. `draw` is its place in the ring, made by `draw_of` from what is the same in every database. `by_lot`
    says that the participant knows something of those positions, since they have seen the item.
    """

    key: int
    draw: int
    taken: int
    sides: Sides = field(default_factory=Counter)
    block: str = ""
    by_lot: bool = False


UnitT = TypeVar("UnitT", bound=Unit)
UnitT_co = TypeVar("UnitT_co", bound=Unit, covariant=True)


class Pool(Protocol[UnitT_co]):
    """Where units come from. Those that the participant has seen before are not among them."""

    def levels(self) -> Collection[Level]:
        """Return the levels whose units have a place left; some may turn out to be empty."""

    def ring(self, level: Level, start: int) -> Iterator[UnitT_co]:
        """Yield up to LOOKED_AT units of a level by their draws, from `start` on and once round."""


class UnitList:
    """A pool in memory: units with so many places each."""

    def __init__(self, units: Sequence[Unit], *, places: int) -> None:
        self._levels: defaultdict[Level, list[Unit]] = defaultdict(list)
        for unit in units:
            if unit.taken < places:
                self._levels[unit.block, unit.taken].append(unit)

    def levels(self) -> Collection[Level]:
        """Return the levels whose units have a place left."""
        return self._levels

    def ring(self, level: Level, start: int) -> Iterator[Unit]:
        """Yield up to LOOKED_AT units of a level by their draws, from `start` on and once round."""
        return iter(nsmallest(LOOKED_AT, self._levels[level], key=_distance(start)))


@dataclass(frozen=True)
class Choice(Generic[UnitT]):
    """The unit to assign and the order of its arms."""

    unit: UnitT
    order: Order


def choose_unit(
    *,
    seed: int,
    participant: int,
    part: int,
    arms: int,
    pool: Pool[UnitT],
    participant_sides: Sides,
    participant_blocks: Mapping[str, int] | None = None,
) -> Choice[UnitT] | None:
    """Return what the participant sees as their part number `part`, or None when no unit has a place left.

    Units of the block that the participant has seen least of come first, then those that fewest people hold, then those
    that come first in the ring from this part's own point on. Only a participant whose sides are far out of balance
    gets, among these, the first one that leads back.
    """
    allowed = _orders_within_bound(participant_sides, arms)
    start = draw_of(seed, participant, part, "start")
    for levels in _by_block(pool.levels(), participant_blocks or {}):
        best = _best_unit(_in_turn(pool, levels, start), allowed, arms)
        if best:
            unit, fitting = best
            return Choice(unit, _pick(fitting, (seed, participant, unit.draw)))
    return None


def choose_order(
    *, seed: int, participant: int, key: Hashable, arms: int, participant_sides: Sides, item_sides: Sides
) -> Order:
    """Return the order of the arms for a unit that is already chosen; `item_sides` are empty to draw it by lot."""
    balancing = _orders_balancing(item_sides, arms)
    allowed = _orders_within_bound(participant_sides, arms)
    return _pick([order for order in balancing if order in allowed] or balancing, (seed, participant, key))


def choose_repeat(*, seed: int, participant: int, done: Mapping[int, int], next_part: int) -> int | None:
    """Return which part to show again, or None when there is none.

    `done` maps what may be repeated to the part it stood at, `next_part` is where it would stand now. Parts with
    REPEAT_DISTANCE others in between come first, in a seeded order; where there is none, the one longest ago.
    """
    far = [key for key, part in done.items() if next_part - part > REPEAT_DISTANCE]
    if far:
        return min(far, key=lambda key: draw_of(seed, participant, "repeat", done[key]))
    return min(done, key=lambda key: done[key], default=None)


def repeats_of(*, share: float, parts: int) -> int:
    """Return how many of a participant's `parts` are shown again: the share, rounded up."""
    return ceil(round(share * parts, 6))  # 0.07 * 100 is a little above 7


def overlaps_of(*, share: float, parts: int, participant: int) -> int:
    """Return how many of others' units participant number `participant` (from 1) rates as well.

    Fractions add up over the participants: with 0.4 per head, two in five have one.
    """
    each = round(share * parts, 6)
    return floor(round(participant * each, 6)) - floor(round((participant - 1) * each, 6))


def overlaps_at_most(*, share: float, parts: int) -> int:
    """Return how many of others' units anybody rates at most: twice the mean, for what earlier people left over."""
    return ceil(round(2 * share * parts, 6))


def overlap_wanted(*, share: float, units: int) -> int:
    """Return how many of `units` somebody else is to rate too: the share, to the nearest whole number."""
    return floor(round(share * units, 6) + 0.5)


def sides_of(order: Order) -> Sides:
    """Return the (arm, position) counts of one order."""
    return Counter((arm, position) for position, arm in enumerate(order, start=1))


def draw_of(*parts: object) -> int:
    """Return a hash of the parts as a number from 0 to 2⁶³ - 1, which every database can hold."""
    return int.from_bytes(hashlib.sha256("\x1f".join(map(repr, parts)).encode()).digest()[:8]) % RING


def _distance(start: int) -> Callable[[Unit], int]:
    return lambda unit: (unit.draw - start) % RING


def _by_block(levels: Iterable[Level], seen: Mapping[str, int]) -> list[list[Level]]:
    """Return the levels of the blocks that the participant has seen least of, then those of the next, and so on."""
    groups: defaultdict[int, list[Level]] = defaultdict(list)
    for block, taken in levels:
        groups[seen.get(block, 0)].append((block, taken))
    return [groups[times] for times in sorted(groups)]


def _in_turn(pool: Pool[UnitT], levels: list[Level], start: int) -> Iterator[UnitT]:
    """Yield what is to be compared: units that fewest people hold first, and those of one height by the ring."""
    for height in sorted({taken for _, taken in levels}):
        rings = [pool.ring((block, taken), start) for block, taken in sorted(levels) if taken == height]
        yield from islice(merge(*rings, key=_distance(start)), LOOKED_AT)


def _best_unit(units: Iterable[UnitT], allowed: "list[_Placing]", arms: int) -> "tuple[UnitT, list[_Placing]] | None":
    """Return the first unit of which one of the orders that balance it best is allowed, else the first, with these."""
    first = None
    for unit in units:
        balancing = _orders_balancing(Counter() if unit.by_lot else unit.sides, arms)
        if fitting := [order for order in balancing if order in allowed]:
            return unit, fitting
        first = first or (unit, balancing)
    return first


# An order, and for each of its places where the spread of that arm's row stands among `_spreads`.
_Placing = tuple[Order, tuple[int, ...]]


@lru_cache
def _placings(arms: int) -> list[_Placing]:
    return [
        (order, tuple(arm * arms + position for position, arm in enumerate(order)))
        for order in permutations(range(arms))
    ]


def _orders_balancing(sides: Sides, arms: int) -> list[_Placing]:
    """Return the orders after which the positions of every arm lie least far apart."""
    costs = _costs(sides, arms)
    least = min(costs)
    return [order for order, cost in zip(_placings(arms), costs, strict=True) if cost == least]


def _orders_within_bound(sides: Sides, arms: int) -> list[_Placing]:
    """Return the orders after which they lie no further apart than BOUND, or than now where that is further."""
    parts = sum(sides[0, position] for position in range(1, arms + 1)) + 1
    costs = _costs(sides, arms)
    bound = max(BOUND * sqrt(parts), min(costs))
    return [order for order, cost in zip(_placings(arms), costs, strict=True) if cost <= bound]


def _costs(sides: Sides, arms: int) -> list[int]:
    """Return, for every order, how far the positions of an arm would lie apart at most."""
    spread = _spreads(sides, arms).__getitem__
    return [max(map(spread, places), default=0) for _, places in _placings(arms)]


def _spreads(sides: Sides, arms: int) -> list[int]:
    """Return, for every arm and position, how far the arm's positions would lie apart with one more at this one."""
    rows = (tuple(sides[arm, position] for position in range(1, arms + 1)) for arm in range(arms))
    return [spread for row in rows for spread in _spreads_of_row(row)]


@lru_cache(maxsize=4096)
def _spreads_of_row(row: tuple[int, ...]) -> tuple[int, ...]:
    after = (row[:place] + (row[place] + 1,) + row[place + 1 :] for place in range(len(row)))
    return tuple(max(counts) - min(counts) for counts in after)


def _pick(fitting: list[_Placing], label: tuple[object, ...]) -> Order:
    return fitting[draw_of(*label, "order") % len(fitting)][0]
