"""What sliders, rankings, and best and worst say of systems: planted differences come back in points and places."""

from typing import Any

import pytest

from modelhub.report.build import build_document
from modelhub.report.html import document_html
from modelhub.results.report import Results
from tests.modelhub.analysis.asked import SYSTEMS, asked_study
from tests.modelhub.analysis.rated import results

pytestmark = pytest.mark.django_db
FIRST, MIDDLE, LAST = SYSTEMS


@pytest.fixture
def found() -> dict[str, Any]:
    return results(asked_study(), base=FIRST, test=LAST)


def test_a_slider_is_compared_in_its_points(found: dict[str, Any]) -> None:
    report = found["analysis"]["all"]["strata"][""]["comparisons"]["quality"]
    assert 30 < report["mean_difference"] < 50
    assert report["ci"][0] > 0
    agreement = found["analysis"]["all"]["agreement"]["designs"]["shared_personas"]["quality"]["pooled"]
    assert (agreement["level"], agreement["domain"][0], agreement["domain"][-1]) == ("interval", 0, 100)
    assert agreement["krippendorff_alpha"] > 0.3


def test_a_ranking_and_best_and_worst_are_read_as_how_far_to_the_front_each_system_stands(
    found: dict[str, Any],
) -> None:
    pooled = found["analysis"]["all"]["strata"][""]
    means = {key: [pooled["descriptives"][key][name]["mean"] for name in SYSTEMS] for key in ("order", "extremes")}
    assert means["order"] == sorted(means["order"])
    assert sum(means["order"]) == pytest.approx(6)  # places 1 to 3, each given once
    assert means["extremes"][0] < -0.5 < 0.5 < means["extremes"][2]
    assert sum(means["extremes"]) == pytest.approx(0)
    assert pooled["comparisons"]["order"]["mean_difference"] > 1
    wins = pooled["win_rates"]["aspects"]["order"]
    assert wins["source"] == "ratings"
    assert wins["net_win"] > 0.7
    assert found["analysis"]["all"]["agreement"]["designs"]["shared_personas"]["order"]["pooled"]["level"] == "ordinal"


def test_the_report_says_what_was_asked_and_how_often_each_place_and_band_was_given(found: dict[str, Any]) -> None:
    page = document_html(build_document(Results.model_validate(found)))
    for words in (
        "0 = Useless; 50 = Acceptable; 100 = Could not be better",
        "1 = place 3: Worst",
        "0 to 19",
        "80 to 100",
    ):
        assert words in page
