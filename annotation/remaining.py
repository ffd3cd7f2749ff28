"""How many minutes a participant has left: rough, and rather too many than too few.

At first it is what the study's texts come to (dryrun.py, kept when the study opens). With each part that is finished
the participant's own pace counts more. Nobody is asked to keep up: a part that lay open over a break counts as slow,
not as the hours it took.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from math import ceil
from typing import Any

# The estimate counts like so many parts of the participant's own.
PRIOR_PARTS = 2
# A part counts for so many times its estimate at most: what is above that was a break.
SLOWEST = 3


def minutes_left(pace: dict[str, Any], spent: Sequence[tuple[datetime, datetime]], parts: int) -> int | None:
    """Return the minutes of so many `parts` and what comes after them; None where the study has no estimate.

    `spent` are the times at which the participant began and finished each part so far. Above ten minutes the answer is
    in steps of five.
    """
    if not pace.get("part"):
        return None
    own = [min((end - start) / timedelta(minutes=1), SLOWEST * pace["part"]) for start, end in spent]
    each = (PRIOR_PARTS * pace["part"] + sum(own)) / (PRIOR_PARTS + len(own))
    minutes = max(ceil(parts * each + pace.get("after", 0)), 1)
    return minutes if minutes <= 10 else 5 * ceil(minutes / 5)
