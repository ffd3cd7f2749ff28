"""Reading rows from files."""

import csv
import io
import json
from pathlib import Path
from typing import Any, Literal

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.rowfiles import RecordError, RowFile, RowProblem, file_sha256, read_records
from tests.tools.oddvalues import folder
from tests.tools.oddvalues import values as many_values

ROWS = [{"item": "a", "text": "One.\nTwo 🙂\u2028three"}, {"item": "b", "text": 'She said "no", twice'}]


def values(path: Path) -> list[dict[str, object]]:
    return [record.values for record in read_records(path)]


def test_json_lines_arrays_csv_and_parquet_hold_the_same_rows(tmp_path: Path) -> None:
    (tmp_path / "lines.jsonl").write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS), "utf-8")
    (tmp_path / "array.jsonl").write_text(json.dumps(ROWS, indent=4, ensure_ascii=False), "utf-8")
    quoted = [f'{row["item"]},"{row["text"].replace(chr(34), chr(34) * 2)}"' for row in ROWS]
    (tmp_path / "rows.csv").write_bytes("\r\n".join(["item,text", *quoted]).encode())
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), tmp_path / "rows.parquet")
    for name in ("lines.jsonl", "array.jsonl", "rows.csv", "rows.parquet"):
        assert values(tmp_path / name) == ROWS, name


def test_every_bad_line_is_reported_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"item": "a"}\n{"item": \n\n[1]\n', encoding="utf-8")
    with pytest.raises(RecordError) as caught:
        read_records(path)
    assert [problem.split(":")[0] for problem in caught.value.problems] == ["rows.jsonl line 2", "rows.jsonl line 4"]


def test_a_csv_row_of_another_length_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("item,text\na,one\nb\nc,two,three\n", encoding="utf-8")
    with pytest.raises(RecordError) as caught:
        read_records(path)
    assert caught.value.problems == [
        f"rows.csv line {line}: has {count} cells, the header 2; quote cells that hold the separator, quotes or line "
        "breaks, and write empty cells too."
        for line, count in [(3, 1), (4, 3)]
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.txt", b"x", "must end in"),
        ("rows.jsonl", b"", "no rows"),
        ("rows.jsonl", b'{"item": "\xff"}', "not UTF-8"),
        ("rows.json", b"[1,", "rows.json line 1: not valid JSON"),
        ("rows.parquet", b"no parquet", "not a valid Parquet"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RecordError, match=message):
        read_records(tmp_path / name)


def test_a_csv_value_may_be_as_long_as_a_json_one(tmp_path: Path) -> None:
    long = "word " * 100_000
    (tmp_path / "rows.csv").write_text(f'item\n"{long}"\n', "utf-8")
    assert read_records(tmp_path / "rows.csv")[0].values == {"item": long}


def test_a_damaged_parquet_file_is_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"item": ["a"]}), path)
    content = bytearray(path.read_bytes())
    content[4:20] = bytes(16)
    path.write_bytes(content)
    with pytest.raises(RecordError) as caught:
        read_records(path)
    assert [len(problem.splitlines()) for problem in caught.value.problems] == [1]
    assert "rows.parquet: " in caught.value.problems[0] and not caught.value.problems[0].endswith("..")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"nowhere\.csv: the file cannot be read: there is no such file"):
        read_records(tmp_path / "nowhere.csv")


def test_the_hash_is_that_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"abc")
    assert file_sha256(tmp_path / "f") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.csv", "item,text,item\na,b,c\n", "rows.csv line 1: several columns are called 'item'"),
        ("rows.jsonl", '{"item": 1}\n{"item": "a", "item": "b"}\n', "rows.jsonl line 2: 'item' stands twice"),
        ("rows.json", '[{"item": "a", "item": "b"}]', "rows.json: 'item' stands twice"),
        ("rows.jsonl", '{"item": ' + "9" * 5000 + "}\n", "rows.jsonl line 1: a number has more digits"),
        ("rows.json", "[" * 100_000, "rows.json: brackets are nested too deeply"),
        ("rows.jsonl", '{"item": ' + "[" * 100_000, "rows.jsonl line 1: brackets are nested too deeply"),
    ],
)
def test_what_a_file_leaves_open_is_refused_instead_of_guessed(
    tmp_path: Path, name: str, content: str, message: str
) -> None:
    (tmp_path / name).write_text(content, "utf-8")
    with pytest.raises(RecordError, match=message):
        read_records(tmp_path / name)


def test_two_parquet_columns_of_one_name_are_named(tmp_path: Path) -> None:
    table = pyarrow.Table.from_arrays([pyarrow.array(["a"]), pyarrow.array(["b"])], names=["item", "item"])
    pyarrow.parquet.write_table(table, tmp_path / "rows.parquet")
    with pytest.raises(RecordError, match="several columns are called 'item'"):
        read_records(tmp_path / "rows.parquet")


# --- As people make them -------------------------------------------------------------------------------------------

CELLS = st.text(st.characters(exclude_categories=("Cs", "Cc")) | st.sampled_from('\n",;\t'), max_size=12)
NAMES = ["id", "prompt", "persona"]
TABLES = st.lists(st.lists(CELLS, min_size=3, max_size=3).filter(lambda row: any(map(str.strip, row))), min_size=1)
# What writes it: separator, quoting, line end, encoding, and columns and rows that Excel leaves empty.
DIALECTS: dict[str, tuple[str, Literal[0, 1], str, str, int, int]] = {
    "Excel": (",", csv.QUOTE_MINIMAL, "\r\n", "utf-8-sig", 0, 0),
    "Excel, trailing": (",", csv.QUOTE_MINIMAL, "\r\n", "utf-8-sig", 3, 2),
    "Excel, German": (";", csv.QUOTE_MINIMAL, "\r\n", "utf-8", 2, 1),
    "Excel, Unicode text": ("\t", csv.QUOTE_MINIMAL, "\r\n", "utf-16", 0, 0),
    "UTF-16, other order": (";", csv.QUOTE_ALL, "\n", "utf-16-be", 0, 0),
    "old Mac": (",", csv.QUOTE_ALL, "\r", "utf-8", 0, 0),
    "Unix": ("\t", csv.QUOTE_MINIMAL, "\n", "utf-8", 0, 1),
}


def written(rows: list[list[str]], dialect: str, names: list[str] = NAMES) -> bytes:
    separator, quoting, end, encoding, empty_columns, empty_rows = DIALECTS[dialect]
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator, quoting=quoting, lineterminator=end)
    writer.writerows([*row, *[""] * empty_columns] for row in [names, *rows, *[[""] * len(names)] * empty_rows])
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    return (mark + text.getvalue()).encode(encoding)


@many_values
@given(TABLES)
def test_a_table_reads_equal_in_every_dialect_and_format(rows: list[list[str]]) -> None:
    wanted = [dict(zip(NAMES, row, strict=True)) for row in rows]
    with folder() as path:
        for dialect in DIALECTS:
            (path / "rows.csv").write_bytes(written(rows, dialect))
            assert [record.values for record in read_records(path / "rows.csv")] == wanted, dialect
        for end in ("\n", "\r\n", "\r"):
            lines = end.join(json.dumps(row, ensure_ascii=False) for row in wanted)
            for encoding in ("utf-8", "utf-8-sig", "utf-16"):
                (path / "rows.jsonl").write_bytes(lines.encode(encoding))
                assert [record.values for record in read_records(path / "rows.jsonl")] == wanted, (end, encoding)
        for indent in (None, 2):
            (path / "rows.json").write_text(json.dumps(wanted, indent=indent), "utf-8")
            assert [record.values for record in read_records(path / "rows.json")] == wanted


@many_values
@given(st.lists(CELLS.filter(str.strip), min_size=1))
def test_a_table_of_one_column_reads_equal_in_every_dialect(cells: list[str]) -> None:
    with folder() as path:
        for dialect in DIALECTS:
            (path / "rows.csv").write_bytes(written([[cell] for cell in cells], dialect, ["prompt"]))
            assert [record.values for record in read_records(path / "rows.csv")] == [{"prompt": one} for one in cells]


def read_csv(folder: Path, text: str | bytes) -> tuple[list[tuple[Any, dict[str, Any]]], list[str], list[str]]:
    """Return the rows with their lines, what is wrong, and what is told."""
    (folder / "rows.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    file = RowFile(folder / "rows.csv")
    found = list(file.rows())
    rows = [(row.at, row.values) for row in found if not isinstance(row, RowProblem)]
    return rows, [row.told("rows.csv") for row in found if isinstance(row, RowProblem)], file.notes


def test_what_is_found_out_of_a_table_is_told(tmp_path: Path) -> None:
    assert read_csv(tmp_path, written([["a", "b", "c"]], "Excel"))[2] == []
    assert read_csv(tmp_path, written([["a", "b", "c"]], "Excel, German"))[2] == [
        "The file is separated by semicolons."
    ]
    notes = read_csv(tmp_path, written([["a", "b", "c"]], "Excel, Unicode text"))[2]
    assert notes == ["The file is in UTF-16.", "The file is separated by tabs."]
    rows, _, notes = read_csv(tmp_path, "sep=;\r\nid;prompt\r\n1;a,b\r\n")
    assert (rows, notes) == ([(3, {"id": "1", "prompt": "a,b"})], ["The file is separated by semicolons."])
    rows, _, notes = read_csv(tmp_path, ",id\n0,a\n1,b\n")  # as pandas writes it
    assert [row for _, row in rows] == [{"id": "a"}, {"id": "b"}]
    assert notes == ["A column without a name says nothing and was left out."]


def test_a_separator_is_the_one_that_gives_rows_as_wide_as_the_header(tmp_path: Path) -> None:
    text = "id,prompt;long,persona\n1,a;b;c;d,x\n2,e,y\n"
    assert read_csv(tmp_path, text)[0][0] == (2, {"id": "1", "prompt;long": "a;b;c;d", "persona": "x"})


def test_texts_that_look_like_something_else_stay_as_they_were_typed(tmp_path: Path) -> None:
    texts = ["nan", "NA", "null", "007", "1.0", "true", "12:30", " a ", "1e5"]
    rows, problems, _ = read_csv(tmp_path, "id,prompt\n" + "".join(f"{text},{text}\n" for text in texts))
    assert not problems and [row for _, row in rows] == [{"id": text, "prompt": text} for text in texts]


def test_a_cell_below_a_column_without_a_name_is_refused_with_its_line(tmp_path: Path) -> None:
    rows, problems, _ = read_csv(tmp_path, 'id,prompt,,\na,"two\nlines",,\nb,c,stray,\nd,e,,\n')
    assert [at for at, _ in rows] == [2, 5]
    assert problems == ["rows.csv line 4: holds 'stray' in column 3, which has no name; name it in the first line."]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.csv", "prompt\ncafé\n".encode("latin-1"), r"rows\.csv line 2: byte 0xe9 is not UTF-8 here; save"),
        ("rows.csv", b"prompt\ra\rcaf\xe9\r", r"rows\.csv line 3: byte 0xe9 is not UTF-8 here"),
        ("rows.csv", "prompt\na\n".encode("utf-16-le"), "seems to be UTF-16 without its mark"),
        ("rows.csv", "prompt\na\n".encode("utf-32"), "UTF-32"),
        ("rows.csv", "prompt\na\n".encode("utf-16")[:-1], "not whole UTF-16"),
        ("rows.csv", b"PK\x03\x04\x14\x00", "a spreadsheet or an archive under another name; open it, and save"),
        ("rows.xlsx", b"PK\x03\x04", r"is a spreadsheet, .*; save it as CSV UTF-8"),
        ("rows.ods", b"PK\x03\x04", r"is a spreadsheet, .*; save it as CSV UTF-8"),
        ("rows.csv.gz", b"\x1f\x8b", "is no whole gzip file .*; pack it anew, or bring it unpacked"),
        ("rows.csv.zip", b"PK", "is packed; unpack it first"),
        ("rows.parquet.gz", b"\x1f\x8b", "is packed; unpack it first"),
        ("rows.json", b'{"a": ', r"rows\.json line 1: not valid JSON: .*; write one object per line, or an array"),
        ("rows.eval", b"PK", r"inspect log convert --to json"),
    ],
)  # fmt: skip
def test_what_no_reader_can_know_is_refused_with_what_to_do(
    name: str, content: bytes, message: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RecordError, match=message):
        read_records(tmp_path / name)
