"""Whether a system may be asked, after what has become of the requests before. Pure: the time is given.

A circuit breaker (Nygard, "Release It!", 2007): closed, everything is asked; open, nothing is, for a pause that grows;
then one request is tried, which closes it or opens it again.
"""

from dataclasses import dataclass, field

from annotation.models import ArmTrouble
from modelhub.engines.base import GenerationFailure

# Requests that fail in a row, each another one, before the system is taken for the cause.
STRIKES = 3
FIRST_PAUSE = 1.0  # seconds
LONGEST_PAUSE = 30.0  # seconds, unless the server asks for more
GIVEN_UP = 3  # openings in a row, after which a worker that ends with the queue waits no longer


@dataclass
class Breaker:
    """The state of one system; times in seconds of any one clock. `reason` is empty while it is closed."""

    reason: str = ""
    kind: ArmTrouble.Kind = ArmTrouble.Kind.DOWN
    since: float = 0.0
    retry_at: float = 0.0
    trying: bool = False  # its pause is over, and one request may show whether it answers again
    openings: int = 0  # in a row, since it last answered
    hopeless: bool = False  # it answers nobody before a person has changed something
    _strikes: set[int] = field(default_factory=set)

    @property
    def is_open(self) -> bool:
        """Whether the system has to be taken for unable to answer."""
        return bool(self.reason)

    @property
    def is_given_up(self) -> bool:
        """Whether nobody should wait for it."""
        return self.is_open and (self.hopeless or self.openings >= GIVEN_UP)

    def succeeded(self) -> None:
        """Take note of an answer, whenever it was asked for."""
        self.__init__()  # type: ignore[misc]

    def failed(self, key: int, failure: GenerationFailure, *, now: float, is_suspicious: bool = False) -> bool:
        """Take note of a failure of the request `key`; return whether it counts against the request.

        It does not where the system is to blame: it can answer nobody, or one request after the other fails. A final
        failure shows that the system works, unless it is suspicious: of one after the other the system is the reason.
        """
        if failure.down:
            self.opened(ArmTrouble.Kind.DOWN, failure.error, now=now, wait=failure.wait)
            self.hopeless = failure.final
            return False
        if failure.final and not is_suspicious:
            return True  # the server has read the request and refused it: it works
        self._strikes.add(key)
        if self.is_open or len(self._strikes) >= STRIKES:
            self.opened(ArmTrouble.Kind.FAILING, failure.error, now=now)
            return False
        return True

    def opened(self, kind: ArmTrouble.Kind, reason: str, *, now: float, wait: float | None = None) -> None:
        """Ask nothing for a while. What was under way when it opened, and fails as well, makes no pause longer."""
        if self.is_open and now < self.retry_at and not self.trying:
            return
        if not self.is_open:
            self.since = now
        self.openings += 1
        pause = pause_seconds(self.openings)
        self.reason, self.kind, self.trying = reason, kind, False
        self.retry_at = now + max(pause, wait or 0.0)

    def room(self, slots: int, *, under_way: int) -> int:
        """Return how many more requests may be begun."""
        if not self.is_open:
            return max(0, slots - under_way)
        return 1 if self.trying and not under_way else 0

    def is_due(self, now: float) -> bool:
        """Whether the pause is over and the system is to be looked after."""
        return self.is_open and not self.trying and now >= self.retry_at


def pause_seconds(attempt: int) -> float:
    """Return the pause after an output's attempt, or an opening in a row, 1, 2, …: doubled each time, up to a limit."""
    return min(FIRST_PAUSE * 2.0 ** (attempt - 1), LONGEST_PAUSE)
