"""Numbers given to the statistics commands. A wrong one is named before anything is computed."""

import math
from argparse import ArgumentTypeError

FEWEST_REPLICATES = 10


def seed(text: str) -> int:
    """Return a seed: a whole number, not negative. Raises ArgumentTypeError."""
    if not (text.isascii() and text.isdigit()):
        raise ArgumentTypeError(f"{text!r} is no seed; a seed is a whole number from 0")
    return int(text)


def replicates(text: str) -> int:
    """Return how often a bootstrap draws. Raises ArgumentTypeError."""
    if not (text.isascii() and text.isdigit() and int(text) >= FEWEST_REPLICATES):
        raise ArgumentTypeError(f"{text!r} is no number of replicates; it takes {FEWEST_REPLICATES} or more")
    return int(text)


def finite(text: str) -> float:
    """Return a number that is neither infinite nor NaN. Raises ArgumentTypeError."""
    try:
        number = float(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is not a number") from error
    if not math.isfinite(number):
        raise ArgumentTypeError(f"{text!r} is not a finite number")
    return number
