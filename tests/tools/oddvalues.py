"""Odd values, and files that hold them: what tests send through every door."""

import csv
import io
import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from annotation.fields import LONGEST_REASON
from annotation.models import Study
from annotation.services.studies import study_save
from annotation.studyfile import StudyFileError, read_study_file
from tests.annotation.studyfiles import study_data
from tests.factories import make_user

FORMAT_FILES = ("jsonl", "csv", "parquet")


class Refused(Exception):
    """The door refused the value, with this message."""


class CannotCarry(Exception):
    """The format has no way to write this value: half a character in a file that is UTF-8."""


# --- The values ----------------------------------------------------------------------------------------------------


ODD = [
    "", " ", "\t\n", "\u200b", "\u2060\ufeff", "\u2800", "\u3164", "\u00a0", "\u00ad", "\x00", "a\x00b", "\x1b[1m",
    "\ud800", "a\udfffb", "a\u0085b", "a\u2028b", "a\r\nb", "a\rb", "a\nb", "\ufeffa", " a ", "\u00a0a\u00a0",
    "a\u200b",
    "\u202ea", "007", "1.0", "1e3", "1.0E+15", "1,5E+12", "12e345", "yes", "no", "null", "~", "NaN", "-Infinity",
    "=1+1", "'a", '"', "a,b;c\td", "2026-11-27", "1:30", "0x1F", "é", "e\u0301", "ﬀ", "İ", "ß", "👩‍🚀", "\U0010ffff",
    "\ufffe", "{{ a }}", "<b>&amp;</b>", "x" * 80, "x" * 81, "x" * LONGEST_REASON, "x" * (LONGEST_REASON + 1),
]  # fmt: skip
# Without what each format is known to write otherwise: hypothesis still draws NUL, halves of characters and all else.
CHARACTERS = st.sampled_from("a \n\r\x00\u200b\ud800é1E+.")
ANY = st.one_of(st.sampled_from(ODD), st.text(max_size=12), st.text(CHARACTERS, max_size=6))
values = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


# --- Files ---------------------------------------------------------------------------------------------------------


@contextmanager
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp())
    try:
        yield path
    finally:
        shutil.rmtree(path)


def file_of(path: Path, format: str, rows: list[dict[str, Any]]) -> Path:
    """Write rows in a format; raise CannotCarry where it has no way to."""
    path = path.with_suffix(f".{format}")
    try:
        if format == "jsonl":
            path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
        elif format == "csv":
            buffer = io.StringIO()
            writer = csv.DictWriter(buffer, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
            path.write_bytes(buffer.getvalue().encode())
        else:
            pq.write_table(pa.Table.from_pylist(rows), path)
    except (UnicodeEncodeError, pa.ArrowException, csv.Error) as error:
        raise CannotCarry from error
    return path


def escaped(value: str) -> Any:
    """Return a YAML scalar in which every character but plain ones is escaped, as JSON does."""
    return value


def study_of(path: Path, **changes: Any) -> Study:
    """Return the study that a file with these changes makes. Every character is written as an escape."""
    data = study_data(**changes)
    file = path / "study.yaml"
    file.write_text(yaml.safe_dump(data, allow_unicode=False, sort_keys=False), encoding="utf-8")
    try:
        return study_save(definition=read_study_file(file), owner=make_user())
    except StudyFileError as error:
        assert re.search(r"(study\.yaml|items\.\w+)(:[^:]*)?: ", str(error)), error
        raise Refused(str(error)) from error


NUMBERS = [
    "1", "7", "10", "007", "-1", "0", "1.0", "1.", "1e1", "1_0", "0x1", "0b1", "010", "1:30", "yes", "true",
    "null",
    "NaN", ".inf", ".nan", "١", "½", "²", "99999999999999999999", "9" * 5000, " ", "", "a", "1 2", "=1", "1.5",
]  # fmt: skip
