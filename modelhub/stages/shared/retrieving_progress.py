"""How far a search is: a bar that moves within a batch too, and in words how long the rest takes."""

from collections.abc import Callable

from modelhub.runs.stage import Reporting

LONG_SECONDS = 60


def shown(reporting: Reporting, rows: int) -> Callable[[float], None]:
    """Return what moves the bar over a batch of so many rows, each time it is told the share that is done."""
    before = 0

    def show(share: float) -> None:
        nonlocal before
        now = int(rows * share + 1e-6)
        reporting.advance(now - before)
        before = now

    return show


def time_left(seconds: float, done: int, total: int) -> str:
    """Return in words how long the rest of `total` pairs takes, if `done` took so long; nothing if that is short."""
    left = seconds / done * (total - done)
    return f"about {round(left / 60)} minutes for the other {total - done:,} pairs" if left >= LONG_SECONDS else ""
