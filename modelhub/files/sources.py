"""Where preference pairs are read from: files, folders with a file per split, and names on the Hub."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from annotation.rowfiles import ENDINGS, Record, RecordError, read_records
from modelhub.files.hub import read_hub

HUB = "hub:"
# The Hub's own rule, which makes every split name a safe file name too.
_SPLIT = re.compile(r"\w+(\.\w+)*")
_MAX_SPLIT = 40
_PART = re.compile(r"-\d{5}-of-\d{5}$")  # large splits lie in several files: train-00000-of-00003.parquet


@dataclass
class SourceRows:
    """The rows of every split, the files read, and the addresses that the Hub gave for its own."""

    splits: dict[str, list[Record]] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    downloads: list[str] = field(default_factory=list)
    named: bool = True


def read_sources(sources: Sequence[str], *, split: str = "", named: bool = True) -> SourceRows:
    """Return the rows of all sources, those of one split joined in the order given.

    A file is the split `split`, or the one its name says; of a folder and of the Hub, all splits or that one are read.
    Without `named` a split may be called anything. Raises RecordError with everything that is wrong.
    """
    if split and (problems := _split_problems(split)):
        raise RecordError(problems)
    rows, problems = SourceRows(named=named), []
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
        _read_folder(Path(source), split, rows)
    else:
        _read_file(Path(source), split or split_of(Path(source)), rows)


def _read_folder(folder: Path, split: str, rows: SourceRows) -> None:
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in ENDINGS and path.is_file())
    if not files:
        raise RecordError([f"{folder}: holds no {', '.join(ENDINGS)} file, one per split."])
    wanted = [file for file in files if split in ("", split_of(file))]
    if not wanted:
        known = ", ".join(dict.fromkeys(split_of(file) for file in files))
        raise RecordError([f"{folder}: has no split {split!r}; it has {known}."])
    problems: list[str] = []
    for file in wanted:
        try:
            _read_file(file, split_of(file), rows)
        except RecordError as error:
            problems += error.problems
    if problems:
        raise RecordError(problems)


def split_of(file: Path) -> str:
    """Return the split that a file's name says: `test` for `test.parquet` and `test-00000-of-00002.parquet`."""
    return _PART.sub("", file.stem)


def _read_file(file: Path, split: str, rows: SourceRows) -> None:
    _add(rows, split, read_records(file))
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
