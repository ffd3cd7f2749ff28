"""The rows of a file of outputs, by the names that an import knows, and what keeps them from being outputs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from annotation.bringing import guessed_columns, in_fields
from annotation.models import Upload
from annotation.rowfiles import Record, RecordError, read_records
from annotation.rowfiles.formats import in_our_columns
from modelhub.files.personacolumns import text_of
from modelhub.stages.shared.matching import is_released

_RELEASED = {"prompt": "prompt", "text": "response"}


@dataclass(frozen=True)
class OutputRows:
    """Rows of outputs; `released` ones have a rendered prompt and its response, others item or prompt, and text."""

    records: list[Record]
    released: bool


def output_rows(file: Path, columns: Mapping[str, str]) -> OutputRows:
    """Return a file's rows; `columns` say which column holds which field, where somebody has chosen them.

    Raises RecordError with everything that cannot be read.
    """
    records, told, problems = in_our_columns(read_records(file))
    if problems:
        raise RecordError(problems)
    chosen = {name: column for name, column in columns.items() if name in _RELEASED}
    if is_released(records) and chosen.items() <= _RELEASED.items():
        return OutputRows(records, released=True)
    if told and not columns:
        names = list(dict.fromkeys(name for record in records for name in record.values))
        columns = guessed_columns(Upload.Kind.OUTPUTS, names)
    return OutputRows(in_fields(records, columns) if columns else records, released=False)


def row_problems(rows: OutputRows) -> list[str]:
    """Return what keeps rows from being outputs, each with its place."""
    return list(_response_problems(rows.records, "response" if rows.released else "text"))


def _response_problems(records: Sequence[Record], column: str) -> Iterable[str]:
    for record in records:
        values, problems = record.values, list[str]()
        if column not in values or not ({"item", "prompt"} & values.keys()):
            missing = " and no column ".join(_missing(record, column))
            yield (
                f"{record.place}: has no column {missing}. Rows need item and text, with persona, arm or system as far "
                "as needed; or prompt and response, as in the released files."
            )
        elif not isinstance(text := values[column], str):
            yield f"{record.place}: {column} must be a string, not {type(text).__name__}."
        else:
            text_of(record, column, problems)
        yield from problems


def _missing(record: Record, column: str) -> list[str]:
    named = {"item", "prompt"} & record.values.keys()
    return [*([] if named else ["item"]), *([] if column in record.values else [column])]
