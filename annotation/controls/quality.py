"""What of a study's answers deserves a second look, by person and by part. It flags; deciding is for researchers.

The exclusion rules of the study file say what flags people in exports. Here people are watched by a few more that every
study has: any check missed, straightlining, and parts much faster than their texts can be read.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.db.models import Count, Max, Min, StdDev
from django.utils.translation import gettext_noop

from annotation.controls.flags import finished_parts
from annotation.controls.results import ATTENTION, PLANTED, check_results
from annotation.controls.rules import STRAIGHT_PARTS, PartFacts, ParticipantFacts, flags_for
from annotation.models import Aspect, Assignment, Rating, Study

FAST, STRAIGHT = "min_seconds_per_part", "straightlining"
CHECKS, PAIRS, DISAGREEMENT = "failed_checks", "failed_planted", "disagreement"
REASONS = {
    FAST: gettext_noop("too fast"),
    STRAIGHT: gettext_noop("the same answer everywhere"),
    CHECKS: gettext_noop("attention check missed"),
    PAIRS: gettext_noop("planted pair not told apart"),
    DISAGREEMENT: gettext_noop("raters disagree"),
}
# A part done within this share of the time that its texts and questions are estimated to take is too fast.
FAST_SHARE = 1 / 3
# Raters disagree where the standard deviation of their answers is such a share of the scale, of at least so many steps:
# two people who are three quarters of it apart, or many of whom more than by chance stand at its ends.
SPREAD, FEWEST_STEPS = 3 / 8, 2


@dataclass(frozen=True)
class Quality:
    """Rules by participant, reasons by assignment, and the personas on which raters disagree."""

    people: dict[int, tuple[str, ...]] = field(default_factory=dict)
    parts: dict[int, tuple[str, ...]] = field(default_factory=dict)
    personas: frozenset[int] = frozenset()


def watched_rules(study: Study) -> dict[str, float]:
    """Return what people are watched by: rules of the study file, and for the others what every study has."""
    rules: dict[str, float] = {CHECKS: 1, PAIRS: 1, STRAIGHT: True}
    if study.pace.get("part"):
        rules[FAST] = round(60 * FAST_SHARE * study.pace["part"], 1)
    return {**rules, **{rule: value for rule, value in study.exclusion_rules.items() if rule != "failed_quiz"}}


def study_quality(study: Study) -> Quality:
    """Return what deserves a second look; as many queries for a large study as for a small one."""
    rules, parts = watched_rules(study), finished_parts(study)
    missed = [result for result in check_results(study) if not result.passed]
    failed = Counter((result.participant_id, result.kind) for result in missed)
    people = {
        pk: tuple(flag.rule for flag in flags_for(facts, rules))
        for pk, facts in (
            (pk, ParticipantFacts(failed_checks=failed[pk, ATTENTION], failed_planted=failed[pk, PLANTED], parts=done))
            for pk, done in {**{pk: [] for pk, _ in failed}, **parts}.items()
        )
    }
    reasons: defaultdict[int, list[str]] = defaultdict(list)
    for done in parts.values():
        for part in fast_parts(done, rules.get(FAST, 0)):
            reasons[part.assignment].append(FAST)
        for part in straight_parts(done):
            reasons[part.assignment].append(STRAIGHT)
    for result in missed:
        reasons[result.assignment_id].append(CHECKS if result.kind == ATTENTION else PAIRS)
    personas = _disputed(study)
    for disputed in _parts_on(study, personas):
        reasons[disputed].append(DISAGREEMENT)
    return Quality(
        people={pk: rules for pk, rules in people.items() if rules},
        parts={pk: tuple(dict.fromkeys(found)) for pk, found in reasons.items()},
        personas=personas,
    )


def fast_parts(parts: Sequence[PartFacts], seconds: float) -> list[PartFacts]:
    """Return the parts that took less."""
    return [part for part in parts if part.seconds is not None and part.seconds < seconds]


def straight_parts(parts: Sequence[PartFacts]) -> list[PartFacts]:
    """Return the parts in runs of at least STRAIGHT_PARTS with one and the same answer on every scale."""
    found: list[PartFacts] = []
    run: list[PartFacts] = []
    for part in [*(part for part in parts if part.scales > 1), None]:
        if part is not None and part.lowest == part.highest and (not run or run[0].lowest == part.lowest):
            run.append(part)
            continue
        found += run if len(run) >= STRAIGHT_PARTS else []
        run = [part] if part is not None and part.lowest == part.highest else []
    return found


_COUNTED = (Assignment.Kind.MAIN, Assignment.Kind.OVERLAP)


def _disputed(study: Study) -> frozenset[int]:
    """Return the personas with a response, or a persona's text, on which people's answers lie far apart."""
    answers = Rating.objects.filter(
        slot__assignment__participant__study=study,
        slot__assignment__participant__kind="person",
        slot__assignment__participant__excluded_at__isnull=True,
        slot__assignment__state=Assignment.State.COMPLETED,
        slot__assignment__kind__in=_COUNTED,
        superseded_by__isnull=True,
        aspect__kind__in=(Aspect.Kind.RATING, Aspect.Kind.PERSONA),
        aspect__level=Aspect.Level.ORDINAL,
    ).order_by()
    rows = answers.values_list("slot__assignment__persona", "slot__output", "aspect").annotate(
        people=Count("slot__assignment__participant", distinct=True),
        spread=StdDev("value"),
        wide=Max("maximum") - Min("minimum"),
    )
    return frozenset(
        persona
        for persona, _, _, people, spread, wide in rows
        if people > 1 and wide >= FEWEST_STEPS and spread >= SPREAD * wide - 1e-9
    )


def _parts_on(study: Study, personas: frozenset[int]) -> list[int]:
    if not personas:
        return []
    done = Assignment.objects.filter(
        participant__study=study, participant__kind="person", participant__excluded_at__isnull=True,
        kind__in=_COUNTED, state=Assignment.State.COMPLETED,
    )  # fmt: skip
    return [pk for pk, persona in done.values_list("pk", "persona") if persona in personas]
