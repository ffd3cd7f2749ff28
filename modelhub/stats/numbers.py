"""Numbers as a paper prints them. What is undefined is said in words, by its reason."""

from collections.abc import Sequence

MINUS = "\N{MINUS SIGN}"

# Why a number is undefined. Codes come from modelhub/stats and modelhub/analysis.
REASONS = {
    "no_data": "nothing was rated",
    "single_rater": "only one rater",
    "no_overlap": "no item was rated twice",
    "no_variation": "all ratings are the same",
    "items_all_alike": "no item differs from the others in how far its ratings agree",
    "single_item_decides": "undefined without one of the items",
    "single_item": "only one item was rated twice",
    "few_items": "fewer than 10 items were rated twice",
    "bootstrap_undefined": "undefined in every bootstrap sample",
    "not_ordered": "the categories have no order",
    "ordered": "the values have an order, so AC2 is given instead of AC1",
    "incomplete": "not every rater rated every item",
    "too_many_raters": "more than 30 raters",
    "single_participant": "only one participant",
    "no_shared_prompts": "participants share no prompts",
    "single_prompt": "only one prompt",
    "single_stratum": "only one data set",
    "too_few_in_a_stratum": "too few participants or prompts in a data set",
    "unstable": "undefined without one of the participants or prompts",
    "single_pair": "only one preference pair",
    "raters_fixed": "raters are taken as they are",
    "unstable_pairs": "undefined without one of the preference pairs or raters",
    "one_direction_only": "personas of one direction only",
    "no_mean_of_categories": "more than two categories without an order have no mean; their counts are under Ratings",
    "no_variation_of_differences": "all differences are the same",
    "single_value": "only one rating",
    "too_few_or_all_the_same": "fewer than three common items, or all their ratings are the same",
    "undefined_without": "undefined with or without this rater",
    "no_difference": "no pair differs",
    "margin_not_specified": "margin not pre-specified",
    "no_valid_pairs": "no pair has a readable verdict",
    "no_decided_pairs": "every pair is a tie",
    "single_decided_pair": "only one preference pair counts",
    "few_judged_items": "fewer than 10 items, or undefined without one of them",
    "not_judged": "the judge was not asked",
    "no_common_units": "people and the judge said nothing of the same unit",
    "no_valid_verdicts": "no verdict could be read",
    "exploratory": "exploratory: not in the declared family, so not adjusted",
}

# What to be careful about. Each stands on its own after a number.
WARNINGS = {
    "domain_inferred": "the scale was inferred from the ratings",
    "ci_undercovers": "the interval undercovers: fewer than 40 items were rated twice",
    "ci_unreliable": "the interval is unreliable: undefined in more than 5 % of the bootstrap samples",
    "few_items_vary": "the interval rests on fewer than 4 items with any rating but the most frequent one",
    "perfect_agreement_interval": "no item shows any disagreement: the lower limit is the worst that so many items "
    "cannot rule out",
    "one_sided_interval": "all that count went the same way: the interval is what so many cannot rule out",
    "single_deviation": "a single rating deviates, which makes alpha exactly 0; read percent agreement and AC1/AC2",
    "negative_alpha_look_for_reversed_scale": "alpha's whole interval is below 0, and somebody's ratings run "
    "against the others'; see whether they read the scale reversed",
    "too_few_participants_to_reject_at_05": "too few participants to reject at .05, whatever they answer",
    "too_few_prompts_to_reject_at_05": "too few shared prompts to reject at .05 over prompts, whatever people answer",
    "too_few_pairs_to_reject_at_05": "too few preference pairs to reject at .05, whatever people answer",
    "too_many_tied_participants_to_reject_at_05": "too few participants without a tie to reject at .05",
    "too_many_tied_prompts_to_reject_at_05": "too few shared prompts without a tie to reject at .05 over prompts",
    "too_many_tied_pairs_to_reject_at_05": "too few preference pairs without a tie to reject at .05",
    "too_few_raters_to_reject_at_05": "too few raters to reject at .05 for other raters too, whatever people answer",
    "too_many_tied_raters_to_reject_at_05": "too few raters without a tie to reject at .05 for other raters too",
    "raters_fixed": "raters are taken as they are: nothing is said of others",
    "raters_of_one_persona_left_out": "since raters are a sample, the difference leaves out those who rated only "
    "one of the two personas of a pair",
    "no_variation_of_differences": "all differences are the same, so that there is no interval",
    "prompts_fixed": "for these prompts alone: the study declares its prompts fixed, so that neither the interval nor "
    "the test speaks of other prompts",
    "interval_and_test_differ": "the interval and the test do not agree about 0: with so few units the exact test is "
    "coarser than the interval, and it is the test that counts",
}


def decimal(value: float | None, *, digits: int = 2, sign: bool = False) -> str:
    """Return the number with a true minus sign; an en dash for None."""
    if value is None:
        return "\N{EN DASH}"
    text = f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}"
    if float(text) == 0:  # neither +0.00 nor -0.00
        text = text.lstrip("+-")
    return text.replace("-", MINUS)


def interval(ci: Sequence[float] | None, *, digits: int = 2, sign: bool = False) -> str:
    """Return `[low, high]`; an en dash for None."""
    if ci is None:
        return "\N{EN DASH}"
    return f"[{decimal(ci[0], digits=digits, sign=sign)}, {decimal(ci[1], digits=digits, sign=sign)}]"


def probability(p: float | None) -> str:
    """Return a p-value without its leading zero: `.042`, `< .001`, `1.000`; an en dash for None."""
    if p is None:
        return "\N{EN DASH}"
    if p < 0.001:
        return "< .001"
    return f"{p:.3f}".removeprefix("0")


def p_equals(p: float, name: str = "p") -> str:
    """Return the p-value as an equation: `p = .042` or `p < .001`."""
    shown = probability(p)
    text = f"{name} {shown}" if shown.startswith("<") else f"{name} = {shown}"
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def percent(share: float | None, *, digits: int = 1) -> str:
    """Return a share from 0 to 1 in percent; an en dash for None."""
    return "\N{EN DASH}" if share is None else f"{decimal(100 * share, digits=digits)}\N{NO-BREAK SPACE}%"


def percent_interval(ci: Sequence[float] | None) -> str:
    """Return the interval of a share in percent, `[12.0, 34.5] %`; an en dash for None."""
    if ci is None:
        return "\N{EN DASH}"
    return f"{interval([100 * limit for limit in ci], digits=1)}\N{NO-BREAK SPACE}%"


def reason(code: str | None) -> str:
    """Return the reason in words; an unknown code as it is, readable."""
    return REASONS.get(code or "", (code or "no reason recorded").replace("_", " "))


def warning(code: str) -> str:
    """Return the warning in words; an unknown code as it is, readable."""
    return WARNINGS.get(code, code.replace("_", " "))


def counted(n: int, noun: str, plural: str | None = None) -> str:
    """Return `1 pair`, `2 pairs`, `1,200 pairs`."""
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def joined(parts: Sequence[str]) -> str:
    """Return `a`, `a and b`, `a, b and c`."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else ""
