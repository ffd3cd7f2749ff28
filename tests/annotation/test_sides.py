"""On which side an arm stands: balanced for every item, and not to be told from what somebody has seen before."""

from collections import Counter

import pytest

from annotation.history import history_of
from annotation.models import Item, Persona, UnitTally
from annotation.pools import TallyPool, board_of
from tests.annotation.test_designs import design, newcomer, order_of, sides, work

pytestmark = pytest.mark.django_db


def test_sides_stay_in_balance_within_every_item_over_the_whole_study() -> None:
    study = design(given_items=8, given_per_participant=8, raters_per_item=4)
    done = [part for _ in range(4) for part in work(newcomer(study))]
    assert set(Counter((part.persona.item.key, sides(part)) for part in done).values()) == {2}


def test_an_item_that_a_participant_meets_again_is_placed_by_lot() -> None:
    """Else whoever sees two personas of an item, with one other person in between, could tell the second side."""
    study = design(given_items=2, given_per_participant=4, raters_per_item=2)
    second = Item.objects.get(study=study, key="item-2")
    Persona.objects.filter(item=second).update(item=Item.objects.get(study=study, key="item-1"))
    first, other = newcomer(study), newcomer(study)
    work(first, parts=1), work(other, parts=1)
    one = history_of(first)
    pool = TallyPool(board_of(study, first.kind), one, UnitTally.Source.GIVEN)
    assert [unit.by_lot for level in pool.levels() for unit in pool.ring(level, 0)] == [True]
    fresh = TallyPool(board_of(study, first.kind), history_of(newcomer(study)), UnitTally.Source.GIVEN)
    assert not any(unit.by_lot for level in fresh.levels() for unit in fresh.ring(level, 0))


def test_arms_are_counted_by_their_codes_so_that_the_seed_does_not_tell_which_is_the_first_of_the_file() -> None:
    """Whoever computes the allocation again, from seed and export, learns nothing that the codes do not say."""
    ways = []
    for swapped in (False, True):
        study = design(slug=f"swapped-{swapped}", given_items=6, given_per_participant=6)
        for ordinal, code in zip((1, 2), ("arm-b", "arm-a") if swapped else ("arm-a", "arm-b"), strict=True):
            study.arms.filter(ordinal=ordinal).update(code=code)
        done = work(newcomer(study))
        ways.append([(order_of(part), sides(part)) for part in done])
    (orders, by_file), (same, other) = (zip(*way, strict=True) for way in ways)
    assert orders == same and all(one == two[::-1] for one, two in zip(by_file, other, strict=True))
