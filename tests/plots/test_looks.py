"""What series look like, how words are made to fit, and estimates drawn with both."""

import re

import pytest
from django.conf import settings

from plots.estimates import Estimate, share_plot
from plots.fitting import fitting, fitting_ends, width_of
from plots.palette import MOST_LINES, SERIES, colour_of, look_of, shade
from plots.svg import mark

NAME = "pt-dpo-beavertails-1"


def test_a_long_text_is_cut_to_what_fits() -> None:
    assert fitting(NAME, 60) == "pt-dpo-be…" and fitting(NAME, 200) == NAME
    assert width_of(fitting(NAME, 60)) <= 60


@pytest.mark.parametrize("width", [60, 70, 80, 90])
def test_a_long_name_keeps_both_ends(width: float) -> None:
    cut, other = fitting_ends(NAME, width), fitting_ends(f"{NAME[:-1]}2", width)
    assert cut != other and cut[:4] == NAME[:4] and width_of(cut) <= width
    assert fitting_ends("item-1", width) == "item-1"


def test_every_series_of_a_report_has_a_colour_and_they_differ() -> None:
    assert len({colour_of(series) for series in range(len(SERIES))}) == len(SERIES)
    assert colour_of(len(SERIES)) == colour_of(0)
    assert [shade(place, 3) for place in range(3)] == ["#deebf7", "#738eb1", "#08306b"]


def test_the_first_five_series_of_a_report_differ_in_shape_as_well() -> None:
    assert len({re.sub(r' fill="[^"]*"', "", mark(0, 0, series)) for series in range(5)}) == 5


def test_every_series_of_a_page_has_a_look_of_its_own() -> None:
    css = (settings.BASE_DIR / "static" / "workbench.css").read_text(encoding="utf-8")
    bars = set(re.findall(r"\.plot-bar-(\d)", css))
    assert bars == {look_of(series) for series in range(3)}
    # The first line has what all curves have.
    lines = {"1", *re.findall(r"\.curve-run-(\d)", css)}
    assert lines == {look_of(series) for series in range(MOST_LINES)}


def test_an_estimate_lies_in_its_interval_and_an_undefined_one_is_words_alone() -> None:
    there, undefined = Estimate("a", 0.75, (0.5, 1.0), "75 %", 1), Estimate("b", None, None, "–")
    plot = share_plot([("system", [there, undefined])])
    interval, mark = plot.bars
    assert interval.x == 199 and interval.x + interval.width == 294 and mark.x + mark.width / 2 == 246.5
    assert {interval.look, mark.look} == {"2"}
    assert [text.words for text in plot.texts] == ["system", "75 %", "–", "0 %", "50 %", "100 %"]
