"""Reading rows from files."""

import json
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from modelhub.files.records import RecordError, file_sha256, read_records

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
        "rows.csv line 3: has fewer values than the header has columns.",
        "rows.csv line 4: has more values than the header has columns.",
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
    with pytest.raises(RecordError, match=r"nowhere\.csv: the file cannot be read: No such file"):
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
