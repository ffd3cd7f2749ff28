"""The allocation is pure: seed and counts in, unit and sides out."""

from collections import Counter
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.allocation import Sides, Unit, choose_order, choose_unit, imbalance, sides_of


class Simulation:
    """A study on paper: participants ask for units in any order, some never finish."""

    def __init__(self, *, seed: int, arms: int, units: int, places: int) -> None:
        self.seed, self.arms, self.places = seed, arms, places
        self.taken: Counter[int] = Counter()
        self.unit_sides: dict[int, Sides] = {unit: Counter() for unit in range(units)}
        self.participant_sides: dict[int, Sides] = {}
        self.seen: dict[int, set[int]] = {}

    def step(self, participant: int) -> int | None:
        seen = self.seen.setdefault(participant, set())
        sides = self.participant_sides.setdefault(participant, Counter())
        choice = choose_unit(
            seed=self.seed,
            participant=participant,
            arms=self.arms,
            units=[
                Unit(key=unit, places=self.places, taken=self.taken[unit], sides=self.unit_sides[unit])
                for unit in self.unit_sides
                if unit not in seen
            ],
            participant_sides=sides,
        )
        if choice is None:
            return None
        unit = choice.unit.key
        assert isinstance(unit, int)
        seen.add(unit)
        self.taken[unit] += 1
        sides.update(sides_of(choice.order))
        self.unit_sides[unit].update(sides_of(choice.order))
        return unit


def spread(sides: Sides, arms: int) -> int:
    """The largest difference between positions, over arms."""
    return max(
        max(sides[arm, p] for p in range(1, arms + 1)) - min(sides[arm, p] for p in range(1, arms + 1))
        for arm in range(arms)
    )


arrivals = st.lists(st.integers(0, 9), max_size=120)


@given(
    seed=st.integers(0, 2**31),
    arms=st.integers(2, 3),
    units=st.integers(1, 12),
    places=st.integers(1, 6),
    order=arrivals,
)
@settings(max_examples=150, deadline=None)
def test_positions_of_an_arm_never_differ_by_more_than_one_within_a_participant(seed, arms, units, places, order):
    study = Simulation(seed=seed, arms=arms, units=units, places=places)
    for participant in order:
        study.step(participant)
        assert spread(study.participant_sides[participant], arms) <= 1


@given(seed=st.integers(0, 2**31), units=st.integers(1, 12), places=st.integers(1, 6), order=arrivals)
@settings(max_examples=150, deadline=None)
def test_no_unit_gets_more_people_than_it_has_places_and_nobody_a_unit_twice(seed, units, places, order):
    study = Simulation(seed=seed, arms=2, units=units, places=places)
    served = Counter((participant, study.step(participant)) for participant in order)
    assert all(taken <= places for taken in study.taken.values())
    assert all(n == 1 for (_, unit), n in served.items() if unit is not None)


@given(seed=st.integers(0, 2**31), units=st.integers(1, 12), places=st.integers(1, 6), order=arrivals)
@settings(max_examples=150, deadline=None)
def test_nothing_is_refused_while_a_place_is_left(seed, units, places, order):
    study = Simulation(seed=seed, arms=2, units=units, places=places)
    for participant in order:
        free = [u for u in study.unit_sides if study.taken[u] < places and u not in study.seen.get(participant, set())]
        assert (study.step(participant) is None) == (not free)


@given(seed=st.integers(0, 2**31), units=st.integers(2, 20), places=st.sampled_from([2, 4, 6]))
@settings(max_examples=60, deadline=None)
def test_a_fully_crossed_study_with_an_even_number_of_raters_is_balanced_within_every_item(seed, units, places):
    study = Simulation(seed=seed, arms=2, units=units, places=places)
    for participant in range(places):
        while study.step(participant) is not None:
            pass
    assert all(taken == places for taken in study.taken.values())
    assert all(spread(sides, 2) == 0 for sides in study.unit_sides.values())


def test_items_stay_balanced_when_many_people_rate_a_few_items_each_in_turns():
    study = Simulation(seed=3, arms=2, units=60, places=8)
    for _ in range(12):
        for participant in range(40):
            study.step(participant)
    assert max(spread(sides, 2) for sides in study.unit_sides.values()) <= 2
    off = sum(spread(sides, 2) > 1 for sides in study.unit_sides.values())
    assert off <= 3, f"{off} of 60 items are out of balance"


def test_the_same_seed_and_history_give_the_same_study_and_another_seed_another():
    def walk(seed: int) -> list[int | None]:
        study = Simulation(seed=seed, arms=2, units=10, places=3)
        return [study.step(participant) for participant in [0, 1, 2] * 6]

    assert walk(1) == walk(1)
    assert walk(1) != walk(2)


def test_participants_do_not_all_get_the_items_in_the_same_order():
    first = set()
    for participant in range(30):
        study = Simulation(seed=1, arms=2, units=10, places=3)
        first.add(study.step(participant))
    assert len(first) >= 5


def test_units_that_fewest_people_hold_come_first():
    units = [Unit(key=1, places=3, taken=2), Unit(key=2, places=3, taken=0), Unit(key=3, places=3, taken=1)]
    choice = choose_unit(seed=0, participant=1, arms=2, units=units, participant_sides=Counter())
    assert choice is not None
    assert choice.unit.key == 2


def test_the_first_side_is_not_the_same_for_everybody():
    empty: Sides = Counter()
    orders = Counter(
        choose_order(seed=1, participant=n, key="item", arms=2, participant_sides=empty, item_sides=empty)
        for n in range(200)
    )
    assert set(orders) == {(0, 1), (1, 0)}
    assert 70 <= orders[0, 1] <= 130


def test_sides_alternate_once_a_participant_is_out_of_balance():
    sides: Sides = Counter()
    orders = []
    for key in range(6):
        order = choose_order(seed=5, participant=1, key=key, arms=2, participant_sides=sides, item_sides=Counter())
        sides.update(sides_of(order))
        orders.append(order)
    assert all(first != second for first, second in list(pairwise(orders))[::2])
    assert imbalance(sides, (0, 1), 2) == 1
