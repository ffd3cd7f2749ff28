"""A results section in plain sentences, to be copied into a paper. Sizes are numbers here, never adjectives."""

from collections.abc import Iterator
from typing import Any

from modelhub.report.sections.agreement import agreement_sentences
from modelhub.report.sections.names import Names, split_name, why
from modelhub.report.sections.persona import ALL, persona_rows
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
    "Differences are means over participants of their mean difference over the pairs they rated, with 95 % "
    "t-intervals; p-values are two-sided and come from exact sign-flip tests over participants unless another test is "
    "named. Confirmatory tests are those of the family declared before the study opened, adjusted after Holm; all "
    "others are exploratory and unadjusted."
)
_PERSONA_METHOD = (
    "Each persona's ratings were averaged over its raters; differences are chosen minus rejected, paired by preference "
    "pair, with 95 % t-intervals and exact sign-flip tests over pairs. The raters are fixed: the intervals cover other "
    "preference pairs, not other raters."
)


def results_paragraphs(results: dict[str, Any]) -> list[str]:
    """Return the paragraphs of the results section: participants, findings, agreement."""
    names = Names.of(results)
    body = results["analysis"]["all"]
    paragraphs = [_participants(results["flow"])]
    if body["persona"]:
        paragraphs += [_PERSONA_METHOD, *_persona(body["persona"], names), *_accuracy(body["persona"].get("accuracy"))]
    pooled = body["strata"].get("", {})
    if pooled.get("comparisons"):
        paragraphs.append(_METHOD)
        paragraphs += [_comparison(results, key, names) for key in pooled["comparisons"]]
    paragraphs += _wins(pooled.get("win_rates", {}).get("aspects", {}), names)
    paragraphs += agreement_sentences(body["agreement"], names)
    return [text.replace(" % ", "\N{NO-BREAK SPACE}% ") for text in paragraphs]


def excludes(results: dict[str, Any]) -> bool:
    """Return whether people or pairs were excluded, so that there are two sets of results."""
    return bool(results["flow"]["excluded"] or results["flow"]["excluded_pairs"])


def _participants(flow: dict[str, Any]) -> str:
    steps = {step["key"]: step["n"] for step in flow["steps"]}
    text = (
        f"Of {counted(steps.get('invited', 0), 'person', 'people')} invited, {steps.get('consented', 0)} consented, "
        f"{steps.get('started', 0)} started and {steps.get('completed', 0)} completed the study."
    )
    if flow["withdrawn"]:
        text += f" {counted(flow['withdrawn'], 'person', 'people')} withdrew."
    if flow["excluded_pairs"]:
        text += f" {counted(flow['excluded_pairs'], 'pair')} of outputs were excluded."
    if flow["excluded"]:
        reasons = joined([f"{row['n']} for {row['reason']!r}{_when(row)}" for row in flow["excluded"]])
        text += f" Excluded: {reasons}. Results are given for all participants and without those excluded."
        return f"{text} The analysis holds {flow['analysed_all']} and {flow['analysed']} participants."
    return f"{text} Nobody was excluded; the ratings of {counted(flow['analysed'], 'participant')} are analysed."


def _when(row: dict[str, Any]) -> str:
    return " (rule fixed beforehand)" if row["rule_fixed_beforehand"] else " (decided during the study)"


def _comparison(results: dict[str, Any], key: str, names: Names) -> str:
    report = results["analysis"]["all"]["strata"][""]["comparisons"][key]
    name = names.question(key)
    if report["mean_difference"] is None:
        return f"{name}: no difference can be given: {reason(why(report, 'mean_difference'))}."
    first = (
        f"{name} ({_family(report)}): {names.test} was rated {decimal(report['mean_test'])} and {names.base} "
        f"{decimal(report['mean_base'])} on average ({counted(report['n_pairs'], 'pair')} by "
        f"{counted(report['n_participants'], 'participant')}), a mean difference of "
        f"{decimal(report['mean_difference'], sign=True)} points{_ci(report)}; {_test(report)}."
    )
    sentences = [first]
    sentences += _effect(report, names)
    sentences += _cautions(report)
    sentences += _length(report)
    sentences += _margin(report)
    sentences += _by_stratum(results, key)
    sentences += _without(results, key)
    return " ".join(sentences)


def _family(report: dict[str, Any]) -> str:
    return str(report["family"])


def _ci(report: dict[str, Any]) -> str:
    if report["ci"] is None:
        return f" (no interval: {reason(why(report, 'ci'))})"
    return f", 95 % CI {interval(report['ci'], sign=True)}"


def _test(report: dict[str, Any]) -> str:
    tests = [
        (f"sign-flip over participants{_drawn(report)}", report["sign_flip_p"]),
        ("sign-flip over prompts", report["prompt_sign_flip_p"]),
        ("crossed quasi-t over participants and prompts", report["quasi_t_p"]),
    ]
    known = [(name, p) for name, p in tests if p is not None]
    if not known:
        return f"no test: {reason(why(report, 'sign_flip_p'))}"
    text = ", ".join(f"{name} {p_equals(p)}" for name, p in known)
    if len(known) > 1:
        text += f", of which the largest counts, {p_equals(report['headline_p'])}"
    if report["holm_p"] is not None:
        text += f"; adjusted after Holm, {p_equals(report['holm_p'])}"
    return text


def _drawn(report: dict[str, Any]) -> str:
    """Return how the sign-flip test was computed where it is not exact."""
    method = report["sign_flip_method"]
    return f" ({method})" if method not in (None, "exact") else ""


def _effect(report: dict[str, Any], names: Names) -> Iterator[str]:
    people = report["favouring"]
    total = counted(report["n_participants"], "participant")
    text = f"Of {total}, {people['test']} gave the higher mean to {names.test} and {people['base']} to {names.base}"
    text += f", {people['neither']} to neither" if people["neither"] else ""
    if report["p_superiority"] is not None:
        text += f"; within a pair {names.test} was rated higher with probability {decimal(report['p_superiority'])}, "
        text += "ties counting half"
    yield f"{text}."


def _cautions(report: dict[str, Any]) -> Iterator[str]:
    for code in report["warnings"]:
        if code == "raters_fixed":
            continue  # said once, of all of them
        text = warning(code)
        if code in ("too_few_participants_to_reject_at_05", "too_few_pairs_to_reject_at_05"):
            text += f" (smallest attainable {p_equals(report['smallest_p'])})"
        yield f"{text[0].upper()}{text[1:]}."


def _length(report: dict[str, Any]) -> Iterator[str]:
    adjusted = report["length_adjusted"]
    if adjusted["mean_difference"] is None:
        yield f"A length-adjusted difference cannot be given: {reason(adjusted['reason'])}."
        return
    ci = f", 95 % CI {interval(adjusted['ci'], sign=True)}" if adjusted["ci"] else ""
    yield (
        f"Adjusted for length ({decimal(adjusted['words_difference'], digits=1, sign=True)} words), the difference is "
        f"{decimal(adjusted['mean_difference'], sign=True)}{ci}."
    )


def _margin(report: dict[str, Any]) -> Iterator[str]:
    lower, both = report["non_inferiority"], report["tost"]
    if not lower:
        return
    yield (
        f"With the margin of {decimal(lower['margin'])} fixed beforehand, non-inferiority is "
        f"{'shown' if lower['non_inferior'] else 'not shown'} (lower one-sided 95 % bound "
        f"{decimal(lower['lower_bound'], sign=True)}) and equivalence is "
        f"{'shown' if both['equivalent'] else 'not shown'} (two one-sided t-tests, {p_equals(both['p'])})."
    )


def _by_stratum(results: dict[str, Any], key: str) -> Iterator[str]:
    strata = results["analysis"]["all"]["strata"]
    parts = [
        f"{name} {decimal(part['comparisons'][key]['mean_difference'], sign=True)} "
        f"{interval(part['comparisons'][key]['ci'], sign=True)}"
        for name, part in strata.items()
        if name and part["comparisons"].get(key, {}).get("mean_difference") is not None
    ]
    if parts:
        yield f"By {split_name(results)} (exploratory): {joined(parts)}."


def _without(results: dict[str, Any], key: str) -> Iterator[str]:
    if not excludes(results):
        return
    pooled = results["analysis"]["without_excluded"]["strata"].get("", {})
    report = pooled.get("comparisons", {}).get(key)
    if report and report["mean_difference"] is not None:
        difference = f"{decimal(report['mean_difference'], sign=True)}{_ci(report)}"
        yield f"Without exclusions: {difference}; {_test(report)}."
    elif report:
        yield f"Without exclusions no difference can be given: {reason(why(report, 'mean_difference'))}."


def _wins(found: dict[str, Any], names: Names) -> Iterator[str]:
    for key, wins in found.items():
        if wins["source"] != "comparison":
            continue
        if wins["net_win_mean"] is None:
            yield f"{names.question(key)}: no net win can be given: {reason(why(wins, 'net_win_mean'))}."
            continue
        ci = wins["net_win_ci"]
        spread = f", 95 % CI {interval(ci, sign=True)}" if ci else f" (no interval: {reason(why(wins, 'net_win_ci'))})"
        test = (
            f"; sign-flip over participants {p_equals(wins['sign_flip_p'])}" if wins["sign_flip_p"] is not None else ""
        )
        if wins["prompt_sign_flip_p"] is not None:
            test += f", over prompts {p_equals(wins['prompt_sign_flip_p'])}, of which the larger counts"
        if wins["holm_p"] is not None:
            test += f"; adjusted after Holm, {p_equals(wins['holm_p'])}"
        yield (
            f"{names.question(key)} ({_family(wins)}): asked to choose, participants preferred {names.test} in "
            f"{wins['win']}, {names.base} in {wins['loss']} and neither in {wins['tie'] + wins['both_bad']} of "
            f"{counted(wins['n'], 'pair')}, a net win of {decimal(wins['net_win_mean'], sign=True)} on average over "
            f"participants{spread}{test}."
        )


def _persona(persona: dict[str, Any], names: Names) -> Iterator[str]:
    for key, group, found in persona_rows(persona):
        if group != ALL:
            continue
        compared = found["comparison"]
        shown = percent if found["measure"] == "share" else decimal
        sides = {side: found[side][found["measure"]] for side in ("chosen", "rejected")}
        text = (
            f"{names.question(key)} ({_family(compared)}): {shown(sides['chosen'])} for chosen "
            f"(n = {found['chosen']['n']}) and {shown(sides['rejected'])} for rejected personas "
            f"(n = {found['rejected']['n']})"
        )
        if compared["mean_difference"] is None:
            yield f"{text}; no difference can be given: {reason(why(compared, 'mean_difference'))}."
            continue
        first = (
            f"{text}; over {counted(compared['n_pairs'], 'preference pair')} a mean difference of "
            f"{decimal(compared['mean_difference'], sign=True)}{_ci(compared)}; {_pair_test(compared)}."
        )
        yield " ".join([first, *_cautions(compared), *_margin(compared)])


def _pair_test(compared: dict[str, Any]) -> str:
    if compared["sign_flip_p"] is None:
        return f"no test: {reason(why(compared, 'sign_flip_p'))}"
    text = f"sign-flip over preference pairs{_drawn(compared)} {p_equals(compared['sign_flip_p'])}"
    return text + (
        f"; adjusted after Holm, {p_equals(compared['holm_p'])}" if compared.get("holm_p") is not None else ""
    )


def _accuracy(accuracy: dict[str, Any] | None) -> Iterator[str]:
    if not accuracy:
        return
    parts = [
        f"{percent(row['share'])} {name} ({row['correct']} of {row['n']}; 95 % CI {percent_interval(row['ci'])})"
        if row["share"] is not None and row["ci"] else f"no share {name} ({reason(row['reason'])})"
        for name, row in (("overall", accuracy["overall"]), ("for chosen", accuracy["chosen"]),
                          ("for rejected personas", accuracy["rejected"]))
    ]  # fmt: skip
    text = f"Human persona accuracy: {joined(parts)}."
    if accuracy["gap"] is not None:
        spread = f", 95 % CI {percent_interval(accuracy['gap_ci'])}" if accuracy["gap_ci"] else ""
        text += f" The gap between chosen and rejected is {percent(accuracy['gap'])}{spread}."
    judge = accuracy["judge"]
    if judge and judge["agreement"] is not None:
        text += f" The judge agrees with people's picks on {percent(judge['agreement'])} of {judge['n']} personas."
    yield text
