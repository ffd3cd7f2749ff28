"""Which participants of a study the exclusion rules flag: a handful of queries, however large the study."""

from collections import Counter, defaultdict
from datetime import datetime

from django.db.models import Count, Max, Min, Sum

from annotation.controls.results import ATTENTION, PLANTED, check_results
from annotation.controls.rules import PartFacts, ParticipantFacts, ParticipantFlag, flags_for
from annotation.models import Aspect, Assignment, Rating, Study

__all__ = ["ParticipantFlag", "finished_parts", "participant_flags", "rules_in_words"]

_SCALES = (Aspect.Kind.RATING, Aspect.Kind.PERSONA)


def participant_flags(study: Study) -> dict[int, list[ParticipantFlag]]:
    """Return the flags of every participant of the study, of whatever kind, by id; an empty list for most."""
    people = list(study.participants.values_list("pk", "screened_out_at"))
    if not study.exclusion_rules:
        return {pk: [] for pk, _ in people}
    failed = Counter((result.participant_id, result.kind) for result in check_results(study) if not result.passed)
    parts = finished_parts(study)
    return {
        pk: flags_for(
            ParticipantFacts(
                failed_checks=failed[pk, ATTENTION],
                failed_planted=failed[pk, PLANTED],
                failed_quiz=screened_out_at is not None,
                parts=parts[pk],
            ),
            study.exclusion_rules,
        )
        for pk, screened_out_at in people
    }


def rules_in_words(study: Study) -> list[str]:
    """Return what each rule of the study file flags."""
    words = {
        "failed_checks": "{0} or more attention checks missed",
        "failed_planted": "{0} or more planted pairs in which the bad response did not score lower",
        "failed_quiz": "the quiz not passed within its tries",
        "min_seconds_per_part": "a median of less than {0} seconds per part",
        "straightlining": "the same value on every scale of five or more parts in a row",
    }
    return [words[rule].format(value) for rule, value in study.exclusion_rules.items()]


def finished_parts(study: Study) -> defaultdict[int, list[PartFacts]]:
    """Return the finished parts by participant, in order."""
    finished = Assignment.objects.filter(participant__study=study, state=Assignment.State.COMPLETED)
    scales = (
        Rating.objects.filter(
            slot__assignment__participant__study=study,
            slot__assignment__state=Assignment.State.COMPLETED,
            superseded_by__isnull=True,
            aspect__kind__in=_SCALES,
        )
        .exclude(slot__assignment__kind=Assignment.Kind.CHECK)
        .order_by()
        .values_list("slot__assignment")
        .annotate(lowest=Min("value"), highest=Max("value"), scales=Count("pk"))
    )
    answers = {assignment: (lowest, highest, number) for assignment, lowest, highest, number in scales}
    rows = (
        finished.annotate(focused=Sum("visits__focused_ms"))
        .order_by("participant", "ordinal")
        .values_list("pk", "participant", "shown_at", "completed_at", "focused")
    )
    parts: defaultdict[int, list[PartFacts]] = defaultdict(list)
    for pk, participant, shown_at, completed_at, focused in rows:
        lowest, highest, number = answers.get(pk, (0, 0, 0))
        parts[participant].append(PartFacts(lowest, highest, number, _seconds(focused, shown_at, completed_at), pk))
    return parts


def _seconds(focused_ms: int | None, shown_at: datetime | None, completed_at: datetime | None) -> float | None:
    if focused_ms:
        return focused_ms / 1000
    return (completed_at - shown_at).total_seconds() if shown_at and completed_at else None
