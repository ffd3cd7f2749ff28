"""The quick starts of the docs run on a real export, and say what the figures of the export are."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from annotation.models import Study
from tests.annotation.exporting import export
from tests.annotation.study_rows import add_assignment, add_participant, make_frozen_study

SCRIPTS = settings.BASE_DIR / "docs"


@pytest.fixture
def exported(db: None, tmp_path: Path) -> tuple[Study, Path]:
    """Three people who give the second arm 2, 3 and 4 points less than the first, who agree on nothing else."""
    study = make_frozen_study()
    for values, swapped in ((((5, 5), (3, 1)), False), (((2, 1), (5, 5)), True), (((5, 4), (1, 1)), False)):
        add_assignment(add_participant(study), values=values, swapped=swapped)
    export(study, tmp_path, "csv")
    return study, tmp_path


def said_by(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def assert_right(said: str, study: Study) -> None:
    first, second = study.arms.order_by("ordinal").values_list("code", flat=True)
    expected = -3.0 if first < second else 3.0  # arms come in the order of their random codes
    low, high = sorted((first, second))
    assert "answerability: 6 answers of 3 participants" in said
    assert f"{high} minus {low}: {expected:.3f} (3 participants)" in said
    between = (expected - 2.484, expected + 2.484)  # t of 2 degrees of freedom, a deviation of 1
    assert f"95% between {between[0]:.3f} and {between[1]:.3f}" in said


def test_the_quick_start_in_python_says_the_differences_and_the_agreement(exported: tuple[Study, Path]) -> None:
    study, folder = exported
    said = said_by(sys.executable, str(SCRIPTS / "quickstart.py"), str(folder), "answerability")
    assert_right(said, study)
    assert "alpha (ordinal): 0.839" in said and "over 2 outputs" in said
    assert "personalization: 6 answers" in said_by(
        sys.executable, str(SCRIPTS / "quickstart.py"), str(folder), "personalization"
    )


@pytest.mark.skipif(not shutil.which("Rscript"), reason="R is not installed here")
def test_the_quick_start_in_r_says_the_same(exported: tuple[Study, Path]) -> None:
    study, folder = exported
    assert_right(said_by("Rscript", str(SCRIPTS / "quickstart.R"), str(folder), "answerability"), study)
