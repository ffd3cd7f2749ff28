"""Say what is wrong with rows that people have brought, without drowning them in it. Pure."""

from collections.abc import Sequence

MAX_SHOWN = 50


def refusal(problems: Sequence[str]) -> str:
    """Return the message of an import that wrote nothing: how many problems there are, and the first of them."""
    return "\n".join([f"Nothing was imported; {len(problems)} rows or files need attention:", *first_lines(problems)])


def first_lines(lines: Sequence[str], most: int = MAX_SHOWN) -> list[str]:
    """Return the first lines, and how many there are besides."""
    shown = list(lines[:most])
    return [*shown, f"… and {len(lines) - most} more of the same kind."] if len(lines) > most else shown
