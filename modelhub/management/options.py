"""Values given to commands that are no stages. A wrong one is named before anything is computed."""

import math
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable
from typing import TypeVar

from modelhub.runs.parameters import Shard, seed_number, shard_of, whole_number

FEWEST_REPLICATES = 10

T = TypeVar("T")


def seed(text: str) -> int:
    """Return a seed: a whole number, not negative. Raises ArgumentTypeError."""
    return _checked(seed_number, text)


def positive(text: str) -> int:
    """Return a whole number from 1 to 2³¹ - 1. Raises ArgumentTypeError."""
    return _checked(whole_number, text)


def shard(text: str) -> Shard:
    """Return the part that `2/4` names. Raises ArgumentTypeError."""
    return _checked(shard_of, text)


def _checked(read: Callable[[str], T], text: str) -> T:
    try:
        return read(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from error


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


def add_keep(parser: ArgumentParser, more: str = "") -> None:
    """Add the option that keeps texts as values which stand for missing ones elsewhere."""
    told = "A value or a name that looks like a missing one and is none, such as None; repeatable"
    parser.add_argument("--keep", action="append", default=[], metavar="TEXT", help=f"{told}{more and f', {more}'}.")
