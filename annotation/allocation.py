"""Who sees what next, and where: a pure function of the seed and the counts so far.

An *order* is a tuple of arm numbers: `order[i]` stands at position `i + 1`. Positions are counterbalanced twice:
within a participant, strictly (after every assignment each arm has stood at each position equally often, give or
take one), and within an item as far as a unit can still be chosen that allows it. All ties break by a seeded hash,
so the same seed and history always give the same study.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import permutations

Order = tuple[int, ...]
# (arm number, position) -> how often that arm stood at that position
Sides = Counter[tuple[int, int]]


@dataclass(frozen=True)
class Unit:
    """Something that can be assigned: a given persona, or an item to write a persona for.

    `places` is how many participants are wanted, `taken` how many hold or have filled a place (live and completed
    assignments), `sides` the positions those assignments gave to the arms.
    """

    key: Hashable
    places: int
    taken: int
    sides: Sides = field(default_factory=Counter)


@dataclass(frozen=True)
class Choice:
    """The unit to assign and the order of its arms."""

    unit: Unit
    order: Order


def choose_unit(
    *, seed: int, participant: int, arms: int, units: Sequence[Unit], participant_sides: Sides
) -> Choice | None:
    """Return what the participant sees next, or None when no unit has a place left.

    Units that keep the item's sides balanced come first, then those that fewest people hold, then a seeded order of
    the participant's own. Units the participant has seen before must not be among `units`.
    """
    orders = _orders_balancing(participant_sides, arms)
    ranked = []
    for unit in units:
        if unit.taken >= unit.places:
            continue
        order = _best_order(orders, unit.sides, arms, (seed, participant, unit.key))
        excess = max(0, imbalance(unit.sides, order, arms) - 1)
        ranked.append((excess, unit.taken, _seeded(seed, participant, unit.key), Choice(unit, order)))
    return min(ranked, key=lambda row: row[:3])[3] if ranked else None


def choose_order(
    *, seed: int, participant: int, key: Hashable, arms: int, participant_sides: Sides, item_sides: Sides
) -> Order:
    """Return the order of the arms for a unit that is already chosen."""
    return _best_order(_orders_balancing(participant_sides, arms), item_sides, arms, (seed, participant, key))


def imbalance(sides: Sides, order: Order, arms: int) -> int:
    """Return the largest difference between positions, over arms, after `order` is added to `sides`."""
    after = sides + sides_of(order)
    return max(
        max(after[arm, position] for position in range(1, arms + 1))
        - min(after[arm, position] for position in range(1, arms + 1))
        for arm in range(arms)
    )


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
