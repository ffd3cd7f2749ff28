"""Win, tie and loss as people judged them."""

from collections.abc import Iterator

from modelhub.report.figures.forest import forest_figure
from modelhub.report.sections.document import (
    Block,
    Figure,
    Paragraph,
    Section,
    TableBlock,
    TableColumn,
    limits,
    number,
    p_value,
    warning_marks,
    whole,
    words,
)
from modelhub.report.sections.names import Names, stratum_name, why
from modelhub.results.comparison import HumanWinRates, WinRates
from modelhub.results.report import Results
from modelhub.stats.numbers import decimal, interval, joined, reason
from plots.estimates import Estimate

_SOURCES = {"comparison": "asked", "ratings": "from the ratings"}
_COLUMNS = (
    TableColumn("data_set", "Data set", is_number=False),
    TableColumn("question", "Question", is_number=False),
    TableColumn("source", "Judged", is_number=False),
    TableColumn("n", "Pairs"),
    TableColumn("win", "Win"),
    TableColumn("tie", "Tie"),
    TableColumn("both_bad", "Both bad"),
    TableColumn("loss", "Loss"),
    TableColumn("net_win", "Net win, pairs"),
    TableColumn("net_win_mean", "Net win, people"),
    TableColumn("net_win_ci", "95 % CI", is_interval=True),
    TableColumn("p", "p"),
    TableColumn("holm_p", "p (Holm)"),
    TableColumn("family", "Family", is_number=False),
    TableColumn("win_share", "W/(W+L)"),
    TableColumn("win_share_ci", "95 % CI", is_interval=True),
    TableColumn("generalises_over", "Holds for other", is_number=False),
    TableColumn("warnings", "Notes", is_number=False),
)


def preferences_section(results: Results, population: str, suffix: str = "") -> Section | None:
    """Return win, tie and loss by question; None where there are none."""
    names = Names.of(results)
    strata = results.analysis[population].strata
    found = [(stratum, key, wins) for stratum, part in strata.items() for key, wins in part.win_rates.aspects.items()]
    if not found:
        return None
    deltas = [block for stratum, part in strata.items() for block in _delta(stratum, part.win_rates, names)]
    blocks: list[Block] = [_figure(found, names, suffix), *deltas, _table(found, names, suffix)]
    return Section(f"preferences{suffix}", "Wins, ties and losses", tuple(blocks))


def _figure(found: list[tuple[str, str, WinRates]], names: Names, suffix: str) -> Figure:
    estimates = [
        Estimate(
            names.question(key),
            wins.net_win_mean,
            wins.net_win_ci,
            f"{decimal(wins.net_win_mean, sign=True)} {interval(wins.net_win_ci, sign=True)}, "
            f"{wins.win}/{wins.tie + wins.both_bad}/{wins.loss}",
            heading=stratum_name(stratum) if len({one[0] for one in found}) > 1 else "",
        )
        for stratum, key, wins in found
    ]
    title = f"Net wins of {names.test} over {names.base}"
    axis = "(wins \N{MINUS SIGN} losses) / pairs, mean over participants"
    key = f"net-wins{suffix}"
    drawing = forest_figure(key, title, estimates, axis=axis, bounds=(-0.5, 0.5), reference=0, signed=True)
    caption = (
        "Net wins with 95 % interval over what the table says it holds for; at the right also wins/ties/losses in "
        "pairs, where a tie is also what was judged bad on both sides."
    )
    return Figure(key, title, caption, drawing, f"wins{suffix}")


def _table(found: list[tuple[str, str, WinRates]], names: Names, suffix: str) -> TableBlock:
    rows = tuple(
        (
            words(stratum_name(stratum)),
            words(names.question(key)),
            words(_SOURCES[wins.source]),
            *(whole(count) for count in (wins.n, wins.win, wins.tie, wins.both_bad, wins.loss)),
            number(wins.net_win, why(wins, "net_win"), sign=True),
            number(wins.net_win_mean, why(wins, "net_win_mean"), sign=True),
            limits(wins.net_win_ci, why(wins, "net_win_ci"), sign=True),
            p_value(wins.headline_p, why(wins, "headline_p")),
            p_value(wins.holm_p, why(wins, "holm_p")),
            words(wins.family),
            number(wins.win_share, why(wins, "win_share")),
            limits(wins.win_share_ci, why(wins, "win_share_ci")),
            words(joined(wins.generalises_over)),
            warning_marks(wins.warnings),
        )
        for stratum, key, wins in found
    )
    caption = (
        f"Win: {names.test} preferred over {names.base} in a pair. Net win is (W \N{MINUS SIGN} L)/n over pairs, and "
        "as a mean over participants with its interval. p: sign-flip test over participants; where participants share "
        "prompts, the largest of that, the one over prompts and the crossed t-test. Ties are in n, not in W/(W+L)."
    )
    return TableBlock(f"wins{suffix}", "Counts and net wins", caption, _COLUMNS, rows)


def _delta(stratum: str, wins: HumanWinRates, names: Names) -> Iterator[Block]:
    if not wins.delta_pq_aspects:
        return
    between = " and ".join(names.question(key) for key in wins.delta_pq_aspects)
    where = f" ({stratum})" if stratum else ""
    delta = "\N{GREEK CAPITAL LETTER DELTA}PQ"
    if wins.delta_pq is None:
        yield Paragraph(f"{delta}{where} is undefined: {reason(why(wins, 'delta_pq'))}.")
        return
    shown = f"{decimal(wins.delta_pq, digits=1, sign=True)} points"
    ci = wins.delta_pq_ci
    spread = f", 95 % CI {interval(ci, digits=1, sign=True)}" if ci else f" ({reason(why(wins, 'delta_pq_ci'))})"
    yield Paragraph(f"{delta}{where}, from {between}: {shown}{spread}. It ignores ties.")
