"""Studies whose first questions are asked before the persona is shown, for tests."""

from typing import Any

from annotation.models import Study
from tests.factories import make_study

EARLY, LATE = ("answerability", "preference"), "personalization"


def make_two_step_study(**changes: Any) -> Study:
    """Return a study that asks for quality and a comparison first, and for personalization beside the persona."""
    study = make_study(**{"comparison": True, **changes})
    study.aspects.filter(key__in=EARLY).update(before_persona=True)
    return study
