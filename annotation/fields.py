"""What a value from outside may be: one set of checks for every door, whether file, form, command or participant.

A check returns the value as it is kept, or raises ValueError with what is wrong and what would be right; the sentence
goes on from a place or from “This”. docs/study-file.md says the same to people.
"""

import re
import unicodedata
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, StrictInt, StrictStr

# Characters. Ten times the longest forum posts and answers that data sets hold; what is longer is no text for people.
LONGEST_TEXT = 1_000_000
LONGEST_WRITTEN = 2000  # of a persona that a participant writes
LONGEST_REASON = 200  # as in the columns that keep reasons
LONGEST_NAME = 80  # of systems and data sets, as in their columns
SMALL = 32_767  # the largest number of a SMALLINT column
LARGE = 2_147_483_647  # and of an INTEGER column
_PLAIN = re.compile(r"0|[1-9][0-9]{0,8}")  # longer numbers would not fit a column

# Letters that show nothing, though Unicode takes them for letters or symbols.
_UNSEEN = frozenset("\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\U0001d159")
_UNSEEN_KINDS = frozenset({"Cc", "Cf", "Cs", "Zs", "Zl", "Zp"})
# What spreadsheets make of a long number, as in 1.0E+15; Unicode digits are none that they write.
_REWRITTEN = re.compile(r"[0-9]+(?:[.,][0-9]+)?E\+[0-9]+", re.IGNORECASE)


def is_blank(text: str) -> bool:
    """Whether a text shows nothing: empty, blanks, and characters without a shape, such as a zero-width space."""
    return all(char in _UNSEEN or unicodedata.category(char) in _UNSEEN_KINDS for char in text)


def plain_lines(text: str) -> str:
    """Return a text with one kind of line end: browsers send \\r\\n for what was typed as \\n."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def check_storable(text: str, *, most: int = LONGEST_TEXT) -> str:
    """Return a text that every database and every format of an export can keep, exactly as it is."""
    if len(text) > most:
        raise ValueError(f"is {len(text)} characters long; at most {most} can be kept")
    if "\x00" in text:
        raise ValueError("holds a character that cannot be stored (NUL); remove it")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        half = f"U+{ord(text[error.start]):04X}"
        raise ValueError(f"holds a character that cannot be stored (half of one, {half}); write it whole") from error
    return text


def check_text(text: str) -> str:
    """Return a text that says something, with plain line ends."""
    if is_blank(text):
        raise ValueError("is empty; write some text")
    return plain_lines(check_storable(text))


def check_line(text: str) -> str:
    """Return a text in one line, without blanks at its ends."""
    line = check_text(text).strip()
    if len(line.splitlines()) > 1:
        raise ValueError("holds a line break; write it in one line")
    return line


def check_name(text: str) -> str:
    """Return a name of at most 80 characters, all of which can be seen."""
    name = check_storable(check_line(text), most=LONGEST_NAME)
    if not name.isprintable():
        raise ValueError("holds characters that cannot be printed; remove them")
    return name


def check_reason(text: str) -> str:
    """Return the words for which something was decided."""
    return check_storable(check_line(text), most=LONGEST_REASON)


def check_id(value: Any) -> str:
    """Return an id as text; whole numbers are ids too, as files hold them.

    One that a spreadsheet has rewritten is refused where it shows: 1.0E+15 was another number once.
    """
    if type(value) is int:
        value = str(value)
    if not isinstance(value, str):
        raise ValueError(f"expected text, found {value!r}; put it in quotes")
    known_as = check_line(value)
    if not known_as.isprintable():
        raise ValueError("holds characters that cannot be printed; remove them")
    if _REWRITTEN.fullmatch(known_as):
        raise ValueError("was rewritten by a spreadsheet (E+…); format the column as text, and enter the id again")
    return known_as


def id_key(known_as: str) -> str:
    """Return what two ids have in common that people take for one: case, width and unseen characters do not count."""
    folded = unicodedata.normalize("NFKC", known_as).casefold()
    return "".join(char for char in folded if not is_blank(char))


def whole_number(text: str, *, least: int = 0, most: int = LARGE) -> int:
    """Return a whole number written in digits 0 to 9 and nothing else: YAML would read 010 as 8."""
    if not _PLAIN.fullmatch(text):
        raise ValueError("must be a whole number, in digits")
    if not least <= int(text) <= most:
        raise ValueError(f"is {int(text)}; {least} to {most} is right")
    return int(text)


def optional(check: Callable[[str], str]) -> Callable[[str], str]:
    """Return a check for a value that may be left out: blanks alone are "", all else has to pass."""
    return lambda text: "" if is_blank(text) else check(text)


Text = Annotated[StrictStr, AfterValidator(check_text)]
Line = Annotated[StrictStr, AfterValidator(check_line)]
Name = Annotated[StrictStr, AfterValidator(check_name)]
OptionalName = Annotated[StrictStr, AfterValidator(optional(check_name))]
Id = Annotated[str, BeforeValidator(check_id)]
Count = Annotated[StrictInt, Field(ge=0, le=SMALL)]
CountFromOne = Annotated[StrictInt, Field(ge=1, le=SMALL)]
Seed = Annotated[StrictInt, Field(ge=0, le=LARGE)]
Share = Annotated[float, Field(ge=0, le=1, strict=True, allow_inf_nan=False)]
