"""The whole report as one LaTeX document, which reads its tables and figures from the files beside it."""

from collections.abc import Iterator

from modelhub.report.latex import escape_latex
from modelhub.report.sections.document import Block, Document, Figure, Points, Section, TableBlock

_TEXT = 6.4  # inches between the margins below
_HEAD = r"""% Compile twice in this folder: pdflatex report, or lualatex report with a font that has your script.
\documentclass[a4paper]{article}
\usepackage{iftex}
\ifPDFTeX
  \usepackage[utf8]{inputenc}
  \usepackage[T1]{fontenc}
  \usepackage{textcomp}
  \providecommand{\foreign}[2]{[#2]}
\else
  \usepackage{fontspec}
  \providecommand{\foreign}[2]{#1}
\fi
\usepackage[margin=2.3cm]{geometry}
\usepackage{array,booktabs,graphicx,longtable,lscape}
\setlength{\parindent}{0pt}
\setlength{\parskip}{0.5em}
\setcounter{topnumber}{9}
\sloppy
"""


def document_latex(document: Document, width: float) -> str:
    """Return the report; `width` is that of its figures, in inches."""
    lines = [_HEAD, r"\begin{document}", rf"\section*{{{escape_latex(document.title)}}}"]
    lines += [rf"\textbf{{{escape_latex(name)}:}} {escape_latex(text)}\\" for name, text in document.facts]
    lines += [rf"\fbox{{\parbox{{0.9\linewidth}}{{{escape_latex(notice)}}}}}" for notice in document.notices]
    for section in document.sections:
        lines += [*_section(section, width)]
    lines += [r"\section*{How this report was made}", r"\begin{raggedright}"]
    lines += [rf"\textbf{{{escape_latex(name)}:}} {_breakable(text)}\par" for name, text in document.footer]
    return "\n".join([*lines, r"\end{raggedright}", r"\end{document}", ""])


def _section(section: Section, width: float) -> Iterator[str]:
    yield "\n" + rf"\section*{{{escape_latex(section.title)}}}"
    for block in section.blocks:
        yield from _block(block, width)
    yield r"\clearpage" if any(isinstance(block, TableBlock | Figure) for block in section.blocks) else ""


def _block(block: Block, width: float) -> Iterator[str]:
    if isinstance(block, TableBlock):
        yield rf"\input{{tables/{block.key}}}"
    elif isinstance(block, Figure):
        yield from (r"\begin{figure}[htbp]", r"  \centering")
        options = f"width={min(width, _TEXT):g}in,height=0.8\\textheight,keepaspectratio"
        yield rf"  \includegraphics[{options}]{{figures/{block.key}.pdf}}"
        yield rf"  \caption{{{escape_latex(f'{block.title}. {block.caption}')}}}\label{{fig:{block.key}}}"
        yield r"\end{figure}"
    elif isinstance(block, Points):
        yield r"\begin{itemize}"
        yield from (rf"  \item {escape_latex(item)}" for item in block.items)
        yield r"\end{itemize}"
    else:
        yield f"{escape_latex(block.text)}\n"


def _breakable(text: str) -> str:
    """Return a text that may be broken every few characters, such as a hash."""
    parts = (text[start : start + 16] for start in range(0, len(text), 16))
    return r"\allowbreak{}".join(map(escape_latex, parts))
