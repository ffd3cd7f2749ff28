"""The preregistration, from a study's definition alone."""

import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from annotation.models import Study
from annotation.protocol import protocol_hash
from tests.factories import make_study
from tests.modelhub.analysis.studies import BASE, TEST, bind, own_persona_study
from tests.modelhub.report.made import ANALYSIS

pytestmark = pytest.mark.django_db


def written(study: Study) -> str:
    out = io.StringIO()
    call_command("preregistration", study.slug, stdout=out)
    return out.getvalue()


def opened(*, participants: int = 0) -> Study:
    study = own_persona_study(participants=participants, items=2)
    Study.objects.filter(pk=study.pk).update(
        analysis=ANALYSIS, exclusion_rules={"failed_checks": 2}, recruitment={"quota": 30}
    )
    study.refresh_from_db()
    Study.objects.filter(pk=study.pk).update(protocol_hash=protocol_hash(study))
    return Study.objects.get(pk=study.pk)


def test_an_open_study_is_written_from_its_frozen_protocol() -> None:
    study = opened()
    text = written(study)
    assert f"SHA-256 `{study.protocol_hash}`" in text and "No answer had been given" in text
    assert "DRAFT" not in text
    assert "1. Personalization: the two sides differ." in text
    assert "margins of 0.25 points on Answerability" in text
    assert "Flagged are: 2 or more attention checks missed." in text
    assert "Wanted: 30 people who finish" in text
    for field in ("Hypotheses", "Study design", "Sample size", "Measured variables", "Statistical models",
                  "Data exclusion", "Exploratory analysis"):  # fmt: skip
        assert f"### {field}" in text


def test_a_draft_says_so_before_everything_else() -> None:
    study = make_study(state="draft")
    text = written(study)
    assert text.index("> **DRAFT: the study is not open") < text.index("## Study information")
    assert "SHA-256" not in text


def test_answers_that_were_given_already_are_counted() -> None:
    text = written(opened(participants=2))
    assert "**20 answers had been given** when this text was written" in text  # 2 people, 2 prompts, 5 answers
    assert "Registration after data collection had begun: 20 answers." in text


def test_no_system_is_named() -> None:
    study = make_study(state="draft")
    bind(study, (BASE, TEST))
    text = written(study)
    assert BASE not in text and "arm 1" in text and "scripted" not in text
    study.arms.filter(ordinal=2).update(is_control=True)
    assert "arm 1 with arm 2 (base)" in written(study)


def test_a_study_changed_after_opening_is_refused(tmp_path: Path) -> None:
    study = opened()
    study.items.update(prompt="Something else?")
    with pytest.raises(CommandError, match="was changed after it was opened"):
        call_command("preregistration", study.slug, out=tmp_path / "text.md")
    assert not (tmp_path / "text.md").exists()


def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    study, file = make_study(state="draft"), tmp_path / "text.md"
    call_command("preregistration", study.slug, out=file, stdout=io.StringIO())
    before = file.read_text("utf-8")
    with pytest.raises(CommandError, match="exists already"):
        call_command("preregistration", study.slug, out=file)
    assert file.read_text("utf-8") == before and before.startswith("# Preregistration: ")
