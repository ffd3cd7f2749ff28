"""Nothing that a participant or a blinded researcher can see or export tells one arm from another, but its texts.

Simulated studies of which all is known are read as a curious researcher would: by order, time, length, number, and
place of whatever stands beside an arm's code. What names the arm that was bound first, or the slow one, more often than
a coin would is a leak.
"""

import logging
from pathlib import Path

import pytest

from annotation.export.tables import study_tables
from annotation.export.writers import FORMATS
from annotation.models import Study
from tests.modelhub.simulated import (
    blinded_pages,
    codebooks,
    exported_rows,
    page_marks,
    simulate,
)
from tests.predicting import Clues, Leaks, joined, side_clues, table_clues, text_clues, two_sided

pytestmark = pytest.mark.django_db(transaction=True)
STUDIES = 20  # a clue that is always right is found with half of them


def clues_of(study: Study, folder: Path, format: str, moment: str) -> Clues:
    """Return all that exports and pages of a study say; rows are the same in every format, so they count together."""
    parts = []
    codes: list[str] = sorted(arm.code for arm in study.arms.all())
    for table in study_tables(study):
        text, rows = exported_rows(study, table, format, folder)
        parts.append(text_clues(f"{table}, {moment}", text, codes))
        parts.append(table_clues(f"{table}, {moment}", rows, codes))
    for name, text in (codebooks(study) | blinded_pages(study)).items():
        parts.append(text_clues(f"{name}, {moment}", text, codes))
    return joined(parts)


@pytest.mark.slow
def test_no_export_page_or_log_and_no_earlier_side_predicts_an_arm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    leaks = Leaks()
    for seed in range(STUDIES):
        caplog.clear()
        early: list[Clues] = []

        format = FORMATS[seed % len(FORMATS)]

        def look(study: Study, moment: str, seen: list[Clues] = early, format: str = format) -> None:
            seen.append(clues_of(study, tmp_path, format, moment))

        with monkeypatch.context() as patch, caplog.at_level(logging.INFO):
            done = simulate(tmp_path, seed, patch, look)
        clues = joined([*early, clues_of(done.study, tmp_path, format, "at the end")])
        clues |= text_clues("the log of the process", caplog.text, done.codes)
        leaks.note(clues, truth=done.truth(done.first), of="the arm bound first")
        leaks.note(clues, truth=done.truth(done.slow), of="the slow arm")
        for sides in done.sides:
            for said, side in side_clues(sides):
                leaks.note(said, truth=side, of="the side of a part")
        for side, page in done.pages:
            leaks.note(page_marks(page), truth=side, of="the side of a part")
    assert max(leaks.said.values()) > STUDIES
    assert not leaks.found(), "\n".join(leaks.found())


def test_a_clue_that_is_always_right_or_always_wrong_is_found_and_a_coin_is_not() -> None:
    leaks = Leaks()
    for number in range(STUDIES):
        coin = 1 if number % 2 else -1
        leaks.note({"right": 1, "wrong": -1, "coin": coin, "nothing": 0}, truth=1, of="arm")
    assert [line.split(":")[0] for line in leaks.found()] == ["arm by right", "arm by wrong"]
    assert two_sided(5, 10) == 1 and two_sided(10, 10) == pytest.approx(2 / 1024)
