"""Jackknife estimates: what they reduce to, and what they refuse."""

import numpy as np
import pytest

from modelhub.stats.adjusted import adjusted_mean, clustered_share
from modelhub.stats.multiplicity import wilson_interval


def test_a_line_is_read_off_at_zero() -> None:
    people = ["a", "a", "b", "b", "c", "c"]
    x = [1.0, 2.0, -1.0, 3.0, 0.0, 5.0]
    found = adjusted_mean(people, [0.5 + 2 * value for value in x], x)
    assert found.estimate == pytest.approx(0.5)
    assert found.slope == pytest.approx(2)


def test_every_participant_weighs_the_same() -> None:
    found = adjusted_mean(["a"] * 4 + ["b"] * 2, [1.0] * 4 + [3.0] * 2, [1.0, -1.0] * 3)
    assert found.estimate == pytest.approx(2)


@pytest.mark.parametrize(
    ("people", "y", "x", "reason"),
    [
        ([], [], [], "no_data"),
        (["a", "b"], [1, 2], [3, 3], "no_variation"),
        (["a", "a"], [1, 2], [3, 4], "single_participant"),
        (["a", "a", "b"], [1, 2, 3], [3, 4, 3], "unstable"),
    ],
)
def test_what_is_undefined_has_a_reason(people: list[str], y: list[float], x: list[float], reason: str) -> None:
    found = adjusted_mean(people, y, x)
    assert (found.ci, found.reason) == (None, reason)


@pytest.mark.slow
def test_the_adjusted_interval_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    runs, covered = 600, 0
    people = [f"p{n}" for n in range(8) for _ in range(12)]
    for _ in range(runs):
        x = rng.normal(-3, 10, len(people))
        y = 0.3 + 0.05 * x + np.repeat(rng.normal(0, 0.4, 8), 12) + rng.normal(0, 1, len(people))
        low, high = adjusted_mean(people, y.tolist(), x.tolist()).ci or (1, 0)
        covered += low <= 0.3 <= high
    assert covered / runs >= 0.93


def test_answers_of_one_kind_of_cluster_give_wilsons_interval() -> None:
    found = clustered_share([1, 0, 1, 1], ["a", "b", "c", "d"])
    assert found["ci"] == pytest.approx(wilson_interval(3, 4))


def test_clusters_that_answer_alike_widen_the_interval_to_that_of_their_number() -> None:
    hits, clusters = [1, 1, 1, 1, 0, 0, 1, 1], ["a", "a", "b", "b", "c", "c", "d", "d"]
    low, high = clustered_share(hits, clusters)["ci"]
    single = wilson_interval(3, 4)
    assert single is not None
    assert high - low >= single[1] - single[0] - 1e-9
    alike = clustered_share([1] * 8, clusters)["ci"]
    assert alike == pytest.approx(wilson_interval(4, 4))


def test_no_answers_have_no_share() -> None:
    assert clustered_share([], [])["reason"] == "no_data"
