"""Read lists of people: those to invite, and a platform's submissions. Every mistake at once, by row number.

Messages name rows and columns, never what stands in them: an id may tell who somebody is.
"""

import csv
import io
from collections.abc import Iterator

from annotation.errors import ServiceError
from annotation.fields import check_id, check_storable, id_key
from annotation.models import Participant
from annotation.parsing import MIB, TooMuch, check_bytes
from annotation.recruitment import RecruitmentEvent
from annotation.services.recruitment import Submission

MAX_ROWS = 20_000
MAX_BYTES = 8 * MIB  # four times as much as so many rows with the longest ids and statuses take
MAX_ID = Participant._meta.get_field("external_id").max_length or 0
ID_COLUMNS = ("id", "label")
# The statuses of Prolific's submissions. Whether the work was finished is known here better than there.
STATUSES = {
    "RETURNED": RecruitmentEvent.RETURNED,
    "TIMED-OUT": RecruitmentEvent.TIMED_OUT,
    **dict.fromkeys(
        (
            "ACTIVE", "APPROVED", "AWAITING REVIEW", "PARTIALLY APPROVED", "REJECTED", "RESERVED",
            "SCREENED OUT", "UNKNOWN",
        ),
    ),
}  # fmt: skip


def read_invitations(content: bytes) -> list[str]:
    """Return the ids of a CSV file with a column `id` or `label`.

    Raises:
        ServiceError: with every mistake found: no such column, a blank, overlong or repeated id.
    """
    header, rows = _table(content)
    column = next((name for name in ID_COLUMNS if name in header), None)
    if column is None:
        raise ServiceError("The first line names no column `id` or `label`; name one, with an id for each person.")
    seen: dict[str, int] = {}
    problems, ids = [], []
    for number, row in rows:
        known_as = row[column]
        if problem := _id_problem(known_as) or _repeated(seen.get(id_key(known_as))):
            problems.append(f"row {number}: {problem}")
        seen.setdefault(id_key(known_as), number)
        ids.append(known_as)
    _refuse(problems)
    if not ids:
        raise ServiceError("The file names nobody; write one line for each person below the header.")
    return ids


def read_submissions(content: bytes) -> list[Submission]:
    """Return the rows of the submissions file that Prolific exports.

    Raises:
        ServiceError: with every mistake found: a missing column, a blank id, an unknown status, a person twice.
    """
    header, rows = _table(content)
    missing = [name for name in ("participant id", "status") if name not in header]
    if missing:
        raise ServiceError(f"There is no column {' and no column '.join(missing)}; export the submissions on Prolific.")
    seen: dict[tuple[str, str], int] = {}
    problems, submissions = [], []
    for number, row in rows:
        person, session = row["participant id"], row.get("submission id", "")
        status = row["status"].upper().replace("TIMED OUT", "TIMED-OUT")
        if problem := _id_problem(person) or _repeated(seen.get((id_key(person), id_key(session)))):
            problems.append(f"row {number}: {problem}")
        if status not in STATUSES:
            problems.append(f"row {number}: the status is none that Prolific has; it has {', '.join(sorted(STATUSES))}")
        seen.setdefault((id_key(person), id_key(session)), number)
        submissions.append(Submission(person, session, STATUSES.get(status)))
    _refuse(problems)
    return submissions


def _id_problem(known_as: str) -> str:
    try:
        check_storable(check_id(known_as), most=MAX_ID)
    except ValueError as error:
        return f"the id {error}"
    return ""


def _repeated(first: int | None) -> str:
    return "" if first is None else f"the same id stands in row {first}"


def _table(content: bytes) -> tuple[list[str], Iterator[tuple[int, dict[str, str]]]]:
    """Return the header in lower case, and the rows with their number in the file; blank lines are passed over."""
    try:
        check_bytes(len(content), MAX_BYTES, "take some of the rows at a time")
        text = content.decode("utf-8-sig")
        lines = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except TooMuch as error:
        raise ServiceError(f"The file {error}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ServiceError(f"This is no CSV file in UTF-8: {error}. Save it as CSV UTF-8.") from error
    if len(lines) > MAX_ROWS:
        raise ServiceError(f"The file has {len(lines)} rows; take at most {MAX_ROWS} at a time.")
    header = [name.strip().lower() for name in lines[0]] if lines else []
    if len(set(header)) != len(header):
        raise ServiceError("Two columns have the same name; the first line must name each column once.")
    filled = ((number, line) for number, line in enumerate(lines[1:], start=2) if any(cell.strip() for cell in line))
    return header, ((number, _row(header, line)) for number, line in filled)


def _row(header: list[str], line: list[str]) -> dict[str, str]:
    cells = [cell.strip() for cell in line] + [""] * (len(header) - len(line))
    return dict(zip(header, cells, strict=False))


def _refuse(problems: list[str]) -> None:
    if problems:
        more = [f"… and {len(problems) - 20} more"] if len(problems) > 20 else []
        raise ServiceError("\n".join(["Nothing was changed:", *problems[:20], *more]))
