"""Scales: where values lie, and that their ends and ticks are round."""

import math

import pytest

from plots.scales import Scale, round_maximum, scale_over


def test_a_value_lies_between_the_ends_of_its_scale_and_never_beyond() -> None:
    across, upward = Scale(0, 10, 40, 360), Scale(0, 10, 166, 16)
    assert [across.at(value) for value in (-5, 0, 2.5, 10, 99)] == [40, 40, 120, 360, 360]
    assert [upward.at(value) for value in (-5, 0, 5, 10)] == [166, 166, 91, 16]


@pytest.mark.parametrize(
    ("values", "steps", "ticks"),
    [
        ((0.0, 1.0), 4, (0, 0.25, 0.5, 0.75, 1)),
        ((0.6, 2.9), 4, (0, 1, 2, 3)),
        ((-0.3, 0.3), 4, (-0.4, -0.2, 0, 0.2, 0.4)),
        ((0.1, 0.7, 0.3), 6, (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)),
        ((-7.0, 12.5), 5, (-10, -5, 0, 5, 10, 15)),
        ((3e-7, 9e-7), 4, (2e-7, 4e-7, 6e-7, 8e-7, 1e-6)),
        ((), 5, (0, 0.2, 0.4, 0.6, 0.8, 1)),
    ],
)
def test_ticks_are_round_numbers_that_reach_beyond_the_values(
    values: tuple[float, ...], steps: int, ticks: tuple[float, ...]
) -> None:
    scale = scale_over(values, 0, 1, ticks=steps)
    assert scale.ticks == ticks and (scale.low, scale.high) == (ticks[0], ticks[-1])


@pytest.mark.parametrize("values", [(0.7,), (0.7, 0.7), (0.7, 0.7 + 1e-13)])
def test_the_scale_of_one_value_reaches_beyond_it_on_both_sides(values: tuple[float, ...]) -> None:
    assert scale_over(values, 0, 1, ticks=4, margin=0.1).ticks == (0.6, 0.65, 0.7, 0.75, 0.8)
    assert scale_over(values, 0, 1, ticks=4).ticks == (0, 0.25, 0.5, 0.75, 1, 1.25)


@pytest.mark.parametrize("value", [0, 0.3, 1, 2, 3, 9, 10, 11, 99, 100, 4001, 123456])
def test_a_scale_of_counts_ends_at_a_round_number_that_is_not_below(value: float) -> None:
    top = round_maximum(value)
    assert top >= value and top / 10 ** math.floor(math.log10(top)) in (1, 2, 4, 6, 8)
