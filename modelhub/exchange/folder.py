"""A folder with the requests of a stage and the answers to them, as Parquet files. Pure: no database.

    about.json                what is asked, and of which system
    requests/00001-….parquet  up to PART rows: key, rendered, prompt, persona, system_message, shared
    answers/….parquet         key, text, finish_reason, prompt_tokens, completion_tokens, seconds, served (JSON); of a
                              row that failed: key, error, final, kind

A row is known by its key, whatever file it stands in. Files appear when they are whole, so that many machines may write
answers at once, and whoever is killed leaves nothing half-written.
"""

import json
import shutil
import uuid
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from annotation.errors import ServiceError
from annotation.parsing import TooMuch, check_parquet
from modelhub.engines.base import GenerationFailure, GenerationRequest, GenerationResult
from personaeval.backups.aside import put

PART = 500
_ABOUT, _REQUESTS, _ANSWERS = "about.json", "requests", "answers"
_PARTS = {_ABOUT, _REQUESTS, _ANSWERS}
_REQUEST_COLUMNS = pa.schema([
    ("key", pa.string()), ("rendered", pa.string()), ("prompt", pa.string()), ("persona", pa.string()),
    ("system_message", pa.string()), ("shared", pa.int32()),
])  # fmt: skip
_ANSWER_COLUMNS = pa.schema([
    ("key", pa.string()), ("text", pa.string()), ("finish_reason", pa.string()), ("prompt_tokens", pa.int64()),
    ("completion_tokens", pa.int64()), ("seconds", pa.float64()), ("served", pa.string()), ("error", pa.string()),
    ("final", pa.bool_()), ("kind", pa.string()),
])  # fmt: skip

Outcome = GenerationResult | GenerationFailure


@dataclass(frozen=True)
class About:
    """What a folder is for: rows of one subject of a stage, and the fields of the system that is asked.

    `defaults` are the stage's decoding settings, which the system's own override.
    """

    stage: str
    subject: str
    conditions: dict[str, Any]
    system: dict[str, Any]
    defaults: dict[str, Any]


class Exchange:
    """One folder. Any number of processes may read it and add answers; one writes requests."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def begin(self, about: About) -> None:
        """Make the folder, or go on with the one that is there. Raises ServiceError if that is about other rows."""
        if (self.folder / _ABOUT).exists():
            if self.about() != about:
                raise ServiceError(
                    f"{self.folder} holds requests of {self.about().stage} for {self.about().subject}, of another "
                    "system or under other conditions. Name another folder with --exchange, or delete this one."
                )
            return
        if strange := sorted(path.name for path in self.folder.glob("[!.]*") if path.name not in _PARTS):
            raise ServiceError(
                f"{self.folder} holds other things, such as {strange[0]}, and is deleted when all is stored. Name an "
                "empty folder with --exchange, or one that is not there yet."
            )
        for name in (_REQUESTS, _ANSWERS):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        _write_whole(self.folder / _ABOUT, json.dumps(asdict(about), indent=1).encode())

    def about(self) -> About:
        """Return what the folder is for. Raises ServiceError if it is no such folder."""
        try:
            return About(**json.loads((self.folder / _ABOUT).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise ServiceError(
                f"{self.folder} is no folder of requests: its {_ABOUT} cannot be read ({error}). Make one with a "
                "stage's --on folder --exchange FOLDER."
            ) from error

    def parts(self) -> list[str]:
        """Return the names of the files of requests, in their order."""
        return sorted(path.name for path in (self.folder / _REQUESTS).glob("*.parquet"))

    def requests(self, part: str) -> list[tuple[str, GenerationRequest]]:
        """Return the rows of one file of requests."""
        rows = _read(self.folder / _REQUESTS / part).to_pylist()
        return [(row.pop("key"), GenerationRequest(**row)) for row in rows]

    def requested(self) -> set[str]:
        """Return the keys of all requests."""
        return {key for part in self.parts() for key in _read(self.folder / _REQUESTS / part, ["key"])[0].to_pylist()}

    def add_requests(self, rows: Iterable[tuple[str, GenerationRequest]]) -> int:
        """Write requests, PART to a file, after those that are there; return how many."""
        number, count, rows = len(self.parts()), 0, iter(rows)
        while part := list(islice(rows, PART)):
            number, count = number + 1, count + len(part)
            content = [{"key": key, **asdict(request)} for key, request in part]
            # A name of its own: a run on another shard may put its requests here now, or a file was deleted before.
            name = f"{number:05}-{uuid.uuid4().hex[:8]}.parquet"
            _write_table(self.folder / _REQUESTS / name, pa.Table.from_pylist(content, _REQUEST_COLUMNS))
        return count

    def answer_files(self) -> set[str]:
        """Return the names of the files of answers."""
        return {path.name for path in (self.folder / _ANSWERS).glob("*.parquet")}

    def answered(self, file: str) -> tuple[list[str], list[str]]:
        """Return the keys of the rows of a file that were answered, and of those that failed."""
        table = _read(self.folder / _ANSWERS / file, ["key", "error"])
        keys: tuple[list[str], list[str]] = ([], [])
        for key, error in zip(table["key"].to_pylist(), table["error"].to_pylist(), strict=True):
            keys[error is not None].append(key)
        return keys

    def answers(self, file: str) -> dict[str, Outcome]:
        """Return what a file of answers holds, by key."""
        return {row["key"]: _outcome(row) for row in _read(self.folder / _ANSWERS / file).to_pylist()}

    def add_answers(self, rows: Sequence[tuple[str, Outcome]]) -> str:
        """Write answers to a file of their own and return its name. Raises ServiceError if the folder is gone."""
        name = f"{uuid.uuid4().hex}.parquet"
        table = pa.Table.from_pylist([_answer_row(key, one) for key, one in rows], _ANSWER_COLUMNS)
        try:
            _write_table(self.folder / _ANSWERS / name, table)
        except FileNotFoundError as error:
            raise ServiceError(
                f"{self.folder} is gone: the stage has stored an answer to all that it asked."
            ) from error
        return name

    def remove(self) -> None:
        """Delete what was asked and answered, and the folder unless something else lies there: all of it is stored."""
        (self.folder / _ABOUT).unlink()
        for name in (_REQUESTS, _ANSWERS):
            gone = self.folder / f".{uuid.uuid4().hex}"
            (self.folder / name).rename(gone)  # at once, for whoever still writes there
            shutil.rmtree(gone)
        with suppress(OSError):
            self.folder.rmdir()


class AnswerIndex:
    """Which file holds what came of which row, for all files that were taken up: about 100 bytes a row."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._answered: dict[str, str] = {}
        self._failed: dict[str, str] = {}
        self._taken: set[str] = set()
        self._outcomes = lru_cache(maxsize=64)(exchange.answers)

    def take_all(self, *, failures: bool = True) -> None:
        """Take up all files that are there and were not yet; `failures`: also what they say of rows that failed."""
        for file in sorted(self._exchange.answer_files() - self._taken):
            self.take(file, failures=failures)

    def take(self, file: str, *, failures: bool = True) -> None:
        """Take up one file."""
        self._taken.add(file)
        answered, failed = self._exchange.answered(file)
        self._answered.update(dict.fromkeys(answered, file))
        if failures:
            self._failed.update(dict.fromkeys(failed, file))

    def is_answered(self, key: str) -> bool:
        """Whether the row has an answer."""
        return key in self._answered

    def left_of(self, part: str) -> list[tuple[str, GenerationRequest]]:
        """Return the rows of a file of requests that nobody has answered by now."""
        self.take_all(failures=False)
        return [row for row in self._exchange.requests(part) if not self.is_answered(row[0])]

    def outcome(self, key: str) -> Outcome | None:
        """Return what came of a row, an answer before any failure; None if nothing has come."""
        file = self._answered.get(key) or self._failed.get(key)
        return self._outcomes(file)[key] if file else None


def _answer_row(key: str, one: Outcome) -> dict[str, Any]:
    if isinstance(one, GenerationFailure):
        return {"key": key, "error": one.error, "final": one.final, "kind": one.kind}
    return {"key": key, **vars(one), "served": json.dumps(dict(one.served))}


def _outcome(row: dict[str, Any]) -> Outcome:
    if row["error"] is not None:
        return GenerationFailure(row["error"], final=row["final"], kind=row["kind"])
    return GenerationResult(
        row["text"], row["finish_reason"], row["prompt_tokens"], row["completion_tokens"], row["seconds"],
        json.loads(row["served"]),
    )  # fmt: skip


def _read(path: Path, columns: list[str] | None = None) -> pa.Table:
    try:
        check_parquet(path)
        return pq.read_table(path, columns=columns)
    except (OSError, pa.ArrowException, TooMuch) as error:
        raise ServiceError(f"{path} cannot be read: {error}. Delete it; its rows are asked for again.") from error


def _write_table(path: Path, table: pa.Table) -> None:
    buffer = pa.BufferOutputStream()
    pq.write_table(table, buffer, compression="zstd")
    _write_whole(path, buffer.getvalue())


def _write_whole(path: Path, content: bytes | pa.Buffer) -> None:
    """Write a file that nobody sees before it is whole."""
    draft = path.with_name(f".{uuid.uuid4().hex}")
    draft.write_bytes(content)
    put(draft, path)
