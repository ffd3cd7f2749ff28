"""The command, from a study in the database to files."""

import csv
import io
import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command

from annotation.models import AuditLog, Study
from annotation.protocol import protocol_hash
from tests.factories import make_user
from tests.modelhub.analysis.studies import BASE, TEST, own_persona_study, persona_study

pytestmark = pytest.mark.django_db


def analyze(study: Study, directory: Path, **options: Any) -> str:
    out = io.StringIO()
    call_command("analyze", study.slug, out=directory, stdout=out, **{"replicates": 100, **options})
    return out.getvalue()


def frozen(study: Study) -> Study:
    """Take the hash anew: the builder changes the study after it was frozen."""
    Study.objects.filter(pk=study.pk).update(protocol_hash=protocol_hash(study))
    return study


@pytest.fixture
def study(db: None) -> Study:
    return own_persona_study(participants=6, items=3, effect={"personalization": 1.0})


def test_an_own_persona_study_gets_every_file(study: Study, tmp_path: Path) -> None:
    assert "6 participants" in analyze(study, tmp_path / "report")
    report = tmp_path / "report"
    names = {path.name for path in report.iterdir()}
    assert names == {
        "report.html", "report.md", "report.tex", "results.json", "methods.md", "methods.tex", "references.bib",
        "heds.json", "heds.md", "long.csv", "clmm.R", "tables", "figures",
    }  # fmt: skip
    figures = {path.stem for path in (report / "figures").iterdir()}
    assert {
        "flow", "differences", "distribution-personalization", "length-personalization", "position", "net-wins",
    } <= figures  # fmt: skip
    page = (report / "report.html").read_text("utf-8")
    assert TEST in page and BASE in page and "inter-rater agreement cannot be estimated" in page
    assert not list(tmp_path.glob(".report-*"))


def test_a_persona_study_gets_its_own_sections(tmp_path: Path) -> None:
    analyze(frozen(persona_study(pairs=4, raters=2)), tmp_path / "report")
    page = (tmp_path / "report" / "report.html").read_text("utf-8")
    assert "Chosen against rejected personas" in page and "Human persona accuracy" in page
    figures = {path.stem for path in (tmp_path / "report" / "figures").iterdir()}
    assert {"personas-mean", "accuracy", "alpha"} <= figures
    conditions = {row["condition"] for row in rows_of(tmp_path / "report" / "long.csv")}
    assert conditions == {"chosen", "rejected"}


def test_files_are_well_formed(study: Study, tmp_path: Path) -> None:
    analyze(study, tmp_path / "report")
    results = json.loads((tmp_path / "report" / "results.json").read_text("utf-8"), parse_constant=refuse)
    assert results["format"] == 2
    figures = list((tmp_path / "report" / "figures").glob("*.svg"))
    for figure in figures:
        assert figure.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
        assert figure.with_suffix(".csv").is_file()
        assert ET.parse(figure).getroot().tag.endswith("svg"), figure
    for table in (tmp_path / "report" / "tables").glob("*.csv"):
        assert len({len(row) for row in csv.reader(table.read_text("utf-8").splitlines())}) == 1, table


def test_figures_are_as_wide_as_a_column(study: Study, tmp_path: Path) -> None:
    analyze(study, tmp_path / "report", figure_width="single")
    widths = {ET.parse(path).getroot().attrib["width"] for path in (tmp_path / "report" / "figures").glob("*.svg")}
    assert widths == {"234pt"}  # 3.25 inches
    with pytest.raises(CommandError, match="--figure-width: 'wide' is no width"):
        analyze(study, tmp_path / "other", figure_width="wide")


def test_the_long_table_holds_each_rating_once(study: Study, tmp_path: Path) -> None:
    analyze(study, tmp_path / "report")
    rows = list(rows_of(tmp_path / "report" / "long.csv"))
    assert len(rows) == 6 * 3 * 2 * 2  # participants, items, systems, questions on a scale
    assert {row["condition"] for row in rows} == {BASE, TEST}
    assert all(row["words"] and row["value"] in "12345" for row in rows)


def fitted_by_r(study: Study, directory: Path) -> str:
    """What the R script of the study's report prints."""
    if not shutil.which("Rscript") or subprocess.run(["Rscript", "-e", "library(ordinal)"], check=False).returncode:
        pytest.skip("needs R with the package ordinal")
    analyze(study, directory)
    done = subprocess.run(["Rscript", "clmm.R"], cwd=directory, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_r_script_fits_or_says_why_not_with_two_raters_only(tmp_path: Path) -> None:
    printed = fitted_by_r(frozen(persona_study(pairs=4, raters=2)), tmp_path / "report")
    assert all(f"===== {aspect} =====" in printed for aspect in ("applicability", "harm", "plausibility"))
    assert "| item)" in printed and "| participant)" not in printed


@pytest.mark.slow  # R takes half a minute
def test_the_r_script_gives_people_prompts_and_personas_their_effects_with_and_without_length(tmp_path: Path) -> None:
    study = own_persona_study(participants=8, items=6, effect={"personalization": 0.6}, per_word=0.02)
    printed = fitted_by_r(study, tmp_path / "report")
    raw = re.findall(r"Model: (value ~ condition \+ \(.*)", printed)
    adjusted = re.findall(r"Model: (value ~ condition \+ length \+ \(.*)", printed)
    assert len(raw) == len(adjusted) == 2, printed  # of two questions
    for formula in (*raw, *adjusted):
        assert "participant)" in formula and "item)" in formula and "(1 | persona)" in formula
    assert any("(1 + condition | participant)" in formula for formula in adjusted), adjusted


def test_the_same_seed_gives_the_same_results(study: Study, tmp_path: Path) -> None:
    for name in ("first", "second"):
        analyze(study, tmp_path / name, seed=3)
    first, second = (json.loads((tmp_path / name / "results.json").read_text()) for name in ("first", "second"))
    assert first["analysis"] == second["analysis"]
    assert first["footer"]["data_sha256"] == second["footer"]["data_sha256"]


def test_the_look_is_logged_with_the_user(study: Study, tmp_path: Path) -> None:
    study.owner.user_permissions.add(Permission.objects.get(codename="unblind"))
    analyze(study, tmp_path / "report", user=study.owner.username)
    assert AuditLog.objects.get(action="analyze").user == study.owner


def test_a_user_without_the_permission_gets_nothing(study: Study, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="permission modelhub.unblind is missing"):
        analyze(study, tmp_path / "report", user=study.owner.username)
    stranger = make_user("stranger")
    stranger.user_permissions.add(Permission.objects.get(codename="unblind"))
    with pytest.raises(CommandError, match="belongs to somebody else"):
        analyze(study, tmp_path / "report", user="stranger")
    assert not (tmp_path / "report").exists()
    assert not AuditLog.objects.filter(action="analyze").exists()


def test_a_report_is_overwritten_only_on_request(study: Study, tmp_path: Path) -> None:
    analyze(study, tmp_path / "report")
    before = (tmp_path / "report" / "results.json").read_bytes()
    with pytest.raises(CommandError, match="holds a report already.*--replace"):
        analyze(study, tmp_path / "report", seed=9)
    assert (tmp_path / "report" / "results.json").read_bytes() == before
    (tmp_path / "report" / "stale.txt").touch()
    analyze(study, tmp_path / "report", seed=9, replace=True)
    assert json.loads((tmp_path / "report" / "results.json").read_text())["footer"]["seed"] == 9
    assert not (tmp_path / "report" / "stale.txt").exists()


def test_a_directory_with_other_things_is_never_overwritten(study: Study, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(CommandError, match="holds something other than a report"):
        analyze(study, tmp_path, replace=True)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_run_that_breaks_off_leaves_the_old_report(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    analyze(study, tmp_path / "report")
    before = sorted(path.name for path in (tmp_path / "report").rglob("*"))

    def full_disk(rows: Any) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("modelhub.report.bundle.long_csv", full_disk)
    with pytest.raises(CommandError, match="cannot be written.*No space left"):
        analyze(study, tmp_path / "report", replace=True)
    assert sorted(path.name for path in (tmp_path / "report").rglob("*")) == before
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def test_base_is_chosen_by_name_and_turns_the_difference_round(study: Study, tmp_path: Path) -> None:
    analyze(study, tmp_path / "one", base=BASE)
    analyze(study, tmp_path / "two", base=TEST)
    one, two = (
        json.loads((tmp_path / name / "results.json").read_text())["analysis"]["all"]["strata"][""]["comparisons"]
        for name in ("one", "two")
    )
    assert one["personalization"]["mean_difference"] == -two["personalization"]["mean_difference"] > 0
    with pytest.raises(CommandError, match="no system of this study"):
        analyze(study, tmp_path / "three", base="GPT-9")


def test_judgements_are_compared_with_people(study: Study, tmp_path: Path) -> None:
    judgements = tmp_path / "judge.jsonl"
    rows = [
        {"pair_id": persona, "metric": "personalization", "order": order, "verdict": verdict}
        for persona in {answer["persona"] for answer in personas(study, tmp_path)}
        for order, verdict in (("base_first", "B"), ("test_first", "A"))
    ]
    judgements.write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
    analyze(study, tmp_path / "report", judgements=judgements)
    assert "People and the LLM judge" in (tmp_path / "report" / "report.md").read_text("utf-8")
    judgements.write_text('{"pair_id": "x"}', "utf-8")
    with pytest.raises(CommandError, match="line 1: metric is missing"):
        analyze(study, tmp_path / "other", judgements=judgements)


def test_a_study_changed_after_opening_is_not_analysed(study: Study, tmp_path: Path) -> None:
    study.items.update(prompt="Something else?")
    with pytest.raises(CommandError, match="was changed after it was opened"):
        analyze(study, tmp_path / "report")
    assert not (tmp_path / "report").exists()


def test_a_study_that_nobody_took_gives_a_report_with_reasons(tmp_path: Path) -> None:
    analyze(own_persona_study(participants=0, items=2), tmp_path / "report")
    assert "nothing was rated" in (tmp_path / "report" / "report.md").read_text("utf-8")


def personas(study: Study, folder: Path) -> Iterator[dict[str, str]]:
    analyze(study, folder / "for-personas")
    yield from rows_of(folder / "for-personas" / "long.csv")


def rows_of(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as handle:
        yield from csv.DictReader(handle)


def refuse(constant: str) -> float:
    raise AssertionError(f"{constant} in results.json")
