"""Orders of responses as numbers: a ranking, or a choice of best and worst, is one value on one scale.

An order is a tuple of positions on the page, the best first. All that there can be are numbered from 1 in the order of
their positions, so that (1, 2, 3) is 1 and (3, 2, 1) is 6. Two responses cannot share a place: there is no such number.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from itertools import permutations

Order = tuple[int, ...]
FEWEST = 3  # of two, a comparison asks


@cache
def orders_of(responses: int, *, all_places: bool) -> tuple[Order, ...]:
    """Return the orders of so many responses, of all places, or of the first and the last place alone."""
    return tuple(permutations(range(1, responses + 1), responses if all_places else 2))


@cache
def orders_among(number: int, *, all_places: bool) -> tuple[Order, ...]:
    """Return the orders of which there are so many. Raises ValueError if that is no such number."""
    responses = FEWEST
    while len(found := orders_of(responses, all_places=all_places)) < number:
        responses += 1
    if len(found) != number:
        raise ValueError(f"{number} is not how many orders there are of any number of responses")
    return found


def places_of(order: Sequence[str], everybody: Iterable[str], *, all_places: bool) -> dict[str, int]:
    """Return the place of each by name: 1, 2, … in a ranking; else 1 for the best, -1 for the worst, 0 for others."""
    if all_places:
        return {name: place for place, name in enumerate(order, start=1)}
    return {**dict.fromkeys(everybody, 0), order[0]: 1, order[-1]: -1}
