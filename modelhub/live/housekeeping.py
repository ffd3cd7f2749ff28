"""What a worker sees to beside its work.

Files that erasures have left to clean, time limits of closed studies, and uploads that nobody has imported.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from annotation.services.retention import retention_apply, retention_finish
from annotation.services.uploads import uploads_expire
from annotation.services.withdrawal import erasures_clean
from modelhub.systems.trials import trials_expire

logger = logging.getLogger(__name__)

CLEAN_SECONDS = 60.0  # between two looks at what is left to clean
DAY_SECONDS = 24 * 60 * 60.0


@dataclass
class Housekeeping:
    """Due when a worker starts, then from time to time. Several workers do no harm: each limit is carried out once."""

    clock: Callable[[], float] = time.monotonic  # seconds
    _cleaned_at: float = float("-inf")
    _kept_at: float = float("-inf")

    def turn(self) -> None:
        """Do what is due."""
        now = self.clock()
        if now - self._kept_at >= DAY_SECONDS:
            self._kept_at = now
            for applied in retention_apply():
                logger.info("%s of %s: %s", applied.limit.kind, applied.study, applied.counts)
        if now - self._cleaned_at >= CLEAN_SECONDS:
            self._cleaned_at = now
            erasures_clean()
            uploads_expire()
            trials_expire()
            retention_finish()
