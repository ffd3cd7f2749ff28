"""What may, and what may not, be concluded from a study's numbers."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from modelhub.report.sections.effects import FoundEffect, effects_of
from modelhub.report.sections.names import Names
from modelhub.results.comparison import AspectComparison
from modelhub.results.report import Results
from modelhub.stats.numbers import decimal, joined, p_equals, warning

_TOO_FEW = "_to_reject_at_05"


def conclusions(results: Results, effects: Sequence[FoundEffect]) -> Iterator[str]:
    """Yield the conclusions and their limits, those that hold for this study alone."""
    yield from _shown(effects)
    yield from _not_shown(effects)
    yield from _margins(effects)
    yield from _exploratory(results, effects)
    yield from _reach(results, effects)
    yield from _length(results)
    yield from _other_population(results, effects)
    yield from _agreement(results)


def _shown(effects: Sequence[FoundEffect]) -> Iterator[str]:
    found = [effect.question for effect in effects if effect.is_confirmatory and effect.is_shown]
    if found:
        yield (
            f"Shown, by tests declared beforehand and adjusted for their number: a difference on {joined(found)}. How "
            "large it is, the interval says; whether that matters, no statistic does."
        )
    elif any(effect.is_confirmatory for effect in effects):
        yield "No confirmatory test shows a difference."


def _not_shown(effects: Sequence[FoundEffect]) -> Iterator[str]:
    open_ones = [effect for effect in effects if not effect.is_shown and effect.ci is not None]
    if open_ones:
        ranges = joined([f"{one.question} ({one.words.partition('95 % CI ')[2]})" for one in open_ones])
        yield f"Not shown is not absent: every difference in these intervals is in agreement with the data: {ranges}."
    found: defaultdict[str, list[str]] = defaultdict(list)
    for effect in effects:
        for code in effect.warnings:
            if code.endswith(_TOO_FEW):
                found[code].append(effect.question)
    yield from (f"{joined(questions)}: {warning(code)}." for code, questions in found.items())


def _margins(effects: Sequence[FoundEffect]) -> Iterator[str]:
    tested = [(effect, effect.margins) for effect in effects if effect.margins and effect.margins.tost]
    for effect, report in tested:
        both, lower = report.tost, report.non_inferiority
        if both is None or lower is None:
            continue
        verdict = "is shown" if both.equivalent else "is not shown"
        yield (
            f"{effect.question}: equivalence within \N{PLUS-MINUS SIGN}{decimal(both.margin)} {verdict} "
            f"({p_equals(both.p)}); that it is not worse by more "
            f"{'is shown' if lower.non_inferior else 'is not shown'}."
        )
    if not tested and effects:
        yield (
            "Neither equality nor “not worse” can be concluded of anything: no margin was fixed before the "
            "study opened."
        )


def _exploratory(results: Results, effects: Sequence[FoundEffect]) -> Iterator[str]:
    found = [effect.question for effect in effects if not effect.is_confirmatory]
    if found and len(found) < len(effects):
        yield (
            f"Exploratory, not adjusted and no basis for a claim by itself: {joined(found)}, and everything by "
            "data set."
        )
    elif found:
        yield (
            "Everything is exploratory: the study file declares no family of tests. Take it as something to be "
            "tested anew."
        )


def _reach(results: Results, effects: Sequence[FoundEffect]) -> Iterator[str]:
    if all(effect.value is None for effect in effects):
        return
    if results.study.kind == "persona_assessment":
        if results.study.raters == "fixed":
            yield "It holds for other preference pairs like these, as these raters see them; not for other raters."
        return
    units = {effect.generalises_over for effect in effects}
    if results.study.prompts == "fixed":
        yield "It holds for other people like these, and for these prompts alone: the study declares its prompts fixed."
    elif any("prompts" in one for one in units):
        yield "It holds for other people and other prompts like these: both are samples."
    else:
        yield (
            "It holds for other people like these. Participants share no prompts, so that these are no sample "
            "of their own."
        )


def _length(results: Results) -> Iterator[str]:
    pooled = results.primary.strata.get("")
    changed = [
        Names.of(results).question(key)
        for key, report in (pooled.comparisons if pooled else {}).items()
        if _changes(report)
    ]
    if changed:
        yield (
            f"Length may be behind the difference on {joined(changed)}: at equal length it lies on the other side "
            "of 0, or its interval holds 0 although the raw one does not."
        )


def _changes(report: AspectComparison) -> bool:
    adjusted = report.length_adjusted
    if report.ci is None or adjusted.ci is None or report.mean_difference is None or adjusted.mean_difference is None:
        return False
    was_apart = not report.ci[0] <= 0 <= report.ci[1]
    return was_apart and (
        adjusted.ci[0] <= 0 <= adjusted.ci[1] or adjusted.mean_difference * report.mean_difference < 0
    )


def _other_population(results: Results, effects: Sequence[FoundEffect]) -> Iterator[str]:
    if not results.leaves_out:
        return
    other = results.other_population
    with_other = {effect.question: effect for effect in effects_of(results, other)}
    turned = [
        effect.question
        for effect in effects
        if effect.question in with_other and with_other[effect.question].is_shown != effect.is_shown
    ]
    who = "without the excluded people" if other == "without_excluded" else "with the excluded people"
    if turned:
        yield f"It depends on who is left out: {who}, the test of {joined(turned)} says otherwise."
    elif effects:
        yield f"No test says otherwise {who}."


def _agreement(results: Results) -> Iterator[str]:
    if results.primary.agreement.note:
        yield results.primary.agreement.note
