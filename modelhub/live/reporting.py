"""What a worker tells of its systems."""

import time
from datetime import datetime, timedelta

from django.utils import timezone

from annotation.models import ArmTrouble
from annotation.services.workers import Trouble
from modelhub.live.desk import Desk


def troubles_now(desk: Desk) -> list[Trouble]:
    """Return what keeps a system from answering, for each arm that it stands behind."""
    breaker, stalled = desk.breaker, desk.stalled_since()
    if breaker.is_open:
        kind, reason, since, retry_at = breaker.kind, breaker.reason, breaker.since, breaker.retry_at
    elif stalled is not None:
        # Told for as long as it lasts, so that no time in it may change from one look to the next.
        kind, reason = ArmTrouble.Kind.STALLED, "Requests are under way, and none is answered."
        since = retry_at = stalled
    else:
        return []
    return [
        Trouble(arm_id=arm, kind=kind, reason=reason, since=_clock(since), retry_at=_clock(retry_at))
        for arm in sorted(desk.arms)
    ]


def _clock(moment: float) -> datetime:
    """Return the time of day of a moment of `time.monotonic`, to the second: two looks at it tell the same."""
    return (_START + timedelta(seconds=moment - _STARTED)).replace(microsecond=0)


_START, _STARTED = timezone.now(), time.monotonic()
