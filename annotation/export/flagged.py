"""What quiz, questionnaires, checks and exclusion rules add to the table of participants."""

from typing import Any

from annotation.controls.flags import participant_flags
from annotation.controls.results import check_results
from annotation.export.columns import Column
from annotation.export.scope import Scope

ON_PARTICIPANTS = (
    Column("quiz_attempts", "integer", "Tries at the quiz."),
    Column("quiz_passed_at", "timestamp", "When the quiz was passed (UTC)."),
    Column("screened_out_at", "timestamp", "When the last try at the quiz failed (UTC)."),
    Column("surveyed_before_at", "timestamp", "When the questionnaire before the work was sent (UTC)."),
    Column("surveyed_after_at", "timestamp", "When the questionnaire after the work was sent (UTC)."),
    Column("checks_failed", "integer", "Attention checks and planted pairs not passed."),
    Column("flags", "string", "Exclusion rules of the study file that apply, one per line; they exclude nobody."),
)
# Those of them that are columns of the participant.
FIELDS = ("quiz_attempts", "quiz_passed_at", "screened_out_at", "surveyed_before_at", "surveyed_after_at")


def participant_facts(scope: Scope) -> dict[int, dict[str, Any]]:
    """Return the cells that the rules and checks add to each participant, by id."""
    failed: dict[int, int] = {}
    for result in check_results(scope.study):
        failed[result.participant_id] = failed.get(result.participant_id, 0) + (not result.passed)
    return {
        pk: {"checks_failed": failed.get(pk, 0), "flags": "\n".join(flag.rule for flag in flags)}
        for pk, flags in participant_flags(scope.study).items()
    }
