"""Tables as files: CSV with full numbers and reason codes, LaTeX (booktabs) as printed."""

import csv
import io
from collections.abc import Iterator, Sequence

from modelhub.report.latex import FOREIGN, PREAMBLE, escape_latex
from modelhub.report.sections.document import Cell, TableBlock, TableColumn

_LONG = 25  # rows: more do not fit on a page beside their caption
_WIDE = 24  # characters: longer texts get a column that breaks lines


def table_csv(table: TableBlock) -> str:
    """Return the table as CSV. An interval has two columns; `reasons` says why cells are empty, as `column=code`."""
    lines: list[Sequence[object]] = [[*(name for column in table.columns for name in _headers(column)), "reasons"]]
    for row in table.rows:
        cells = list(zip(table.columns, row, strict=True))
        reasons = " ".join(f"{column.key}={cell.reason}" for column, cell in cells if cell.reason)
        lines.append([*(value for column, cell in cells for value in _values(column, cell)), reasons])
    return csv_text(lines)


def csv_text(lines: Sequence[Sequence[object]]) -> str:
    """Return lines as CSV; None is an empty cell."""
    sink = io.StringIO()
    csv.writer(sink, lineterminator="\n").writerows(lines)
    return sink.getvalue()


def table_latex(table: TableBlock) -> str:
    """Return the table for LaTeX: a float as wide as the text, or a long table over several pages."""
    head = " & ".join(escape_latex(column.title) for column in table.columns)
    body = [f"    {' & '.join(escape_latex(text) for text, _ in line)} \\\\" for line in table.lines]
    caption = rf"\caption{{{escape_latex(f'{table.title}. {table.full_caption}')}}}\label{{tab:{table.key}}}"
    is_long = len(body) > _LONG
    lines = (_long if is_long else _float)("".join(_layout(table)), head, body, caption)
    if is_long and table.is_wide:
        lines = iter((r"\begin{landscape}", *lines, r"\end{landscape}"))
    return "\n".join([PREAMBLE, FOREIGN, *lines, ""])


def _float(layout: str, head: str, body: list[str], caption: str) -> Iterator[str]:
    yield from (r"\begin{table*}[htbp]", r"  \centering\small", f"  {caption}")
    yield r"  \resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"
    yield from (rf"  \begin{{tabular}}{{{layout}}}", r"    \toprule", f"    {head} \\\\", r"    \midrule", *body)
    yield from (r"    \bottomrule", r"  \end{tabular}}", r"\end{table*}")


def _long(layout: str, head: str, body: list[str], caption: str) -> Iterator[str]:
    yield from (r"\begingroup\tiny\setlength{\tabcolsep}{2pt}", rf"  \begin{{longtable}}{{{layout}}}")
    yield from (f"    {caption} \\\\", r"    \toprule", f"    {head} \\\\", r"    \midrule", r"    \endfirsthead")
    yield from (r"    \toprule", f"    {head} \\\\", r"    \midrule", r"    \endhead", *body, r"    \bottomrule")
    yield from (r"  \end{longtable}", r"\endgroup")


def _layout(table: TableBlock) -> Iterator[str]:
    for place, column in enumerate(table.columns):
        longest = max((len(line[place][0]) for line in table.lines), default=0)
        if column.is_number:
            yield "r"
        else:
            yield rf">{{\raggedright\arraybackslash}}p{{{_width(longest)}em}}" if longest > _WIDE else "l"


def _width(longest: int) -> int:
    return min(max(longest // 4, 8), 18)


def _headers(column: TableColumn) -> Iterator[str]:
    yield from (f"{column.key}_low", f"{column.key}_high") if column.is_interval else (column.key,)


def _values(column: TableColumn, cell: Cell) -> Iterator[object]:
    if column.is_interval:
        yield from cell.raw if isinstance(cell.raw, list) else ("", "")
    else:
        yield "" if cell.raw is None else cell.raw
