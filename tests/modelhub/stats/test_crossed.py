"""Variance over participants and prompts: what is left out is left out, and the special cases are the textbook's."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from modelhub.stats.crossed import Cells, Sums, mean_spread, ratio, spread_of
from modelhub.stats.ratings import FloatArray

Row = tuple[str, str, int]
rows = st.lists(
    st.tuples(st.sampled_from("abcd"), st.sampled_from("wxyz"), st.integers(-4, 4)), min_size=4, max_size=25
)


def mean_of_means(some: Sequence[Row]) -> float:
    people = {person for person, _, _ in some}
    if not people:
        return float("nan")
    return float(np.mean([np.mean([value for one, _, value in some if one == person]) for person in people]))


def share(some: Sequence[Row]) -> float:
    """The wins among what is decided, over pairs."""
    won, lost = sum(value > 0 for *_, value in some), sum(value < 0 for *_, value in some)
    return won / (won + lost) if won + lost else float("nan")


def units(some: Sequence[Row]) -> list[list[list[Row]]]:
    """Return the rows without each participant, without each prompt and without each cell, in order of appearance."""
    keys = [lambda row: row[0], lambda row: row[1], lambda row: row[:2]]
    return [[[row for row in some if key(row) != unit] for unit in dict.fromkeys(map(key, some))] for key in keys]


def left_out(sums: Sums, estimate: object) -> list[FloatArray]:
    assert callable(estimate)
    assert sums.prompts is not None
    assert sums.cells is not None
    return [estimate(part) for part in (sums.people, sums.prompts, sums.cells)]


@given(some=rows)
@settings(max_examples=150, deadline=None)
def test_each_unit_is_left_out_as_if_it_had_never_been(some: list[Row]) -> None:
    cells = Cells([row[0] for row in some], [row[1] for row in some])
    if not cells.is_crossed:
        return
    values = np.array([row[2] for row in some], dtype=float)
    means = cells.means(np.stack([np.ones_like(values), values], axis=1))
    wins = cells.sums(np.stack([values > 0, values < 0], axis=1).astype(float))
    for sums, estimate, by_hand in (
        (means, lambda part: ratio(part[:, 1], part[:, 0]), mean_of_means),
        (wins, lambda part: ratio(part[:, 0], part.sum(axis=1)), share),
    ):
        for number, (found, without) in enumerate(zip(left_out(sums, estimate), units(some), strict=True)):
            expected = [by_hand(part) for part in without]
            if number == 2:  # cells come in the order of their numbers
                found, expected = np.sort(found), np.sort(expected).tolist()
            assert found == pytest.approx(expected, nan_ok=True)


def test_prompts_of_ones_own_leave_the_t_interval_over_participants() -> None:
    rng = np.random.default_rng(0)
    people = np.repeat(np.arange(9), 4)
    values = rng.normal(0.4, 1, 36)
    for prompts in (
        None,
        np.arange(36),
        people * 2 + np.tile([0, 1], 18),
    ):  # the last: the same prompt twice, but alone
        found = mean_spread(Cells(people.tolist(), prompts if prompts is None else prompts.tolist()), values)
        assert found is not None
        by_person = values.reshape(9, 4).mean(axis=1)
        expected = stats.ttest_1samp(by_person, 0)
        assert found.p() == pytest.approx(expected.pvalue)
        assert found.interval() == pytest.approx(tuple(expected.confidence_interval()))


def test_leaving_one_out_gives_on_a_complete_crossing_what_mean_squares_give() -> None:
    rng = np.random.default_rng(1)
    table = rng.normal(0, 1, (60, 1)) + rng.normal(0, 1, (1, 30)) + rng.normal(0, 1, (60, 30))
    people, prompts = np.repeat(np.arange(60), 30).tolist(), np.tile(np.arange(30), 60).tolist()
    cells = Cells(people, prompts)
    exact = mean_spread(cells, table.ravel())
    sums = cells.means(np.stack([np.ones(1800), table.ravel()], axis=1))
    found = spread_of(sums, lambda part: ratio(part[:, 1], part[:, 0]))
    assert exact is not None
    assert found is not None
    assert (found.estimate, found.error, found.df) == pytest.approx((exact.estimate, exact.error, exact.df), rel=0.03)


@pytest.mark.parametrize(
    ("people", "prompts", "why"),
    [([], [], "no_data"), (["a", "a"], ["x", "y"], "single_participant"), (["a", "b"], ["x", "x"], "single_prompt")],
)
def test_too_few_units_have_no_spread_and_a_reason(people: list[str], prompts: list[str], why: str) -> None:
    cells = Cells(people, prompts)
    assert cells.why_no_spread == why
    assert mean_spread(cells, np.arange(len(people), dtype=float)) is None


@given(wins=st.integers(0, 12), n=st.integers(2, 12))
@settings(max_examples=80, deadline=None)
def test_an_interval_between_two_ends_stays_there_holds_its_estimate_and_has_a_width(wins: int, n: int) -> None:
    values = np.array([1.0 if at < wins else -1.0 for at in range(n)])
    found = spread_of(
        Cells(range(n), None).sums(np.stack([np.ones(n), values], axis=1)), lambda part: ratio(part[:, 1], part[:, 0])
    )
    assert found is not None
    low, high = found.bounded_interval(-1.0, 1.0)
    assert -1 <= low <= found.estimate <= high <= 1
    assert high - low > 0.1
