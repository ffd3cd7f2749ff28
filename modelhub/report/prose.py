"""A results section in plain sentences, to be copied into a paper. Sizes are numbers here, never adjectives."""

from collections.abc import Iterator, Mapping
from typing import Any

from modelhub.report.sections.agreement import agreement_sentences
from modelhub.report.sections.names import POPULATIONS, Names, split_name, why
from modelhub.results.comparison import AspectComparison, DirectionsCompared, PairedReport, WinRates
from modelhub.results.persona import PersonaAccuracy, PersonaResults, PickShare
from modelhub.results.report import Results
from modelhub.results.study import Exclusion, ParticipantFlow
from modelhub.stats.numbers import (
    counted,
    decimal,
    interval,
    joined,
    p_equals,
    percent,
    percent_interval,
    reason,
    warning,
)

_METHOD = (
    "Differences are means over participants of their mean difference over the pairs they rated; their 95 % intervals "
    "are t-intervals over participants, or over participants and prompts at once where participants share prompts. "
    "p-values are two-sided and come from sign-flip tests over participants unless another test is named. Confirmatory "
    "tests are those of the family declared before the study opened, adjusted after Holm; all others are exploratory "
    "and unadjusted."
)
_PERSONA_METHOD = (
    "Differences are chosen minus rejected, paired by preference pair, with 95 % t-intervals and sign-flip tests over "
    "pairs unless another test is named."
)
_TESTED = "_to_reject_at_05"


def results_paragraphs(results: Results) -> list[str]:
    """Return the paragraphs of the results section: participants, findings, agreement."""
    names, body = Names.of(results), results.primary
    paragraphs = [_participants(results)]
    if persona := body.persona:
        paragraphs += [f"{_PERSONA_METHOD} {persona.caveat}", *_persona(persona, names), *_accuracy(persona.accuracy)]
    pooled = body.strata.get("")
    if pooled and pooled.comparisons:
        paragraphs.append(_METHOD)
        paragraphs += [_comparison(results, key, names) for key in pooled.comparisons]
    paragraphs += _wins(pooled.win_rates.aspects if pooled else {}, names)
    paragraphs += agreement_sentences(body.agreement, names)
    return [text.replace(" % ", "\N{NO-BREAK SPACE}% ") for text in paragraphs]


def _participants(results: Results) -> str:
    flow = results.flow
    steps = {step.key: step.n for step in flow.steps}
    text = (
        f"Of {counted(steps.get('invited', 0), 'person', 'people')} invited, {steps.get('consented', 0)} consented, "
        f"{steps.get('started', 0)} started and {steps.get('completed', 0)} completed the study."
    )
    if flow.withdrawn:
        text += f" {counted(flow.withdrawn, 'person', 'people')} withdrew."
    if flow.excluded_pairs:
        was = "was" if flow.excluded_pairs == 1 else "were"
        text += f" {counted(flow.excluded_pairs, 'pair')} of outputs {was} excluded."
    if not flow.excluded:
        answers = f"the answers of {counted(flow.analysed, 'person', 'people')} are analysed"
        return f"{text} Nobody was excluded; {answers}."
    reasons = joined([f"{row.n} for {row.reason!r}{_when(row)}" for row in flow.excluded])
    return f"{text} Excluded: {reasons}. {_populations(flow, results.study.population)}"


def _populations(flow: ParticipantFlow, primary: str) -> str:
    sizes = {"all": flow.analysed_all, "without_excluded": flow.analysed}
    other = next(name for name in sizes if name != primary)
    return (
        f"The primary results are those of {counted(sizes[primary], 'person', 'people')}, {POPULATIONS[primary]}; "
        f"those of {counted(sizes[other], 'person', 'people')}, {POPULATIONS[other]}, are given beside them."
    )


def _when(row: Exclusion) -> str:
    return " (rule fixed beforehand)" if row.rule_fixed_beforehand else " (decided during the study)"


def _comparison(results: Results, key: str, names: Names) -> str:
    report = results.primary.strata[""].comparisons[key]
    name = names.question(key)
    if report.mean_difference is None:
        return f"{name}: no difference can be given: {reason(why(report, 'mean_difference'))}."
    first = (
        f"{name} ({report.family}): {names.test} was rated {decimal(report.mean_test)} and {names.base} "
        f"{decimal(report.mean_base)} on average ({counted(report.n_pairs, 'pair')} by "
        f"{counted(report.n_participants, 'participant')}), a mean difference of "
        f"{decimal(report.mean_difference, sign=True)} points{_ci(report)}{_holds(report)}; {_test(report)}."
    )
    sentences = [first, *_effect(report, names), *_cautions(report), *_length(report), *_margin(report)]
    sentences += [*_by_stratum(results, key), *_in_the_other(results, key)]
    return " ".join(sentences)


def _ci(report: PairedReport) -> str:
    if report.ci is None:
        return f" (no interval: {reason(why(report, 'ci'))})"
    return f", 95 % CI {interval(report.ci, sign=True)}"


def _holds(report: PairedReport) -> str:
    return f" for other {joined(report.generalises_over)}" if report.ci and len(report.generalises_over) > 1 else ""


def _test(report: PairedReport) -> str:
    tests = [
        (f"sign-flip over participants{_drawn(report)}", report.sign_flip_p),
        ("sign-flip over prompts", report.prompt_sign_flip_p),
        ("crossed quasi-t over participants and prompts", report.quasi_t_p),
    ]
    known = [(name, p) for name, p in tests if p is not None]
    if not known:
        return f"no test: {reason(why(report, 'sign_flip_p'))}"
    text = ", ".join(f"{name} {p_equals(p)}" for name, p in known)
    if len(known) > 1 and report.headline_p is not None:
        text += f", of which the largest counts, {p_equals(report.headline_p)}"
    return text + _adjusted(report)


def _adjusted(report: Any) -> str:
    holm = getattr(report, "holm_p", None)
    return f"; adjusted after Holm, {p_equals(holm)}" if holm is not None else ""


def _drawn(report: PairedReport) -> str:
    """Return how the sign-flip test was computed where it is not exact."""
    return f" ({report.sign_flip_method})" if report.sign_flip_method not in (None, "exact") else ""


def _effect(report: AspectComparison, names: Names) -> Iterator[str]:
    people = report.favouring
    total = counted(report.n_participants, "participant")
    text = f"Of {total}, {people.test} gave the higher mean to {names.test} and {people.base} to {names.base}"
    text += f", {people.neither} to neither" if people.neither else ""
    if report.p_superiority is not None:
        text += f"; within a pair {names.test} was rated higher with probability {decimal(report.p_superiority)}"
        text += f" (95 % CI {interval(report.p_superiority_ci)})" if report.p_superiority_ci else ""
        text += ", ties counting half"
    yield f"{text}."


def _cautions(report: PairedReport) -> Iterator[str]:
    for code in report.warnings:
        if code == "raters_fixed":
            continue  # said once, of all of them
        text = warning(code)
        if code.endswith(_TESTED) and "prompts" not in code and report.smallest_p is not None:
            text += f" (smallest attainable {p_equals(report.smallest_p)})"
        yield f"{text[0].upper()}{text[1:]}."


def _length(report: AspectComparison) -> Iterator[str]:
    adjusted = report.length_adjusted
    if adjusted.mean_difference is None:
        yield f"A length-adjusted difference cannot be given: {reason(adjusted.reason)}."
        return
    ci = f", 95 % CI {interval(adjusted.ci, sign=True)}" if adjusted.ci else ""
    yield (
        f"Adjusted for length ({decimal(adjusted.words_difference, digits=1, sign=True)} words), the difference is "
        f"{decimal(adjusted.mean_difference, sign=True)}{ci}."
    )


def _margin(report: PairedReport) -> Iterator[str]:
    lower, both = report.non_inferiority, report.tost
    if not lower or not both:
        return
    yield (
        f"With the margin of {decimal(lower.margin)} fixed beforehand, non-inferiority is "
        f"{'shown' if lower.non_inferior else 'not shown'} (lower one-sided 95 % bound "
        f"{decimal(lower.lower_bound, sign=True)}) and equivalence is "
        f"{'shown' if both.equivalent else 'not shown'} (two one-sided t-tests, {p_equals(both.p)})."
    )


def _by_stratum(results: Results, key: str) -> Iterator[str]:
    parts = [
        f"{name} {decimal(report.mean_difference, sign=True)} {interval(report.ci, sign=True)}"
        for name, part in results.primary.strata.items()
        for report in [part.comparisons.get(key)]
        if name and report is not None and report.mean_difference is not None
    ]
    if not parts:
        return
    one = results.primary.interactions.get(key)
    test = f"; that all are the same is tested by an F test, {p_equals(one.p)}" if one and one.p is not None else ""
    yield f"By {split_name(results.study)} (exploratory): {joined(parts)}{test}."


def _in_the_other(results: Results, key: str) -> Iterator[str]:
    if not results.leaves_out:
        return
    other = results.other_population
    pooled = results.analysis[other].strata.get("")
    report = pooled.comparisons.get(key) if pooled else None
    who = "Without the excluded people" if other == "without_excluded" else "With nobody left out"
    if report and report.mean_difference is not None:
        yield f"{who}: {decimal(report.mean_difference, sign=True)}{_ci(report)}; {_test(report)}."
    elif report:
        yield f"{who}, no difference can be given: {reason(why(report, 'mean_difference'))}."


def _wins(found: Mapping[str, WinRates], names: Names) -> Iterator[str]:
    for key, wins in found.items():
        if wins.source != "comparison":
            continue
        if wins.net_win_mean is None:
            yield f"{names.question(key)}: no net win can be given: {reason(why(wins, 'net_win_mean'))}."
            continue
        ci = wins.net_win_ci
        spread = f", 95 % CI {interval(ci, sign=True)}" if ci else f" (no interval: {reason(why(wins, 'net_win_ci'))})"
        test = f"; sign-flip over participants {p_equals(wins.sign_flip_p)}" if wins.sign_flip_p is not None else ""
        if wins.prompt_sign_flip_p is not None and wins.headline_p is not None:
            test += f", over prompts {p_equals(wins.prompt_sign_flip_p)}"
            test += f", crossed {p_equals(wins.quasi_t_p)}" if wins.quasi_t_p is not None else ""
            test += f", of which the largest counts, {p_equals(wins.headline_p)}"
        yield (
            f"{names.question(key)} ({wins.family}): asked to choose, participants preferred {names.test} in "
            f"{wins.win}, {names.base} in {wins.loss} and neither in {wins.tie + wins.both_bad} of "
            f"{counted(wins.n, 'pair')}, a net win of {decimal(wins.net_win_mean, sign=True)} on average over "
            f"participants{spread}{test}{_adjusted(wins)}."
        )


def _persona(persona: PersonaResults, names: Names) -> Iterator[str]:
    for key, found in persona.aspects.items():
        report, is_share = found.comparison, found.measure == "share"
        chosen, rejected = (
            percent(side.share) if is_share else decimal(side.mean) for side in (found.chosen, found.rejected)
        )
        text = (
            f"{names.question(key)} ({report.family}): {chosen} for chosen (n = {found.chosen.n}) and {rejected} for "
            f"rejected personas (n = {found.rejected.n})"
        )
        if report.mean_difference is None:
            yield f"{text}; no difference can be given: {reason(why(report, 'mean_difference'))}."
            continue
        first = (
            f"{text}; over {_units(report)} a mean difference of {_difference(report, is_share)}; {_pair_test(report)}."
        )
        yield " ".join([first, *_cautions(report), *_margin(report)])


def _difference(report: PairedReport, is_share: bool) -> str:
    if report.mean_difference is None or not is_share:
        return f"{decimal(report.mean_difference, sign=True)} points{_ci(report)}"
    text = f"{decimal(100 * report.mean_difference, digits=1, sign=True)} percentage points"
    if report.ci is None:
        return f"{text}{_ci(report)}"
    return f"{text}, 95 % CI {interval([100 * limit for limit in report.ci], digits=1, sign=True)}"


def _units(report: DirectionsCompared) -> str:
    pairs = counted(report.n_participants, "preference pair")
    return f"{pairs} and {counted(report.n_prompts, 'rater')}" if "raters" in report.generalises_over else pairs


def _pair_test(report: DirectionsCompared) -> str:
    if report.sign_flip_p is None:
        return f"no test: {reason(why(report, 'sign_flip_p'))}"
    text = f"sign-flip over preference pairs{_drawn(report)} {p_equals(report.sign_flip_p)}"
    further = (("sign-flip over raters", report.prompt_sign_flip_p), ("crossed t over both", report.quasi_t_p))
    others = [f"{name} {p_equals(p)}" for name, p in further if p is not None]
    if others and report.headline_p is not None:
        text += f", {', '.join(others)}, of which the largest counts, {p_equals(report.headline_p)}"
    return text + _adjusted(report)


def _accuracy(accuracy: PersonaAccuracy | None) -> Iterator[str]:
    if accuracy is None:
        return
    parts = [
        _picks(name, row)
        for name, row in (("overall", accuracy.overall), ("for chosen", accuracy.chosen),
                          ("for rejected personas", accuracy.rejected))
    ]  # fmt: skip
    text = f"Human persona accuracy: {joined(parts)}."
    if accuracy.gap is not None:
        gap = decimal(100 * accuracy.gap, digits=1, sign=True)
        ci = accuracy.gap_ci
        spread = f", 95 % CI {interval([100 * limit for limit in ci], digits=1, sign=True)}" if ci else ""
        text += f" The gap between chosen and rejected is {gap} percentage points{spread}."
    judge = accuracy.judge
    if judge and judge.agreement is not None:
        text += f" The judge agrees with people's picks on {percent(judge.agreement)} of {counted(judge.n, 'pick')}."
    yield text


def _picks(name: str, row: PickShare) -> str:
    if row.share is None:
        return f"no share {name} ({reason(row.reason)})"
    spread = f"95 % CI {percent_interval(row.ci)}" if row.ci else f"no interval: {reason(row.reason)}"
    return f"{percent(row.share)} {name} ({row.correct} of {row.n}; {spread})"
