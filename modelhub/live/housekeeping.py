"""What a worker does once a day beside its work: carry out the time limits of closed studies."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from annotation.services.retention import retention_apply

logger = logging.getLogger(__name__)

DAY_SECONDS = 24 * 60 * 60.0


@dataclass
class Housekeeping:
    """Due at once when a worker starts, and a day after each time. Several workers do no harm: each limit once."""

    clock: Callable[[], float] = time.monotonic  # seconds
    _done_at: float = float("-inf")

    def turn(self) -> None:
        """Do it if it is due."""
        now = self.clock()
        if now - self._done_at < DAY_SECONDS:
            return
        self._done_at = now
        for applied in retention_apply():
            logger.info("%s of %s: %s", applied.limit.kind, applied.study, applied.counts)
