"""Who sees what next, and where: a pure function of the seed and the counts so far.

An *order* is a tuple of arm numbers: `order[i]` stands at position `i + 1`. Positions are counterbalanced twice:
within a participant, strictly (after every assignment each arm has stood at each position equally often, give or
take one), and within an item as far as a unit can still be chosen that allows it. A unit may belong to a *block*: as
long as places last, a participant sees equally many units of every block, give or take one. All ties break by a seeded
hash, so the same seed and history always give the same study.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from math import ceil, floor

# Parts that stand between a part and its repetition, where there are enough.
REPEAT_DISTANCE = 2

Order = tuple[int, ...]
# (arm number, position) -> how often that arm stood at that position
Sides = Counter[tuple[int, int]]


@dataclass(frozen=True)
class Unit:
    """Something that can be assigned: a given persona, or an item to write a persona for.

    `places` is how many participants are wanted, `taken` how many hold or have filled a place (live and completed
    assignments), `sides` the positions those gave to the arms. Participants see equally much of each `block`. `label`
    stands for the unit in seeded hashes: unlike the key, it is the same in every database.
    """

    key: int
    label: str
    places: int
    taken: int
    sides: Sides = field(default_factory=Counter)
    block: str = ""


@dataclass(frozen=True)
class Choice:
    """The unit to assign and the order of its arms."""

    unit: Unit
    order: Order


def choose_unit(
    *,
    seed: int,
    participant: int,
    arms: int,
    units: Sequence[Unit],
    participant_sides: Sides,
    participant_blocks: Mapping[str, int] | None = None,
) -> Choice | None:
    """Return what the participant sees next, or None when no unit has a place left.

    Units of the block that the participant has seen least of come first, then those that keep the item's sides
    balanced, then those that fewest people hold, then a seeded order of the participant's own. Units the participant
    has seen before must not be among `units`.
    """
    orders = _orders_balancing(participant_sides, arms)
    blocks = participant_blocks or {}
    ranked = []
    for unit in units:
        if unit.taken >= unit.places:
            continue
        order = _best_order(orders, unit.sides, arms, (seed, participant, unit.label))
        excess = max(0, imbalance(unit.sides, order, arms) - 1)
        rank = (blocks.get(unit.block, 0), excess, unit.taken, _seeded(seed, participant, unit.label))
        ranked.append((rank, Choice(unit, order)))
    return min(ranked, key=lambda row: row[0])[1] if ranked else None


def choose_order(
    *, seed: int, participant: int, key: Hashable, arms: int, participant_sides: Sides, item_sides: Sides
) -> Order:
    """Return the order of the arms for a unit that is already chosen."""
    return _best_order(_orders_balancing(participant_sides, arms), item_sides, arms, (seed, participant, key))


def choose_repeat(*, seed: int, participant: int, done: Mapping[int, int], next_part: int) -> int | None:
    """Return which part to show again, or None when there is none.

    `done` maps what may be repeated to the part it stood at, `next_part` is where it would stand now. Parts with
    REPEAT_DISTANCE others in between come first, in a seeded order; where there is none, the one longest ago.
    """
    far = [key for key, part in done.items() if next_part - part > REPEAT_DISTANCE]
    if far:
        return min(far, key=lambda key: _seeded(seed, participant, "repeat", done[key]))
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


def imbalance(sides: Sides, order: Order, arms: int) -> int:
    """Return the largest difference between positions, over arms, after `order` is added; 0 where there are no arms."""
    after = sides + sides_of(order)
    positions = range(1, arms + 1)
    counts = [[after[arm, position] for position in positions] for arm in range(arms)]
    return max((max(row) - min(row) for row in counts), default=0)


def sides_of(order: Order) -> Sides:
    """Return the (arm, position) counts of one order."""
    return Counter((arm, position) for position, arm in enumerate(order, start=1))


def _orders_balancing(sides: Sides, arms: int) -> list[Order]:
    return _least(permutations(range(arms)), lambda order: imbalance(sides, order, arms))


def _best_order(orders: list[Order], item_sides: Sides, arms: int, label: tuple[object, ...]) -> Order:
    best = _least(orders, lambda order: imbalance(item_sides, order, arms))
    return min(best, key=lambda order: _seeded(*label, order))


def _least(orders: Iterable[Order], cost: Callable[[Order], int]) -> list[Order]:
    costs = {order: cost(order) for order in orders}
    least = min(costs.values())
    return [order for order, value in costs.items() if value == least]


def _seeded(*parts: object) -> bytes:
    return hashlib.sha256("\x1f".join(map(repr, parts)).encode()).digest()
