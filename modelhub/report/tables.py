"""Tables as files: CSV with full numbers and reason codes, LaTeX (booktabs) as printed."""

import csv
import io
from collections.abc import Iterator

from modelhub.report.sections.document import Cell, TableBlock, TableColumn
from modelhub.stats.numbers import MINUS

_SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    MINUS: "$-$", "\N{EN DASH}": "--", "\N{NO-BREAK SPACE}": "~", "\N{GREEK SMALL LETTER ALPHA}": r"$\alpha$",
    "\N{GREEK SMALL LETTER KAPPA}": r"$\kappa$", "\N{GREEK SMALL LETTER DELTA}": r"$\delta$",
    "\N{GREEK CAPITAL LETTER DELTA}": r"$\Delta$", "\N{HORIZONTAL ELLIPSIS}": r"\ldots{}",
}  # fmt: skip


def table_csv(table: TableBlock) -> str:
    """Return the table as CSV. An interval has two columns; `reasons` says why cells are empty, as `column=code`."""
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow([*(name for column in table.columns for name in _headers(column)), "reasons"])
    for row in table.rows:
        cells = list(zip(table.columns, row, strict=True))
        reasons = " ".join(f"{column.key}={cell.reason}" for column, cell in cells if cell.reason)
        writer.writerow([*(value for column, cell in cells for value in _values(column, cell)), reasons])
    return sink.getvalue()


def table_latex(table: TableBlock) -> str:
    """Return the table as a LaTeX float; it needs the packages booktabs and graphicx."""
    layout = "".join("r" if column.is_number else "l" for column in table.columns)
    head = " & ".join(escape_latex(column.title) for column in table.columns)
    body = "\n".join(f"    {' & '.join(escape_latex(text) for text, _ in line)} \\\\" for line in table.lines)
    return "\n".join(
        (
            r"% \usepackage{booktabs,graphicx}",
            r"\begin{table*}",
            r"  \centering\small",
            r"  \resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
            rf"  \begin{{tabular}}{{{layout}}}",
            r"    \toprule",
            f"    {head} \\\\",
            r"    \midrule",
            body,
            r"    \bottomrule",
            r"  \end{tabular}}",
            rf"  \caption{{{escape_latex(f'{table.title}. {table.full_caption}')}}}",
            rf"  \label{{tab:{table.key}}}",
            r"\end{table*}",
            "",
        )
    )


def escape_latex(text: str) -> str:
    """Return the text with everything that LaTeX would read as a command written so that it prints."""
    return "".join(_SPECIAL.get(character, character) for character in text)


def _headers(column: TableColumn) -> Iterator[str]:
    yield from (f"{column.key}_low", f"{column.key}_high") if column.is_interval else (column.key,)


def _values(column: TableColumn, cell: Cell) -> Iterator[object]:
    if column.is_interval:
        yield from cell.raw if isinstance(cell.raw, list) else ("", "")
    else:
        yield "" if cell.raw is None else cell.raw
