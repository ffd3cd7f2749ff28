"""How many participants one process carries: each clicks every five seconds, whatever the server does."""

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.loading.generator import Load, Measured, measure
from benchmarks.loading.systems import Running, System, Wanted

LADDER = (25, 50, 75, 100, 150, 200, 250, 300, 400, 500, 600, 750, 1000, 1250, 1500, 2000, 2500, 3000, 4000)
FIRST, TRIES = 100, 7
LIMIT_MS = 200.0
CLICKS_A_SECOND = 0.2
WARM_UP_SECONDS, SHORTEST_SECONDS = 6.0, 15.0  # everybody has clicked once; and three times more
_FULL = 0.8  # of a core: where the first guess is aimed at


@dataclass(frozen=True)
class Try:
    """So many participants, and what came of it."""

    people: int
    measured: Measured

    @property
    def is_carried(self) -> bool:
        """Whether all clicks were answered, and 95 % of them in time."""
        kept_up = self.measured.rate > 0.95 * self.people * CLICKS_A_SECOND
        return kept_up and not self.measured.tally.errors and self.measured.percentile(95) < LIMIT_MS


def wanted(most: int) -> Wanted:
    """Return whom the search needs: people who have agreed already, since thousands would take minutes to do it."""
    return Wanted(people=0, ready=most)


def tries(system: System, running: Running, links: list[str], seconds: float) -> Iterator[Try]:
    """Try numbers of participants until the largest one that is carried is found, or the tries are used up."""
    ladder = [people for people in LADDER if people <= len(links)]
    carried, failed, people = -1, len(ladder), ladder.index(FIRST) if FIRST in ladder else 0
    for number in range(TRIES):
        load = Load(
            system.behaviours["sizing"], running.port, [[link] for link in links[: ladder[people]]],
            seconds=max(seconds, SHORTEST_SECONDS), warm_up=WARM_UP_SECONDS,
        )  # fmt: skip
        found = Try(ladder[people], measure(load, running.trees))
        yield found
        if found.is_carried:
            carried = people
        else:
            failed = people
        if failed - carried < 2:
            return
        people = _next(ladder, found, carried, failed, is_first=number == 0)


def _next(ladder: list[int], found: Try, carried: int, failed: int, *, is_first: bool) -> int:
    """Return the place on the ladder to try next: what the first try's processor time promises, then half-way."""
    if is_first and found.is_carried:
        promised = found.people * _FULL / max(found.measured.cores, 0.01)
        guess = sum(people <= promised for people in ladder) - 1
        return min(max(guess, carried + 1), failed - 1)
    if failed == len(ladder):
        return carried + 1 if carried + 2 >= failed else (carried + failed) // 2
    return (carried + failed) // 2


def largest(done: list[Try]) -> Try | None:
    """Return the largest number that was carried."""
    return max((one for one in done if one.is_carried), key=lambda one: one.people, default=None)
