"""What one process of participants counts while it clicks."""

import time
from collections import Counter, defaultdict
from typing import Any


class Tally:
    """Times of what was done within the measured window, and every answer that the server has acknowledged."""

    def __init__(self) -> None:
        self.begin = self.end = float("inf")
        self.seconds: defaultdict[str, list[float]] = defaultdict(list)
        self.acknowledged: dict[str, Any] = {}
        self.errors: Counter[str] = Counter()
        self.requests = self.cut = self.reconnected = 0
        self.cpu = 0.0

    def took(self, what: str, since: float) -> None:
        """Note that something begun at `since` has just been done; outside of the window it does not count."""
        now = time.monotonic()
        if self.begin <= now < self.end:
            self.seconds[what].append(now - since)

    def failed(self, what: str) -> None:
        """Note an error; it counts whenever it happens."""
        self.errors[what] += 1

    def add(self, other: "Tally") -> None:
        """Take over what another process has counted."""
        for what, seconds in other.seconds.items():
            self.seconds[what] += seconds
        self.acknowledged |= other.acknowledged
        self.errors += other.errors
        self.requests += other.requests
        self.cut += other.cut
        self.reconnected += other.reconnected
        self.cpu += other.cpu
