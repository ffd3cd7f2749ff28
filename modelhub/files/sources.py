"""Where preference pairs are read from: files, folders with a file per split, and names on the Hub.

A folder may also be what `save_to_disk` of `datasets` has written, of one split or of several.
"""

import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from annotation.rowfiles import ENDINGS, Record, RecordError, ending_of, read_records
from modelhub.files.hub import read_hub

HUB = "hub:"
# The Hub's own rule, which makes every split name a safe file name too.
_SPLIT = re.compile(r"\w+(\.\w+)*")
_MAX_SPLIT = 40
_SAVED, _SAVED_SPLITS = "state.json", "dataset_dict.json"  # what save_to_disk writes into its folders
_PART = re.compile(r"-\d{5}-of-\d{5}$")  # large splits lie in several files: train-00000-of-00003.parquet


@dataclass
class SourceRows:
    """The rows of every split, the files read, and the addresses that the Hub gave for its own."""

    splits: dict[str, list[Record]] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    downloads: list[str] = field(default_factory=list)
    named: bool = True
    nested: Collection[str] = ()


def read_sources(
    sources: Sequence[str], *, split: str = "", named: bool = True, nested: Collection[str] = ()
) -> SourceRows:
    """Return the rows of all sources, those of one split joined in the order given.

    A file is the split `split`, or the one its name says; of a folder and of the Hub, all splits or that one are read.
    Without `named` a split may be called anything. Lists in the columns `nested` are read. Raises RecordError with
    everything that is wrong.
    """
    if split and (problems := _split_problems(split)):
        raise RecordError(problems)
    rows, problems = SourceRows(named=named, nested=nested), []
    for source in sources:
        try:
            _read(source, split, rows)
        except RecordError as error:
            problems += error.problems
    if problems:
        raise RecordError(problems)
    return rows


def _read(source: str, split: str, rows: SourceRows) -> None:
    if source.startswith(HUB):
        found = read_hub(source.removeprefix(HUB), split=split)
        for name, records in found.splits.items():
            _add(rows, name, records)
        rows.downloads += found.files
    elif Path(source).is_dir():
        folder = Path(source)
        saved = (folder / _SAVED).is_file() or (folder / _SAVED_SPLITS).is_file()
        (_read_saved if saved else _read_folder)(folder, split, rows)
    else:
        _read_file(Path(source), split or split_of(Path(source)), rows)


def _read_folder(folder: Path, split: str, rows: SourceRows) -> None:
    files = sorted(path for path in folder.iterdir() if ending_of(path) and path.is_file())
    if not files:
        raise RecordError([f"{folder}: holds no {', '.join(ENDINGS)} file, one per split."])
    _read_files(folder, [(split_of(file), file) for file in files], split, rows)


def _read_saved(folder: Path, split: str, rows: SourceRows) -> None:
    if (folder / _SAVED).is_file():
        files = _saved_files(folder, split)
        split = ""  # it is one split, called as is wanted
    else:
        names = [name for name in _json(folder / _SAVED_SPLITS, "splits") if isinstance(name, str)]
        files = [file for name in names for file in _saved_files(folder / name, name)]
    _read_files(folder, files, split, rows)


def _saved_files(folder: Path, split: str) -> list[tuple[str, Path]]:
    """Return the files of one split as `save_to_disk` lists them, with its name."""
    state = folder / _SAVED
    listed = _json(state, "_data_files")
    names = [one.get("filename") for one in listed if isinstance(one, dict)]
    found = [folder / name for name in names if isinstance(name, str) and Path(name).name == name]
    if not found or len(found) < len(listed) or _json(state, "_indices_data_files"):
        raise RecordError([f"{state}: names no files of rows; save the data set anew with save_to_disk."])
    return [(split or str(_json(state, "_split", "") or folder.name), file) for file in found]


def _json(path: Path, name: str, default: object = ()) -> Any:
    """Return one value of a JSON object in a file; raise RecordError if it is none."""
    try:
        found = json.loads(path.read_text("utf-8"))
        return found.get(name) or default
    except (OSError, ValueError, AttributeError) as error:
        raise RecordError([f"{path}: cannot be read; save the data set anew with save_to_disk."]) from error


def _read_files(folder: Path, files: Sequence[tuple[str, Path]], split: str, rows: SourceRows) -> None:
    wanted = [(name, file) for name, file in files if split in ("", name)]
    if not wanted:
        known = ", ".join(dict.fromkeys(name for name, _ in files))
        raise RecordError([f"{folder}: has no split {split!r}; it has {known}."])
    problems: list[str] = []
    for name, file in wanted:
        try:
            _read_file(file, name, rows)
        except RecordError as error:
            problems += error.problems
    if problems:
        raise RecordError(problems)


def split_of(file: Path) -> str:
    """Return the split that a file's name says: `test` for `test.parquet` and `test-00000-of-00002.parquet`."""
    return _PART.sub("", file.name[: -len(ending_of(file))] if ending_of(file) else file.stem)


def _read_file(file: Path, split: str, rows: SourceRows) -> None:
    _add(rows, split, read_records(file, nested=rows.nested))
    rows.files.append(file)


def _add(rows: SourceRows, split: str, records: list[Record]) -> None:
    if rows.named and (problems := _split_problems(split)):
        raise RecordError(problems)
    rows.splits.setdefault(split, []).extend(records)


def _split_problems(split: str) -> list[str]:
    if _SPLIT.fullmatch(split) and len(split) <= _MAX_SPLIT:
        return []
    rule = f"letters, digits and underscores with single dots between them, at most {_MAX_SPLIT}"
    return [f"{split!r} is no name of a split: {rule}. Name it with --split."]
