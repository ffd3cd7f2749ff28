"""Curves: where points lie, what a long line becomes, and what is no number."""

import re

from plots.curves import MOST_POINTS, Curve, curve_plot, smooth, thin


def test_points_lie_where_the_scale_says() -> None:
    plot = curve_plot([Curve([(0, 0.0), (5, 1.0), (10, 2.0)], "train")])
    assert plot is not None
    assert [text.words for text in plot.texts] == ["0", "0.5", "1", "1.5", "2", "0", "step 10"]
    assert plot.paths[0].d == "M40,166L200,91L360,16"
    assert [(circle.x, circle.y) for circle in plot.circles] == [(40, 166), (200, 91), (360, 16)]


def test_rules_stand_at_their_steps_with_their_labels_inside_the_drawing() -> None:
    plot = curve_plot([Curve([(1, 1.0), (20, 2.0)], "train")], rules=[(10, "epoch 1"), (20, "2")])
    assert plot is not None
    assert [rule.x1 for rule in plot.rules] == [200, 360]
    labels = [text for text in plot.texts if text.words in ("epoch 1", "2") and text.y < 16]
    assert [(text.x, text.anchor) for text in labels] == [(200, "middle"), (360, "end")]


def test_one_point_is_seen_and_none_is_no_plot() -> None:
    plot = curve_plot([Curve([(1, 0.7)], "train")])
    assert plot is not None and plot.paths[0].d.endswith("h0") and len(plot.circles) == 1
    assert curve_plot([Curve([(1, None)], "train")]) is None
    assert curve_plot([]) is None


def test_a_line_is_broken_where_no_number_was_measured() -> None:
    plot = curve_plot([Curve([(0, 0.0), (1, 2.0), (2, None), (3, 1.0), (4, None)], "train")])
    assert plot is not None
    assert re.fullmatch(r"M40,166L120,16M280,91h0", plot.paths[0].d)


def test_a_long_line_is_thinned_and_keeps_its_spikes_and_gaps() -> None:
    points: list[tuple[float, float | None]] = [(step, 1.0) for step in range(10_000)]
    points[1234], points[5678], points[8000] = (1234, 50.0), (5678, -3.0), (8000, None)
    kept = thin(points)
    assert len(kept) <= MOST_POINTS and kept == sorted(kept, key=lambda point: point[0])
    assert {(1234, 50.0), (5678, -3.0), (8000, None)} <= set(kept)
    assert thin(points[:MOST_POINTS]) == points[:MOST_POINTS]


def test_a_mean_is_taken_over_the_numbers_on_both_sides() -> None:
    points = [(0, 1.0), (1, 2.0), (2, 6.0), (3, None), (4, 4.0)]
    assert smooth(points, 3) == [(0, 1.5), (1, 3.0), (2, 4.0), (3, 5.0), (4, 4.0)]
