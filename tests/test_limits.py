"""Small files that would unpack into more than a machine has are refused with words, before memory is taken."""

import gc
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from annotation.errors import ServiceError
from annotation.parsing import DEEPEST, FREE_ROWS, LONGEST_LINE, MOST_COLUMNS, MOST_REPEATED, parquet_rows
from annotation.peoplefiles import read_invitations
from annotation.rowfiles import read_records
from annotation.studyfile import read_study_file
from modelhub.exchange.folder import _read
from modelhub.files.tables import read_verdicts
from modelhub.pipeline.config import read_pipeline
from modelhub.profiles import load_profile
from tests.annotation.studyfiles import study_data, write

MB = 1 << 20


def aliases(folder: Path) -> Path:
    """A study file of 300 bytes whose items hold nine times nine times … the same word."""
    levels = ["a: &a [x,x,x,x,x,x,x,x,x]"]
    names = "abcdefgh"
    levels += [f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]" for old, new in zip(names, names[1:], strict=False)]
    path = folder / "study.yaml"
    path.write_text("\n".join([*levels, "items: [*h]"]), encoding="utf-8")
    return path


def merges(folder: Path) -> Path:
    """The same by merge keys."""
    levels = ["a: &a {k: 1}"]
    levels += [
        f"{new}: &{new} {{<<: [{','.join([f'*{old}'] * 9)}]}}" for old, new in zip("abcdefg", "bcdefgh", strict=True)
    ]
    path = folder / "study.yaml"
    path.write_text("\n".join(levels), encoding="utf-8")
    return path


def many_rows(folder: Path, rows: int = 20_000_000) -> Path:
    """A Parquet file of a few hundred bytes with millions of rows, which say the same."""
    path = folder / "items.parquet"
    column = pa.DictionaryArray.from_arrays(pa.array([0] * 1000, pa.int32()), pa.array(["x"]))
    table = pa.table({"prompt": pa.chunked_array([column] * (rows // 1000))})
    pq.write_table(table, path, compression="zstd", row_group_size=rows, data_page_size=rows * 8)
    return path


def long_text(folder: Path, megabytes: int = 512) -> Path:
    """A Parquet file of some kilobytes with one text of half a gigabyte."""
    path = folder / "items.parquet"
    pq.write_table(
        pa.table({"prompt": ["x" * megabytes * MB]}), path, compression="zstd", use_dictionary=False,
        write_statistics=False,
    )  # fmt: skip
    return path


def peak(read: Callable[[], object]) -> float:
    """Return the megabytes that Python and Arrow have taken at most while a file was refused."""
    gc.collect()
    pool = pa.default_memory_pool()
    before = pool.max_memory()
    tracemalloc.start()
    try:
        with pytest.raises(ServiceError):
            read()
        return (tracemalloc.get_traced_memory()[1] + pool.max_memory() - before) / MB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("bomb", [aliases, merges])
def test_aliases_that_repeat_each_other_are_refused_before_they_unpack(
    bomb: Callable[[Path], Path], tmp_path: Path
) -> None:
    path = bomb(tmp_path)
    assert path.stat().st_size < 500
    assert peak(lambda: read_study_file(path)) < 5
    with pytest.raises(ServiceError, match=rf"aliases \(\*name\); at most {MOST_REPEATED} can be read"):
        read_study_file(path)


def test_a_file_that_stands_inside_of_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text("a: &a [*a]\ntitle: *a\n", encoding="utf-8")
    with pytest.raises(ServiceError, match="an alias .* inside of what it stands for"):
        read_study_file(tmp_path / "study.yaml")


def test_a_scale_that_stands_twice_by_an_alias_is_read(tmp_path: Path) -> None:
    path = write(tmp_path, study_data())
    text = path.read_text(encoding="utf-8").replace("  scale:\n", "  scale: &scale\n")
    second = "- key: other\n  name: Other\n  question: Is it?\n  scale: *scale\narms:"
    path.write_text(text.replace("arms:", second), encoding="utf-8")
    assert [aspect.labels for aspect in read_study_file(path).aspects] == [["No.", "Half", "Yes."]] * 2


@pytest.mark.parametrize("bomb", [many_rows, long_text])
@pytest.mark.parametrize("read", [lambda path: list(read_records(path)), _read], ids=["records", "exchange"])
def test_a_parquet_file_that_would_unpack_into_gigabytes_is_refused_by_what_it_declares(
    bomb: Callable[[Path], Path], read: Callable[[Path], object], tmp_path: Path
) -> None:
    path = bomb(tmp_path)
    assert path.stat().st_size < 100_000
    assert peak(lambda: read(path)) < 5
    with pytest.raises(ServiceError, match="at most .* can be read"):
        read(path)


def test_an_item_file_that_would_unpack_into_gigabytes_is_refused_with_its_name(tmp_path: Path) -> None:
    items = many_rows(tmp_path)
    path = write(tmp_path, study_data(items={"file": items.name}))
    assert peak(lambda: read_study_file(path)) < 5
    with pytest.raises(ServiceError, match=r"items\.parquet: has 20000000 rows in .* bytes; at most"):
        read_study_file(path)


def test_a_text_that_many_rows_share_is_one_text_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"prompt": ["x" * 100_000] * 5000, "n": list(range(5000))}), path, compression="zstd")
    tracemalloc.start()
    rows = list(parquet_rows(path)[1])
    taken = tracemalloc.get_traced_memory()[1] / MB
    tracemalloc.stop()
    assert len(rows) == 5000 and rows[-1] == {"prompt": "x" * 100_000, "n": 4999}
    assert taken < 20


def test_parquet_files_of_studies_are_read_whatever_their_columns_hold(tmp_path: Path) -> None:
    rows = [{"a": f"text {n}" if n % 3 else None, "b": n, "c": [n], "d": {"e": 1}} for n in range(2000)]
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=300)
    assert [record.values for record in read_records(path)] == [{**row, "c": [], "d": {}} for row in rows]


def test_as_many_rows_are_read_as_studies_have_however_well_they_are_packed(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"prompt": ["The same."] * FREE_ROWS}), path, compression="zstd")
    assert sum(1 for _ in parquet_rows(path)[1]) == FREE_ROWS


NESTED: dict[str, tuple[str, str, Callable[[Path], object]]] = {
    "study file": ("study.yaml", "title: " + "[" * 5000 + "]" * 5000, read_study_file),
    "study file, less deep": ("study.yaml", "title: " + "[" * (DEEPEST + 1) + "]" * (DEEPEST + 1), read_study_file),
    "profile": ("profile.yaml", "a: " + "{b: " * 5000 + "1" + "}" * 5000, load_profile),
    "pipeline": ("pipeline.toml", "a = " + "[" * 50_000 + "]" * 50_000, lambda path: read_pipeline(path, {})),
    "rows": ("rows.jsonl", '{"a": ' + "[" * 200_000 + "]" * 200_000 + "}", read_records),
    "array": ("rows.json", "[" * 200_000 + "]" * 200_000, read_records),
    "verdicts": ("rows.jsonl", "[" * 200_000 + "]" * 200_000, read_verdicts),
}


@pytest.mark.parametrize(("name", "content", "read"), NESTED.values(), ids=NESTED)
def test_what_is_nested_too_deeply_is_said_so(
    name: str, content: str, read: Callable[[Path], object], tmp_path: Path
) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(ServiceError, match="nested too deeply"):
        read(tmp_path / name)


def test_item_rows_that_are_nested_too_deeply_are_said_so(tmp_path: Path) -> None:
    (tmp_path / "items.jsonl").write_text('{"prompt": ' + "[" * 200_000 + "]" * 200_000 + "}", encoding="utf-8")
    with pytest.raises(ServiceError, match=r"items\.jsonl:1: brackets are nested too deeply"):
        read_study_file(write(tmp_path, study_data(items={"file": "items.jsonl"})))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_number_in_json_is_none_here(number: str, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text(f'{{"a": {number}}}', encoding="utf-8")
    with pytest.raises(ServiceError, match=f"line 1: {number} is no number that JSON has"):
        read_records(tmp_path / "rows.jsonl")


def test_a_line_without_an_end_is_not_read_to_its_end(tmp_path: Path) -> None:
    with (tmp_path / "rows.jsonl").open("w", encoding="utf-8") as file:
        file.write('{"a": "')
        for _ in range(64):
            file.write("x" * MB)
    assert peak(lambda: read_records(tmp_path / "rows.jsonl")) < 3 * LONGEST_LINE / MB
    with pytest.raises(ServiceError, match="line 1: holds more than .* characters in one piece"):
        read_records(tmp_path / "rows.jsonl")


def test_rows_are_read_one_by_one_from_a_long_file(tmp_path: Path) -> None:
    with (tmp_path / "rows.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(json.dumps({"n": n, "text": f"\u2028 {n}"}, ensure_ascii=False) + "\n" for n in range(20_000))
    assert [record.values["n"] for record in read_records(tmp_path / "rows.jsonl")] == list(range(20_000))


@pytest.mark.parametrize("read", [read_records, lambda path: read_study_file(
    write(path.parent, study_data(items={"file": path.name}))
)], ids=["records", "items"])  # fmt: skip
def test_a_table_with_too_many_columns_is_said_so(read: Callable[[Path], object], tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(",".join(["prompt", *map(str, range(MOST_COLUMNS))]), encoding="utf-8")
    with pytest.raises(ServiceError, match=f"has {MOST_COLUMNS + 1} columns; at most {MOST_COLUMNS}"):
        read(tmp_path / "rows.csv")


def test_a_list_of_people_that_is_too_long_is_said_so() -> None:
    with pytest.raises(ServiceError, match=r"is 8\.6 MB long; at most 8 MB can be read"):
        read_invitations(b"id\n" + b"x" * 9_000_000)
