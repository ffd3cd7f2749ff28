"""What judges say of two systems' outputs as tables of text: for the terminal, and as Markdown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from modelhub.pipeline_results.judged import SAME, WITHOUT, average_shares, metric_shares
from modelhub.pipeline_results.published import Published, published_name, published_tables
from modelhub.results.judge import AverageRates, JudgedComparison, JudgedResult
from modelhub.stats.numbers import counted, decimal, interval, percent, percent_interval, warning
from modelhub.stats.winrate import METRICS

DASH = "\N{EN DASH}"
SOURCES = {
    "retrieved_chosen": "retrieved, chosen",
    "gold_chosen": "gold, chosen",
    "retrieved_rejected": "retrieved, rejected",
    "gold_rejected": "gold, rejected",
    "system": "data set's one",
    "none": "none",
}
_KINDS = {
    SAME: "both with the same personas",
    WITHOUT: "the base without personas",
    "other_persona": "personas of two sources",
}
_HEAD = (
    "data set", "persona", "personalization W/T/L %", "quality W/T/L %", "Delta-PQ", "95 % CI", "n (P; Q)",
    "unscored (P; Q)", "excluded",
)  # fmt: skip
_PUBLISHED_HEAD = ("published P", "published Q", "published Delta-PQ")
_WORSE_HEAD = ("data set", "system", "generic", "persona", "judge", "rubric", "metric", "n", "generic wins", "95 % CI")


@dataclass(frozen=True)
class TextTable:
    """A table as text. `note` stands below it."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


def judged_tables(compared: Sequence[JudgedComparison], *, published: bool = False) -> list[TextTable]:
    """Return a table for each of `comparisons`, the techniques' Delta-PQ together, and where personas did harm.

    With `published`, the published figures stand beside ours wherever base, test, data set and source bear the names
    of the published tables, also where we have none. What is missing or undefined is a dash.
    """
    tables = [_compared(one, published=published) for one in compared]
    return [*tables, *_techniques(compared, published=published), *_worse(compared)]


def tables_as_text(tables: Sequence[TextTable]) -> str:
    """Return the tables in columns, for a terminal."""
    return "\n\n".join(_lines(table) for table in tables) or "No outputs have been judged."


def tables_as_markdown(tables: Sequence[TextTable]) -> str:
    """Return the tables as Markdown (GitHub's)."""
    return "\n\n".join(_markdown(table) for table in tables) or "No outputs have been judged."


def delta_pq_text(value: float | None) -> str:
    """Return a Delta-PQ as it is published: in points, with its sign."""
    return decimal(value, digits=1, sign=True)


def source_name(source: str) -> str:
    """Return where personas come from, in words."""
    return SOURCES.get(source, source)


def _compared(one: JudgedComparison, *, published: bool) -> TextTable:
    tables = published_tables()
    beside = published and (one.kind, one.base, one.test) == (SAME, tables.base, tables.test)
    ours = {(published_name(row.dataset), row.base_source, row.source): row for row in one.rows}
    places = sorted(ours, key=_place)
    if beside:
        places = sorted({*places, *((dataset, source, source) for dataset, source in tables.with_persona)}, key=_place)
    rows = [_row(place, ours.get(place), tables.with_persona.get(place[::2]) if beside else None, beside=beside)
            for place in places]  # fmt: skip
    average = one.average
    rows.append(_average(average, tables.average if beside else None, beside=beside))
    return TextTable(
        f"{one.test} against {one.base}, {_KINDS[one.kind]}; {one.split}; judged by {one.judge}, "
        f"{one.rubric}{_by(one)}",
        (*_HEAD, *_PUBLISHED_HEAD) if beside else _HEAD,
        rows,
        f"W, T, L: the test wins, both orders disagree, the base wins. The average is the mean of rows, each "
        f"counting once; of Delta-PQ that is of {counted(average.rows, 'row')}. Intervals speak of other preference "
        "pairs. Excluded: pairs left out since one of their outputs is, whether they were judged before or not."
        f"{_one_sided(one)}",
    )  # fmt: skip


def _one_sided(one: JudgedComparison) -> str:
    codes = dict.fromkeys(code for row in one.rows for code in row.warnings)
    return "".join(f" Careful: {warning(code)}." for code in codes)


def _by(one: JudgedComparison) -> str:
    return f"; personas inferred by {one.inferred_by}" if one.inferred_by else ""


def _place(place: tuple[str, str, str]) -> tuple[str, int, str]:
    dataset, base_source, source = place
    return dataset, list(SOURCES).index(source) if source in SOURCES else len(SOURCES), base_source


def _row(
    place: tuple[str, str, str], row: JudgedResult | None, published: Published | None, *, beside: bool
) -> list[str]:
    dataset, base_source, source = place
    name = source_name(source)
    if base_source not in (source, "none"):
        name = f"{name} (base: {source_name(base_source)})"
    cells = [row.dataset if row else dataset, name, *(_ours(row) if row else [DASH] * (len(_HEAD) - 2))]
    return [*cells, *(_theirs(published) if beside else [])]


def _ours(row: JudgedResult) -> list[str]:
    metrics = [row.metrics[metric] for metric in METRICS]
    return [
        *(_shares(metric_shares(metric)) for metric in metrics),
        delta_pq_text(row.delta_pq),
        interval(row.delta_pq_ci, digits=1, sign=True),
        "; ".join(str(metric.n) for metric in metrics),
        "; ".join(str(metric.invalid) for metric in metrics),
        str(row.excluded),
    ]


def _average(average: AverageRates, published: Published | None, *, beside: bool) -> list[str]:
    cells = ["average", "", *(_shares(average_shares(average.metrics[metric])) for metric in METRICS)]
    cells += [delta_pq_text(average.delta_pq), interval(average.delta_pq_ci, digits=1, sign=True), DASH, DASH, DASH]
    return [*cells, *(_theirs(published) if beside else [])]


def _shares(shares: Sequence[float] | None) -> str:
    return DASH if shares is None else "/".join(decimal(100 * share, digits=1) for share in shares)


def _theirs(published: Published | None) -> list[str]:
    if published is None:
        return [DASH] * len(_PUBLISHED_HEAD)
    shares = ["/".join(decimal(one, digits=1) for one in published.shares[metric]) for metric in METRICS]
    return [*shares, delta_pq_text(published.delta_pq)]


def _techniques(compared: Sequence[JudgedComparison], *, published: bool) -> list[TextTable]:
    """Return Delta-PQ of what was compared with a base without personas: techniques in rows, data sets in columns."""
    found = [one for one in compared if one.kind == WITHOUT]
    tables = []
    for split, judge, rubric in dict.fromkeys((one.split, one.judge, one.rubric) for one in found):
        cells: dict[tuple[str, str, str, str], dict[str, float | None]] = {}
        for one in found:
            if (one.split, one.judge, one.rubric) == (split, judge, rubric):
                for row in one.rows:
                    place = cells.setdefault((one.test, one.base, row.source, one.inferred_by), {})
                    place[published_name(row.dataset)] = row.delta_pq
        tables.append(_technique_table(cells, f"{split}; judged by {judge}, {rubric}", published=published))
    return tables


def _technique_table(
    cells: Mapping[tuple[str, str, str, str], Mapping[str, float | None]], about: str, *, published: bool
) -> TextTable:
    theirs = published_tables().without_persona if published else {}
    known = {test for test, _, _, _ in cells}
    theirs = {place: value for place, value in theirs.items() if place[0] in known}
    datasets = sorted({name for row in cells.values() for name in row} | {dataset for _, dataset, _ in theirs})
    head = ["test", "base", "persona", *(f"{name}{suffix}" for name in datasets
                                         for suffix in (("", ", published") if theirs else ("",)))]  # fmt: skip
    rows = []
    for place in sorted(cells, key=lambda place: (place[0], place[1], _place(("", "", place[2])), place[3])):
        test, base, source, by = place
        line = [test, base, _persona(source, by)]
        for name in datasets:
            line.append(delta_pq_text(cells[place].get(name)))
            if theirs:
                line.append(delta_pq_text(theirs.get((test, name, source))))
        rows.append(line)
    note = "The published table names no direction; it stands beside personas of chosen responses." if theirs else ""
    return TextTable(f"Delta-PQ of systems with personas against those without; {about}", head, rows, note)


def _persona(source: str, inferred_by: str) -> str:
    return f"{source_name(source)}, by {inferred_by}" if inferred_by else source_name(source)


def _worse(compared: Sequence[JudgedComparison]) -> list[TextTable]:
    rows = [
        [
            row.dataset, one.test, one.base, _persona(row.source, one.inferred_by), one.judge,
            one.rubric, metric, str(share.n), percent(share.share), percent_interval(share.ci),
        ]
        for one in compared
        for row in one.rows
        if row.worse
        for metric, share in row.worse.items()
    ]  # fmt: skip
    if not rows:
        return []
    note = "Of the scored pairs, those where the generic system's output, made without a persona, wins in both orders."
    return [TextTable("Share of pairs that personalization made worse", _WORSE_HEAD, rows, note)]


def _lines(table: TextTable) -> str:
    widths = [max(len(line[column]) for line in (table.head, *table.rows)) for column in range(len(table.head))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in (table.head, *table.rows)
    ]
    return "\n".join([table.title, *lines, *([table.note] if table.note else [])])


def _markdown(table: TextTable) -> str:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    lines = [f"### {table.title}", "", line(table.head), line(["---"] * len(table.head)), *map(line, table.rows)]
    return "\n".join([*lines, *(["", table.note] if table.note else [])])
