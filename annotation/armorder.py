"""The order in which the allocation counts arms: that of their random codes.

Anybody may compute an allocation again, from the seed that every export names. If it counted arms as the study file
does, that would tell which arm is the first of the file, and so what it was bound to.
"""

from annotation.models import Study


def arm_numbers(study: Study) -> dict[str, int]:
    """Return the arms' numbers, from 0, by their codes."""
    return {code: number for number, code in enumerate(sorted(arm.code for arm in study.arms.all()))}
