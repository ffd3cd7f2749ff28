"""The personas that one row of a file brings. Pure: a row in, personas and what is wrong with it out.

Two layouts are read. *Wide*: one row per pair, with a column for the persona of either response. *Long*: one row per
persona, with a column `direction` that says which response it explains.
"""

from collections.abc import Container, Iterator, Sequence

from annotation.fields import check_name, check_storable, is_blank, optional
from annotation.rowfiles import Record
from modelhub.files.pairs import DIRECTIONS, SOURCES, Columns, PersonaRow

LAYOUTS = (
    "columns prompt, chosen, rejected with chosen_persona and rejected_persona (or …_gold, …_retr), or with persona, "
    "direction and inferring_system, one row per persona"
)
# Endings of the columns `chosen_persona…` and `rejected_persona…` in the wide layout, the first that is there counts.
ENDINGS = {"gold": ("", "_gold"), "retrieved": ("_retr", "_retrieved")}
_STRATUM = ("stratum", "dataset")
_SYSTEM = ("inferring_system", "system")


def is_long(records: Sequence[Record]) -> bool:
    """Return whether these rows hold one persona each."""
    return {"direction", "persona"} <= {name for record in records for name in record.values}


def stratum_of(record: Record, columns: Columns) -> str:
    """Return the data set that a row names, or what holds for rows that name none."""
    return next((text for name in _STRATUM if (text := word_of(record, name))), columns.stratum)


def name_problem(name: str) -> str:
    """Return what keeps a name from being one; "" where nothing does, or there is none."""
    try:
        optional(check_name)(name)
    except ValueError as error:
        return str(error)
    return ""


def text_of(record: Record, name: str, problems: list[str]) -> str:
    """Return a text exactly as it stands; "" where there is none, or after adding to `problems` what is wrong."""
    value = record.values.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        problems.append(f"{record.place}: {name!r} must be text, not {type(value).__name__}.")
        return ""
    try:
        return check_storable(value)
    except ValueError as error:
        problems.append(f"{record.place}: {name!r} {error}.")
        return ""


def word_of(record: Record, name: str) -> str:
    """Return what a column says that files of others may use for something else; "" where it is no text."""
    value = record.values.get(name)
    return value.strip() if isinstance(value, str) else ""


def personas_of(
    record: Record, columns: Columns, problems: list[str], *, long: bool, wide: Container[str] = SOURCES
) -> list[PersonaRow]:
    """Return the personas of a row, after adding to `problems` what is wrong with them. Empty ones are left out.

    Of a row with columns for several sources, those in `wide` are returned.
    """
    if long:
        found = list(_long(record, columns, problems))
    else:
        found = [one for one in _wide(record, columns, problems) if one.source in wide]
    if found and (wrong := name_problem(found[0].system)):
        problems.append(f"{record.place}: {_system(record)[0]!r} must name what inferred the personas: it {wrong}.")
    return found


def _wide(record: Record, columns: Columns, problems: list[str]) -> Iterator[PersonaRow]:
    system = _system(record)[1] or columns.system
    for source in SOURCES:
        for direction in DIRECTIONS:
            name = _column(record.values, direction, source)
            if name and not is_blank(text := text_of(record, name, problems).strip()):
                yield PersonaRow(record.place, text, direction, source, system)


def _long(record: Record, columns: Columns, problems: list[str]) -> Iterator[PersonaRow]:
    before = len(problems)
    text = text_of(record, "persona", problems).strip()
    direction, source = word_of(record, "direction"), word_of(record, "source") or columns.source
    if direction not in DIRECTIONS:
        problems.append(f"{record.place}: direction must be {' or '.join(DIRECTIONS)}, not {direction!r}.")
    elif source not in SOURCES:
        problems.append(f"{record.place}: source must be {' or '.join(SOURCES)}, not {source!r}.")
    elif is_blank(text) and len(problems) == before:
        problems.append(f"{record.place}: 'persona' is missing or empty.")
    else:
        yield PersonaRow(record.place, text, direction, source, _system(record)[1] or columns.system)


def _column(names: Container[str], direction: str, source: str) -> str:
    """Return the name of the column with the personas of this direction and source, "" if there is none."""
    wanted = [f"{direction}_persona{ending}" for ending in ENDINGS[source]]
    return next((name for name in wanted if name in names), "")


def _system(record: Record) -> tuple[str, str]:
    """Return the column that names what inferred the personas, and the name; both "" where the row does not say."""
    return next(((name, text) for name in _SYSTEM if (text := word_of(record, name))), ("", ""))
