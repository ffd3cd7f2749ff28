"""The allocation is pure: seed and counts in, unit and sides out."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise, permutations

from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.allocation import (
    LOOKED_AT,
    REPEAT_DISTANCE,
    RING,
    Order,
    Sides,
    Unit,
    UnitList,
    choose_order,
    choose_repeat,
    choose_unit,
    draw_of,
    overlap_wanted,
    overlaps_of,
    repeats_of,
    sides_of,
)
from tests.predicting import Leaks, side_clues


class Simulation:
    """A study on paper: participants ask for units in any order, some never finish."""

    def __init__(self, *, seed: int, arms: int, units: int, places: int) -> None:
        self.seed, self.arms, self.places = seed, arms, places
        self.taken: Counter[int] = Counter()
        self.unit_sides: dict[int, Sides] = {unit: Counter() for unit in range(units)}
        self.participant_sides: dict[int, Sides] = {}
        self.seen: dict[int, set[int]] = {}
        self.orders: defaultdict[int, list[Order]] = defaultdict(list)

    def step(self, participant: int) -> int | None:
        seen = self.seen.setdefault(participant, set())
        sides = self.participant_sides.setdefault(participant, Counter())
        choice = choose_unit(
            seed=self.seed,
            participant=participant,
            arms=self.arms,
            part=len(seen) + 1,
            pool=UnitList(
                [
                    Unit(key=unit, draw=draw_of(self.seed, unit), taken=self.taken[unit], sides=self.unit_sides[unit])
                    for unit in self.unit_sides
                    if unit not in seen
                ],
                places=self.places,
            ),
            participant_sides=sides,
        )
        if choice is None:
            return None
        unit = choice.unit.key
        assert isinstance(unit, int)
        seen.add(unit)
        self.taken[unit] += 1
        sides.update(sides_of(choice.order))
        self.orders[participant].append(choice.order)
        self.unit_sides[unit].update(sides_of(choice.order))
        return unit


def spread(sides: Sides, arms: int) -> int:
    """The largest difference between positions, over arms."""
    return max(
        max(sides[arm, p] for p in range(1, arms + 1)) - min(sides[arm, p] for p in range(1, arms + 1))
        for arm in range(arms)
    )


def imbalance(sides: Sides, order: Order, arms: int) -> int:
    """The largest difference between positions, over arms, once the order is added."""
    return spread(sides + sides_of(order), arms)


arrivals = st.lists(st.integers(0, 9), max_size=120)


@given(
    seed=st.integers(0, 2**31),
    arms=st.integers(2, 3),
    units=st.integers(1, 12),
    places=st.integers(1, 6),
    order=arrivals,
)
@settings(max_examples=150, deadline=None)
def test_positions_of_an_arm_differ_within_a_unit_by_as_little_as_can_be(
    seed: int, arms: int, units: int, places: int, order: list[int]
) -> None:
    study = Simulation(seed=seed, arms=arms, units=units, places=places)
    for participant in order:
        study.step(participant)
        for unit, sides in study.unit_sides.items():
            assert spread(sides, arms) <= 1, unit


def test_no_side_can_be_told_from_those_that_a_participant_has_seen() -> None:
    leaks = Leaks()
    for seed in range(40):
        study = Simulation(seed=seed, arms=2, units=18, places=20)
        for _ in range(18):
            for participant in range(20):
                study.step(participant)
        for orders in study.orders.values():
            for clues, side in side_clues([-1 if order == (0, 1) else 1 for order in orders]):
                leaks.note(clues, truth=side, of="the next side")
    assert min(leaks.said.values()) > 3000
    assert not leaks.found(), leaks.found()


def test_sides_of_a_participant_stay_within_a_wide_bound_where_units_allow_it() -> None:
    """All is drawn to one side here; a unit that allows the other one is taken as soon as the bound is met."""
    one_sided: Sides = Counter({(0, 1): 30, (1, 2): 30})
    due = Unit(key=1, draw=5, taken=0, sides=Counter({(0, 2): 1, (1, 1): 1}))  # only arm 0 on the left evens it out
    free = Unit(key=2, draw=RING // 2, taken=0)
    drawn = [
        choose_unit(
            seed=seed, participant=1, part=1, arms=2, pool=UnitList([due, free], places=9), participant_sides=mine
        )
        for mine in (Counter(), one_sided)
        for seed in range(40)
    ]
    balanced, led_back = drawn[:40], drawn[40:]
    assert {choice.unit.key for choice in balanced if choice} == {1, 2}
    assert {(choice.unit.key, choice.order) for choice in led_back if choice} == {(2, (1, 0))}


def test_what_a_participant_has_met_before_is_placed_whatever_stood_where() -> None:
    sides: Sides = Counter({(0, 1): 1, (1, 2): 1})
    orders = {
        by_lot: Counter(
            choice.order
            for seed in range(60)
            if (
                choice := choose_unit(
                    seed=seed, participant=1, part=2, arms=2, participant_sides=Counter(),
                    pool=UnitList([Unit(key=1, draw=1, taken=0, sides=sides, by_lot=by_lot)], places=2),
                )
            )
        )
        for by_lot in (False, True)
    }  # fmt: skip
    assert orders[False] == {(1, 0): 60}
    assert min(orders[True].values()) > 15


@given(seed=st.integers(0, 2**31), units=st.integers(1, 12), places=st.integers(1, 6), order=arrivals)
@settings(max_examples=150, deadline=None)
def test_no_unit_gets_more_people_than_it_has_places_and_nobody_a_unit_twice(
    seed: int, units: int, places: int, order: list[int]
) -> None:
    study = Simulation(seed=seed, arms=2, units=units, places=places)
    served = Counter((participant, study.step(participant)) for participant in order)
    assert all(taken <= places for taken in study.taken.values())
    assert all(n == 1 for (_, unit), n in served.items() if unit is not None)


@given(seed=st.integers(0, 2**31), units=st.integers(1, 12), places=st.integers(1, 6), order=arrivals)
@settings(max_examples=150, deadline=None)
def test_nothing_is_refused_while_a_place_is_left(seed: int, units: int, places: int, order: list[int]) -> None:
    study = Simulation(seed=seed, arms=2, units=units, places=places)
    for participant in order:
        free = [u for u in study.unit_sides if study.taken[u] < places and u not in study.seen.get(participant, set())]
        assert (study.step(participant) is None) == (not free)


@given(seed=st.integers(0, 2**31), units=st.integers(2, 20), places=st.sampled_from([2, 4, 6]))
@settings(max_examples=60, deadline=None)
def test_a_fully_crossed_study_with_an_even_number_of_raters_is_balanced_within_every_item(
    seed: int, units: int, places: int
) -> None:
    study = Simulation(seed=seed, arms=2, units=units, places=places)
    for participant in range(places):
        while study.step(participant) is not None:
            pass
    assert all(taken == places for taken in study.taken.values())
    assert all(spread(sides, 2) == 0 for sides in study.unit_sides.values())


def test_items_stay_balanced_when_many_people_rate_a_few_items_each_in_turns() -> None:
    study = Simulation(seed=3, arms=2, units=60, places=8)
    for _ in range(12):
        for participant in range(40):
            study.step(participant)
    assert max(spread(sides, 2) for sides in study.unit_sides.values()) <= 2
    off = sum(spread(sides, 2) > 1 for sides in study.unit_sides.values())
    assert off <= 3, f"{off} of 60 items are out of balance"


def test_the_same_seed_and_history_give_the_same_study_and_another_seed_another() -> None:
    def walk(seed: int) -> list[int | None]:
        study = Simulation(seed=seed, arms=2, units=10, places=3)
        return [study.step(participant) for participant in [0, 1, 2] * 6]

    assert walk(1) == walk(1)
    assert walk(1) != walk(2)


def test_participants_do_not_all_get_the_items_in_the_same_order() -> None:
    first = set()
    for participant in range(30):
        study = Simulation(seed=1, arms=2, units=10, places=3)
        first.add(study.step(participant))
    assert len(first) >= 5


def test_units_that_fewest_people_hold_come_first() -> None:
    units = [
        Unit(key=1, draw=1, taken=2),
        Unit(key=2, draw=2, taken=0),
        Unit(key=3, draw=3, taken=1),
    ]
    choice = choose_unit(
        seed=0, participant=1, part=1, arms=2, pool=UnitList(units, places=3), participant_sides=Counter()
    )
    assert choice is not None
    assert choice.unit.key == 2


def test_the_first_side_is_not_the_same_for_everybody() -> None:
    empty: Sides = Counter()
    orders = Counter(
        choose_order(seed=1, participant=n, key="item", arms=2, participant_sides=empty, item_sides=empty)
        for n in range(200)
    )
    assert set(orders) == {(0, 1), (1, 0)}
    assert 70 <= orders[0, 1] <= 130


@given(
    seed=st.integers(0, 2**31),
    arms=st.integers(2, 4),
    raters=st.integers(1, 5),
    items=st.lists(
        st.tuples(st.lists(st.integers(0, 23), max_size=4), st.sampled_from("abc")), min_size=1, max_size=40
    ),
    seen=st.lists(st.integers(0, 23), max_size=5),
)
@settings(max_examples=200, deadline=None)
def test_among_as_few_units_as_a_choice_looks_at_it_is_the_best_of_all(
    seed: int, arms: int, raters: int, items: list[tuple[list[int], str]], seen: list[int]
) -> None:
    orders = list(permutations(range(arms)))

    def stood(numbers: list[int]) -> Sides:
        return sum((sides_of(orders[number % len(orders)]) for number in numbers), Counter())

    units = [
        Unit(key=key, draw=draw_of(seed, key), taken=len(past), sides=stood(past), block=block)
        for key, (past, block) in enumerate(items)
    ]
    mine, blocks = stood(seen), Counter("ab")
    choice = choose_unit(
        seed=seed, participant=1, part=1, arms=arms, pool=UnitList(units, places=raters), participant_sides=mine,
        participant_blocks=blocks,
    )  # fmt: skip

    def rank(unit: Unit) -> tuple[int, int]:
        return blocks[unit.block], unit.taken

    ranks = [rank(unit) for unit in units if unit.taken < raters]
    assert (choice is None) == (not ranks)
    if choice:
        assert rank(choice.unit) == min(ranks)
        assert imbalance(choice.unit.sides, choice.order, arms) == min(
            imbalance(choice.unit.sides, order, arms) for order in orders
        )


def test_a_choice_looks_at_so_many_units_of_a_level_and_at_no_more() -> None:
    looked: list[int] = []

    class Counting(UnitList):
        def ring(self, level: tuple[str, int], start: int) -> Iterator[Unit]:
            for unit in super().ring(level, start):
                looked.append(unit.taken)
                yield unit

    one_sided: Sides = Counter({(0, 1): 1, (1, 2): 1})
    mine: Sides = Counter({(0, 2): 30, (1, 1): 30})  # far out of balance: no unit allows the order that leads back
    units = [Unit(key=key, draw=key, taken=key % 2, sides=one_sided) for key in range(10 * LOOKED_AT)]
    pool = Counting(units, places=2)
    choice = choose_unit(seed=1, participant=1, part=1, arms=2, pool=pool, participant_sides=mine)
    assert choice is not None and choice.unit.taken == 0
    assert Counter(looked) == {0: LOOKED_AT, 1: LOOKED_AT}


def test_no_unit_always_follows_the_same_other_one() -> None:
    after: defaultdict[int | None, set[int | None]] = defaultdict(set)
    for participant in range(40):
        study = Simulation(seed=2, arms=2, units=12, places=1)
        walk = [study.step(participant) for _ in range(12)]
        for one, other in pairwise(walk):
            after[one].add(other)
    assert all(len(others) > 3 for others in after.values())


# --- Blocks ------------------------------------------------------------------------------------------------------


@given(
    seed=st.integers(0, 2**31),
    blocks=st.lists(st.integers(1, 8), min_size=1, max_size=4),
    places=st.integers(1, 3),
    order=arrivals,
)
@settings(max_examples=150, deadline=None)
def test_blocks_differ_by_at_most_one_within_a_participant_as_long_as_places_last(
    seed: int, blocks: list[int], places: int, order: list[int]
) -> None:
    block_of = dict(enumerate(str(block) for block, size in enumerate(blocks) for _ in range(size)))
    taken: Counter[int] = Counter()
    seen: dict[int, set[int]] = {}
    counts: dict[int, Counter[str]] = {}
    for participant in order:
        mine, numbers = seen.setdefault(participant, set()), counts.setdefault(participant, Counter())
        units = [
            Unit(key=unit, draw=draw_of(seed, unit), taken=taken[unit], block=block)
            for unit, block in block_of.items()
            if unit not in mine
        ]
        left = {unit.block for unit in units if unit.taken < places}
        choice = choose_unit(
            seed=seed, participant=participant, part=len(mine) + 1, arms=2, pool=UnitList(units, places=places),
            participant_sides=Counter(), participant_blocks=numbers,
        )  # fmt: skip
        assert (choice is None) == (not left)
        if choice:
            assert numbers[choice.unit.block] == min(numbers[block] for block in left)
            mine.add(choice.unit.key)
            taken[choice.unit.key] += 1
            numbers[choice.unit.block] += 1


def test_a_study_without_arms_still_hands_out_its_units() -> None:
    choice = choose_unit(
        seed=1,
        participant=1,
        part=1,
        arms=0,
        pool=UnitList([Unit(key=7, draw=7, taken=0)], places=1),
        participant_sides=Counter(),
    )
    assert choice is not None and (choice.unit.key, choice.order) == (7, ())


# --- Repetitions and overlap -------------------------------------------------------------------------------------


@given(
    seed=st.integers(0, 2**31),
    participant=st.integers(1, 99),
    parts=st.sets(st.integers(1, 30), min_size=1),
    later=st.integers(1, 5),
)
def test_a_repeated_part_has_others_in_between_wherever_possible(
    seed: int, participant: int, parts: set[int], later: int
) -> None:
    next_part = max(parts) + later
    done = {100 + part: part for part in parts}
    chosen = choose_repeat(seed=seed, participant=participant, done=done, next_part=next_part)
    far = {key for key, part in done.items() if next_part - part - 1 >= REPEAT_DISTANCE}
    assert chosen in (far or {min(done)})


def test_different_participants_repeat_different_parts_and_none_is_no_error() -> None:
    done = {part: part for part in range(1, 19)}
    chosen = {choose_repeat(seed=1, participant=number, done=done, next_part=19) for number in range(30)}
    assert len(chosen) > 5
    assert choose_repeat(seed=1, participant=1, done={}, next_part=1) is None


@given(share=st.floats(0, 1), parts=st.integers(0, 40), people=st.integers(1, 40))
def test_overlaps_add_up_to_the_share_over_the_participants(share: float, parts: int, people: int) -> None:
    each = [overlaps_of(share=share, parts=parts, participant=number) for number in range(1, people + 1)]
    assert max(each) - min(each) <= 1
    assert abs(sum(each) - share * parts * people) < 1.001


def test_shares_are_whole_numbers_of_parts() -> None:
    assert [repeats_of(share=share, parts=18) for share in (0, 0.1, 0.5, 1)] == [0, 2, 9, 18]
    assert repeats_of(share=0.07, parts=100) == 7
    assert [overlap_wanted(share=0.25, units=units) for units in (0, 1, 2, 144)] == [0, 0, 1, 36]
