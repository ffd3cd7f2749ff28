"""Figures on a page, on paper and as numbers."""

import csv
import xml.etree.ElementTree as ET
from collections.abc import Callable

import pytest

from modelhub.report.build import build_document
from modelhub.report.figures.forest import Forest, forest_figure
from modelhub.report.figures.paper import WIDTHS, printed, width_in_inches
from modelhub.report.sections.document import MOST_ROWS
from modelhub.report.tables import csv_text
from plots.estimates import Estimate
from tests.modelhub.report.made import STUDIES, Made
from tests.modelhub.report.test_rendering import check_svg

Studies = Callable[[str], Made]
ONE = Estimate("a", 0.4, [0.2, 0.6], "0.4")


def forest(*estimates: Estimate, most: float | None = None) -> Forest:
    return forest_figure("f", "F", estimates, axis="x", most=most)


def test_estimates_beyond_each_other_stay_inside_the_drawing() -> None:
    check_svg(forest(Estimate("a", 3.0, [-7.0, 12.5], "3"), Estimate("b", None, None, "–")).svg)


def test_an_interval_far_beyond_the_scale_is_cut_there() -> None:
    figure = forest(Estimate("a", 0.5, [-24.0, 26.0], "0.5"), ONE, most=4).svg
    check_svg(figure)
    assert ">20<" not in figure
    assert figure.count('stroke-width="2"') == 1 + 3  # one has no bars at its ends


def test_an_estimate_without_interval_is_a_mark_alone() -> None:
    figure = forest(Estimate("a", 0.4, None, "0.4")).svg
    assert "<circle" in figure and 'stroke-width="2"' not in figure


def test_a_long_forest_is_split_where_its_groups_end_and_keeps_its_scale() -> None:
    groups = [Estimate(f"{n}", n / 9, None, "", heading=f"group {n // 5}") for n in range(27)]
    parts = forest(*groups).split(12)
    assert [len(part.estimates) for part in parts] == [10, 10, 7]
    assert [part.key for part in parts] == ["f", "f-2", "f-3"]
    assert {part._scale(0, 1) for part in parts} == {parts[0]._scale(0, 1)}
    assert [len(part.estimates) for part in forest(*[ONE] * 27).split(12)] == [12, 12, 3]


@pytest.mark.parametrize("name", STUDIES)
def test_no_figure_of_a_report_has_more_rows_than_can_be_read(name: str, made: Studies) -> None:
    forests = [one.drawing for one in build_document(made(name).results).figures if isinstance(one.drawing, Forest)]
    assert forests and all(len(drawing.estimates) <= MOST_ROWS for drawing in forests)


@pytest.mark.parametrize("name", ["own", "assessed"])
def test_every_figure_is_printed_at_its_width_with_fonts_embedded(name: str, made: Studies) -> None:
    for figure in build_document(made(name).results).figures:
        files = dict(printed(figure.drawing, WIDTHS["single"]))
        assert b"/FontFile2" in files["pdf"] and b"/Subtype /Type3" not in files["pdf"], figure.key
        root = ET.fromstring(files["svg"])
        assert root.attrib["width"] == f"{72 * WIDTHS['single']:g}pt"
        assert not list(root.iter("{http://www.w3.org/2000/svg}text"))  # words are paths


def test_a_figure_is_printed_the_same_every_time() -> None:
    assert list(printed(forest(ONE), 3.25)) == list(printed(forest(ONE), 3.25))


def test_dollars_and_other_scripts_are_words_and_no_formulas() -> None:
    assert dict(printed(forest(Estimate("$\\nosuch{$ \\alpha ÄΔ", 0.4, None, "5 $")), 3.25))


def test_the_numbers_of_a_figure_are_exactly_those_drawn(made: Studies) -> None:
    results = made("own").results
    figures = {figure.key: figure for figure in build_document(results).figures}
    found = results.primary.strata[""].comparisons["personalization"]
    assert found.ci is not None
    rows = list(csv.DictReader(csv_text(figures["differences"].drawing.rows).splitlines()))
    (mean,) = (row for row in rows if (row["question"], row["kind"]) == ("Personalization", "mean"))
    assert [float(mean[name]) for name in ("difference", "ci_low", "ci_high")] == [found.mean_difference, *found.ci]
    dots = [
        float(row["difference"]) for row in rows if (row["question"], row["kind"]) == ("Personalization", "participant")
    ]
    assert dots == [row.difference for row in found.participant_means]
    assert "flow" in figures and ("step", "Invited", 8) in figures["flow"].drawing.rows


def test_the_answer_is_drawn_on_one_scale_whatever_the_questions(made: Studies) -> None:
    (figure,) = (one for one in build_document(made("own").results).figures if one.key == "answer")
    rows = {row[1]: row for row in figure.drawing.rows[1:]}
    found = made("own").results.primary.strata[""]
    difference, net = found.comparisons["personalization"].mean_difference, found.win_rates.aspects["preference"]
    assert difference is not None and net.net_win_mean is not None
    assert rows["Personalization"][2] == pytest.approx(100 * difference / 4)  # of five points
    assert rows["Preference"][2] == pytest.approx(100 * net.net_win_mean)


def test_a_width_is_named_or_given_in_inches() -> None:
    assert [width_in_inches(text) for text in ("single", "double", "5.5")] == [3.25, 6.75, 5.5]
    for text in ("wide", "0", "nan", "100"):
        with pytest.raises(ValueError, match="write single, double, or inches from 2 to 20"):
            width_in_inches(text)
