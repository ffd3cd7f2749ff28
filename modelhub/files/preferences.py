"""Preference pairs as files hold them, with their personas: read, checked and freed of repeated rows. Pure.

The one reader of such files, whether they go into the database or into a study. Texts are kept exactly as they stand. A
pair's key looks past white space at the ends and past which side was chosen, so that the same pair is known again
wherever it comes from.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from annotation.fields import is_blank
from annotation.rowfiles import Record
from annotation.rowfiles.preferences import NoPair, as_texts, form_of
from modelhub.files.pairs import DIRECTIONS, SOURCES, Columns, PersonaRow, pair_key
from modelhub.files.personacolumns import is_long, name_problem, personas_of, stratum_of, text_of
from modelhub.files.problems import first_lines

_PLACES_SHOWN = 10

Personas = tuple[str, str]
"""The persona of the chosen and that of the rejected response, "" where there is none."""


@dataclass(frozen=True)
class PreferenceRow:
    """One pair of a split. `row` counts from 1; responses may be empty in test sets."""

    place: str
    row: int
    key: str
    prompt: str
    chosen: str
    rejected: str
    stratum: str
    personas: list[PersonaRow]

    @property
    def sha256(self) -> str:
        return pair_sha256(self.prompt, self.chosen, self.rejected)

    def of(self, source: str) -> list[PersonaRow]:
        """Return the personas of one source."""
        return [persona for persona in self.personas if persona.source == source]

    @property
    def retrieved(self) -> tuple[str, Personas]:
        """The retrieved personas of one system, the first that brings some, after its name."""
        found = self.of("retrieved")
        system = found[0].system if found else ""
        texts = {one.direction: one.text for one in found if one.system == system}
        chosen, rejected = (texts.get(direction, "") for direction in DIRECTIONS)
        return system, (chosen, rejected)


@dataclass
class SplitRows:
    """A split without its repeated rows. The lists say by place what a person should know; `problems` forbid it."""

    name: str
    rows: list[PreferenceRow] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)
    contradictions: list[str] = field(default_factory=list)
    identical: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    incomparable: list[str] = field(default_factory=list)
    forms: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def notes(self) -> Iterator[str]:
        """Yield what to tell of rows that are no pairs of their own, or no whole ones, with the first of them."""
        yield from (f"  {form} Rows of this form: {count}." for form, count in self.forms.items())
        notes = [
            ("compare no two answers to one prompt and were left out", self.incomparable),
            ("repeat an earlier row and were left out", self.duplicates),
            ("contradict an earlier row and were left out", self.contradictions),
            ("prefer a response to itself and were left out", self.identical),
            ("have an empty response", self.empty),
        ]
        for what, places in notes:
            if places:
                yield f"  {len(places)} rows {what}:"
                yield from (f"    {line}" for line in first_lines(places, _PLACES_SHOWN))


def pair_sha256(prompt: str, chosen: str, rejected: str) -> str:
    """Return the SHA-256, in hex, over the three texts as a JSON list in UTF-8."""
    content = json.dumps([prompt, chosen, rejected], ensure_ascii=False)
    return hashlib.sha256(content.encode("utf-8")).hexdigest()


def split_digest(sha256s: Iterable[str]) -> str:
    """Return one SHA-256 for all pairs of a split, whatever their order: over their own, sorted, one a line."""
    return hashlib.sha256("".join(f"{sha256}\n" for sha256 in sorted(sha256s)).encode("ascii")).hexdigest()


def read_split(name: str, records: Sequence[Record], columns: Columns, *, allow_empty: bool) -> SplitRows:
    """Return the pairs of a split in the order of its rows, each once, with everything that is to be said of them."""
    reader = PairReader(name, columns, allow_empty=allow_empty)
    reader.read(records)
    return reader.split


class PairReader:
    """Reads the rows of one split, which may lie in several files.

    Of rows that repeat a pair the first stands, also where a later one says that the other side was chosen. Personas
    that it lacks are taken from later ones: those of rows that hold one persona each, of which no two may contradict
    each other, and those of a source that the pair has some of already. A row whose sides say the same prefers nothing
    to anything, and is none of the pairs.
    """

    def __init__(self, name: str, columns: Columns, *, allow_empty: bool, wide: Container[str] = SOURCES) -> None:
        """Of rows with columns for several sources of personas, those in `wide` are read."""
        self.split = SplitRows(name)
        self._columns = columns
        self._allow_empty = allow_empty
        self._wide = wide
        self._first: dict[str, PreferenceRow] = {}

    def read(self, records: Sequence[Record], *, limit: int | None = None) -> list[PreferenceRow]:
        """Add rows to the split, those of the first `limit` pairs among them, and return what was read of each."""
        rows = [self._in_texts(record) for record in records]
        found = [record for record in rows if record is not None]
        if problems := _column_problems(found, self._columns) if found else []:
            self.split.problems += problems
            return []
        long, read, keys = is_long(records), [], set[str]()
        for number, record in enumerate(rows, start=1):
            if record is None:
                continue
            row = self._row(record, number, long=long and "direction" in record.values)
            if row is None or (limit is not None and len(keys) >= limit and row.key not in keys):
                continue
            keys.add(row.key)
            read.append(row)
            there = self._first.setdefault(row.key, row)
            if there is row:
                self.split.rows.append(row)
            else:
                self._repeat(row, there, long=long and "direction" in record.values)
        return read

    def _in_texts(self, record: Record) -> Record | None:
        """Return a row with its pair as three texts, or None after saying why it has none."""
        names = self._columns.names
        try:
            values = as_texts(record.values, names)
        except NoPair as error:
            self.split.incomparable.append(f"{record.place}: {error}.")
            return None
        except ValueError as error:
            self.split.problems.append(f"{record.place}: {error}.")
            return None
        if values is record.values:
            return record
        self.split.forms[form_of(record.values, names)] += 1
        return replace(record, values=values)

    def _row(self, record: Record, number: int, *, long: bool) -> PreferenceRow | None:
        """Return the row, or None after saying why it is none."""
        problems, columns = self.split.problems, self._columns
        before = len(problems)
        prompt, chosen, rejected = (
            text_of(record, name, problems) for name in (columns.prompt, columns.chosen, columns.rejected)
        )
        personas = personas_of(record, columns, problems, long=long, wide=self._wide)
        if wrong := name_problem(stratum_of(record, columns)):
            problems.append(f"{record.place}: the stratum {wrong}.")
        if is_blank(prompt) and len(problems) == before:
            problems.append(f"{record.place}: {columns.prompt!r} is empty; every pair needs a prompt.")
        if len(problems) > before:
            return None
        if chosen.strip() and chosen.strip() == rejected.strip():
            self.split.identical.append(f"{record.place}: {columns.chosen!r} and {columns.rejected!r} say the same.")
            return None
        key = pair_key(prompt.strip(), chosen.strip(), rejected.strip())
        row = PreferenceRow(
            record.place, number, key, prompt, _side(chosen), _side(rejected), stratum_of(record, columns), personas
        )
        self._note_empty(row)
        return row

    def _note_empty(self, row: PreferenceRow) -> None:
        sides = ((self._columns.chosen, row.chosen), (self._columns.rejected, row.rejected))
        empty = [name for name, text in sides if not text]
        if not empty:
            return
        said = f"{row.place}: {' and '.join(repr(name) for name in empty)} {'are' if len(empty) > 1 else 'is'} empty"
        self.split.empty.append(f"{said}.")
        if not self._allow_empty:
            self.split.problems.append(
                f"{said}; --allow-empty takes such rows, as test sets of prompts alone have them."
            )

    def _repeat(self, row: PreferenceRow, first: PreferenceRow, *, long: bool) -> None:
        """Give the pair the personas that it lacks, and say what is left out of a row that repeats it."""
        if is_swapped(row.chosen, first.chosen):
            self.split.contradictions.append(
                f"{row.place}: the pair of {first.place} with its sides swapped; what was chosen there stands."
            )
            return
        sources = {persona.source for persona in first.personas}
        known = {persona.condition: persona for persona in first.personas}
        other = [one for one in row.personas if one.condition in known and known[one.condition].text != one.text]
        if long and other:
            there = known[other[0].condition]
            self.split.problems.append(f"{row.place}: {there.place} has another {there.direction} persona.")
            return
        new = [one for one in row.personas if one.condition not in known and (long or one.source in sources)]
        first.personas.extend(new)
        left_out = [one for one in row.personas if one not in new]
        if new and not left_out:
            return
        differs = other or any(one.condition not in known for one in left_out)
        self.split.duplicates.append(
            f"{row.place}: the same pair as {first.place}"
            f"{', with other personas, which are left out' if differs else ''}."
        )


def is_swapped(chosen: str, other_chosen: str) -> bool:
    """Return whether two rows of one pair, each given by its chosen side, disagree about which side was chosen."""
    return chosen.strip() != other_chosen.strip()


def _column_problems(records: Sequence[Record], columns: Columns) -> list[str]:
    """A column that no row has is a wrong name, not an empty side."""
    names = {name for record in records for name in record.values}
    wanted = {"prompt": columns.prompt, "chosen": columns.chosen, "rejected": columns.rejected}
    if len(set(wanted.values())) < len(wanted):
        return [
            f"{records[0].place}: prompt, chosen and rejected must be three columns, not {', '.join(wanted.values())}."
        ]
    return [
        f"{records[0].place}: no row has a column {name!r}; there are {', '.join(sorted(names))}. Name the right one "
        f"with --{option}-column."
        for option, name in wanted.items()
        if name not in names
    ]


def _side(text: str) -> str:
    """Return the text as it is; blanks alone are no response."""
    return "" if is_blank(text) else text
