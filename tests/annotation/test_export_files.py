"""The files of an export: text survives every format, and no half file stays."""

import csv
import io
import json
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from django.core.management import CommandError, call_command

from annotation.export import FORMATS, Column, Table, study_tables
from annotation.export.writers import table_write
from annotation.models import AuditLog, Rating
from tests.annotation.exporting import export, rows_of
from tests.annotation.study_rows import (
    add_assignment,
    add_participant,
    add_written_persona,
    make_frozen_study,
)

pytestmark = pytest.mark.django_db
AWKWARD = [
    "=SUM(A1)\nsecond line",
    "crlf\r\nand a lone \r return",
    'quotes " and "" and, commas; and\ttabs',
    "emoji 🛶👩‍🚀 and e\u0301 and \u2028 separators",
    "'apostrophe first",
    "  spaces at both ends  ",
    "\n",
    "-1",
    "@here",
]


def read_csv(path: Path, encoding: str = "utf-8") -> list[dict[str, str]]:
    with path.open(encoding=encoding, newline="") as file:
        return list(csv.DictReader(file))


def read_rows(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".csv":
        return list(read_csv(path))
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]
    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return rows


# --- Who and what is left out ------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", FORMATS)
def test_no_link_token_or_completion_code_is_in_any_file(format: str, tmp_path: Path) -> None:
    study = make_frozen_study()
    link = study.open_links.create(cap=3)
    people = [add_participant(study), add_participant(study, open_link=link), add_participant(study)]
    for participant in people:
        add_assignment(participant)
    export(study, tmp_path, format, include_bots=True)
    secrets = [link.token, *(p.token for p in people), *(p.completion_code for p in people)]
    for path in tmp_path.iterdir():
        content = str(read_rows(path)) if format == "parquet" and path.suffix == ".parquet" else path.read_text()
        assert not [secret for secret in secrets if secret in content], path.name


# --- Text survives -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", FORMATS)
def test_text_comes_back_byte_for_byte(format: str, tmp_path: Path) -> None:
    study = make_frozen_study(given_items=1, written_items=len(AWKWARD), written_per_participant=1)
    for number, text in enumerate(AWKWARD, start=2):
        add_written_persona(add_participant(study), item_key=f"item-{number}", text=text)
    export(study, tmp_path, format)
    texts = [row["text"] for row in read_rows(tmp_path / f"personas.{format}") if row["persona_source"] == "written"]
    assert texts == AWKWARD
    if format != "parquet":
        assert "🛶" in (tmp_path / f"personas.{format}").read_text("utf-8")


def test_the_formula_safe_variant_marks_texts_and_can_be_undone(tmp_path: Path) -> None:
    study = make_frozen_study(given_items=1, written_items=len(AWKWARD), written_per_participant=1)
    for number, text in enumerate(AWKWARD, start=2):
        add_written_persona(add_participant(study), item_key=f"item-{number}", text=text)
    export(study, tmp_path, "csv", formula_safe=True)
    rows = read_csv(tmp_path / "personas.csv", encoding="utf-8-sig")
    texts = [row["text"] for row in rows if row["persona_source"] == "written"]
    assert not [text for text in texts if text[0] in "=+-@\t\r\n"]
    assert [text.removeprefix("'") for text in texts] == AWKWARD


def test_csv_lines_end_as_rfc_4180_wants(tmp_path: Path) -> None:
    study = make_frozen_study()
    export(study, tmp_path, "csv")
    content = (tmp_path / "participants.csv").read_bytes()
    assert content.count(b"\n") == content.count(b"\r\n") == 1


def test_times_are_utc_in_every_format(tmp_path: Path) -> None:
    study = make_frozen_study()
    moment = datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=UTC)
    add_participant(study, consented_at=moment, consent_hash="c" * 64)
    for format in FORMATS:
        export(study, tmp_path / format, format)
    text = "2026-03-01T12:30:15.123456Z"
    assert read_rows(tmp_path / "csv" / "participants.csv")[0]["consented_at"] == text
    assert read_rows(tmp_path / "jsonl" / "participants.jsonl")[0]["consented_at"] == text
    assert read_rows(tmp_path / "parquet" / "participants.parquet")[0]["consented_at"] == moment


def test_an_empty_study_exports_headers_and_schemas(tmp_path: Path) -> None:
    study = make_frozen_study()
    for format in FORMATS:
        assert export(study, tmp_path, format)["ratings"] == 0
    columns = [column.name for column in study_tables(study)["ratings"].columns]
    assert (tmp_path / "ratings.csv").read_text().strip().split(",") == columns
    assert pq.read_schema(tmp_path / "ratings.parquet").names == columns


# --- Files -------------------------------------------------------------------------------------------------------


def test_a_killed_export_leaves_the_files_of_the_last_whole_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = make_frozen_study()
    add_assignment(add_participant(study))
    export(study, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    add_assignment(add_participant(study))

    def interrupt(name: str) -> None:
        if name == "participants":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(study, tmp_path, progress=interrupt)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


# --- Memory and queries ------------------------------------------------------------------------------------------


def _synthetic(rows: int) -> Table:
    columns = (Column("number", "integer", "n"), Column("text", "string", "t"))
    return Table(
        "synthetic", "", columns, lambda: ({"number": n, "text": f"{n} " * 50} for n in range(rows)), lambda: rows
    )


@pytest.mark.parametrize("format", FORMATS)
def test_memory_does_not_grow_with_the_rows(format: str, tmp_path: Path) -> None:
    def peak(rows: int) -> int:
        tracemalloc.start()
        with (tmp_path / "file").open("wb") as sink:
            assert table_write(_synthetic(rows), sink, format=format)[0] == rows
        held = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return held

    peak(1000)  # imports
    assert peak(20_000) < 1.5 * peak(2_000)


def test_chunks_smaller_than_the_table_lose_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("annotation.export.wide.CHUNK", 2)
    monkeypatch.setattr("annotation.export.rows.CHUNK", 2)
    study = make_frozen_study()
    for _ in range(5):
        add_assignment(add_participant(study))
    assert len(rows_of(study, "ratings_wide")) == 5 and len(rows_of(study, "ratings")) == 25


# --- The command -------------------------------------------------------------------------------------------------


def test_the_command_writes_every_table_and_is_logged(tmp_path: Path) -> None:
    study = make_frozen_study()
    add_assignment(add_participant(study))
    out = io.StringIO()
    call_command("export_ratings", "study@1", "--format", "parquet", "--out", tmp_path / "new", stdout=out)
    assert "ratings.parquet: 5 rows" in out.getvalue()
    assert len(list((tmp_path / "new").iterdir())) == len(study_tables(study)) + 3
    entry = AuditLog.objects.get(action="export")
    assert entry.study == study and entry.data["rows"]["ratings"] == Rating.objects.count()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nothing"], "no study called"),
        (["study@9"], "no version"),
        (["study", "--format", "jsonl", "--formula-safe"], "needs --format csv"),
    ],
)
def test_the_command_says_what_is_wrong(arguments: list[str], says: str, tmp_path: Path) -> None:
    make_frozen_study()
    with pytest.raises(CommandError, match=says):
        call_command("export_ratings", *arguments, "--out", tmp_path)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    make_frozen_study()
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CommandError, match="cannot be written to"):
        call_command("export_ratings", "study", "--out", tmp_path / "file")
