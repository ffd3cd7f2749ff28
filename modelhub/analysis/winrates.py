"""Win rates of a study: what people preferred when asked, and what their ratings say. Test wins if rated higher."""

from collections.abc import Mapping, Sequence
from typing import Literal

from annotation.models import Aspect
from modelhub.analysis.data import Data
from modelhub.analysis.pairs import Preference, RatedPair
from modelhub.results.comparison import HumanWinRates, WinRates
from modelhub.stats.wins import BASE, TEST, TIE, PreferredSystem, win_rates_of, with_delta_pq


def human_win_rates(
    data: Data, pairs: Mapping[str, Sequence[RatedPair]], chosen: Mapping[str, Sequence[Preference]], *, seed: int
) -> HumanWinRates:
    """Return win rates of every comparison and rated aspect, and Delta-PQ where both of its aspects were asked.

    Passages are left out: whoever has more of them marked has not won.
    """
    outcomes: dict[str, list[PreferredSystem]] = {}
    reports: dict[str, WinRates] = {}
    for question in data.of_kind(Aspect.Kind.COMPARISON, Aspect.Kind.RATING):
        key = question.key
        source: Literal["comparison", "ratings"] = "ratings"
        if question.kind == Aspect.Kind.COMPARISON:
            source = "comparison"
            outcomes[key] = [PreferredSystem(row.participant, row.item, row.preferred) for row in chosen[key]]
        elif key in pairs and not question.is_marking:
            outcomes[key] = [PreferredSystem(row.participant, row.item, favoured(row.difference)) for row in pairs[key]]
        else:
            continue
        reports[key] = win_rates_of(outcomes[key], source, prompts_fixed=data.prompts_fixed, seed=seed)
    return with_delta_pq(reports, outcomes, prompts_fixed=data.prompts_fixed)


def favoured(difference: int) -> str:
    """Return which system a difference test minus base favours."""
    return TEST if difference > 0 else BASE if difference < 0 else TIE
