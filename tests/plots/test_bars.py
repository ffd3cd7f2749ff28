"""Bars and columns: how long they are, where they stand, and what is refused."""

import math

import pytest

from plots.bars import COLUMN_HEIGHT, LABEL_WIDTH, NUMBER_WIDTH, TOP, BarRow, column_plot, row_plot


def test_bars_are_as_long_as_their_numbers_and_stand_end_to_end() -> None:
    plot = row_plot([BarRow("a", (2, 1), "x"), BarRow("b", (4,), "y")], maximum=4)
    one, rest, other = plot.bars
    assert one.width == pytest.approx(2 * rest.width, abs=0.2) and other.width == pytest.approx(2 * one.width, abs=0.2)
    assert rest.x == pytest.approx(one.x + one.width, abs=0.2) and (one.look, rest.look) == ("1", "2")
    assert max(bar.x + bar.width for bar in plot.bars) <= plot.width - NUMBER_WIDTH + 0.2


def test_a_part_of_nothing_is_no_bar_and_keeps_its_series() -> None:
    assert [bar.look for bar in row_plot([BarRow("a", (0, 1, 1), "x")], maximum=2).bars] == ["2", "3"]


def test_a_reference_stands_at_its_value_and_never_outside_the_scale() -> None:
    half, beyond = (row_plot([BarRow("a", (1,), "x")], maximum=2, reference=at).lines[-1].x1 for at in (1, 9))
    assert half == (LABEL_WIDTH + 360 - NUMBER_WIDTH) / 2 and beyond == 360 - NUMBER_WIDTH


def test_columns_stand_on_the_line_and_reach_their_value() -> None:
    plot = column_plot([("Mon", 5), ("Tue", 10), ("Wed", 0)])
    heights = [bar.height for bar in plot.bars]
    assert heights == [60.0, 120.0, 0.0]
    assert {bar.y + bar.height for bar in plot.bars} == {TOP + COLUMN_HEIGHT}
    assert [text.words for text in plot.texts] == ["0", "5", "10", "Mon", "Wed"]


@pytest.mark.parametrize("value", [-1, math.nan, math.inf])
def test_what_cannot_be_drawn_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="cannot be drawn"):
        row_plot([BarRow("a", (value,), "")], maximum=1)
    with pytest.raises(ValueError, match="cannot be drawn"):
        column_plot([("a", value)])


def test_empty_plots_have_a_size() -> None:
    assert row_plot([], maximum=0).height > 0 and column_plot([]).height > 0
