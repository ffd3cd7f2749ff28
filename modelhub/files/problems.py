"""Say what is wrong with rows that people have brought, without drowning them in it. Pure."""

import re
from collections.abc import Sequence

MAX_SHOWN = 50
OF_A_KIND = 5


def refusal(problems: Sequence[str]) -> str:
    """Return the message of an import that wrote nothing: how many problems there are, and the first of each kind."""
    return "\n".join([f"Nothing was imported; {len(problems)} rows or files need attention:", *summed_up(problems)])


def summed_up(problems: Sequence[str]) -> list[str]:
    """Return the problems, of many that say the same of different rows the first few and how many there are besides."""
    kinds: dict[str, list[str]] = {}
    for problem in problems:
        place, _, said = problem.partition(": ")
        kinds.setdefault(re.sub(r"\d+", "0", said or place), []).append(problem)
    return first_lines([line for kind in kinds.values() for line in first_lines(kind, OF_A_KIND)])


def first_lines(lines: Sequence[str], most: int = MAX_SHOWN) -> list[str]:
    """Return the first lines, and how many there are besides."""
    shown = list(lines[:most])
    return [*shown, f"… and {len(lines) - most} more of the same kind."] if len(lines) > most else shown
