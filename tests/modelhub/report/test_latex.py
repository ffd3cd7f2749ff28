"""What LaTeX is given: that it prints whatever a study holds, and that the whole report compiles where a TeX is."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from modelhub.report.build import build_document
from modelhub.report.figures.paper import WIDTHS, printed
from modelhub.report.latex import escape_latex
from modelhub.report.latexreport import document_latex
from modelhub.report.methods import methods_bibliography, methods_latex
from modelhub.report.tables import table_latex
from modelhub.results.report import Results
from tests.modelhub.report.made import STUDIES, TITLE, Made

Studies = Callable[[str], Made]
# All that may stand behind a backslash in what is written: anything else would be a command that a study brought in.
_COMMAND = re.compile(r"\\(?:[a-zA-Z]+|.)", re.DOTALL)


def test_every_special_character_is_escaped() -> None:
    assert escape_latex('a_b & 5 % #1 $2 <x> ~^{}\\ |"`') == (
        r"a\_b \& 5 \% \#1 \$2 \textless{}x\textgreater{} \textasciitilde{}\textasciicircum{}\{\}\textbackslash{} "
        r"\textbar{}\textquotedbl{}\textasciigrave{}"
    )


def test_letters_of_europe_stay_and_greek_becomes_a_formula() -> None:
    assert escape_latex("Größe, Łódź, résumé, α Δ") == r"Größe, Łódź, résumé, $\alpha$ $\Delta$"
    assert escape_latex("e\N{COMBINING ACUTE ACCENT}") == "é"


def test_what_no_latin_font_has_is_kept_with_its_code_points() -> None:
    assert escape_latex("a 中文!") == r"a \foreign{中文}{U+4E2D U+6587}!"


def test_what_does_not_print_and_line_breaks_do_no_harm() -> None:
    assert escape_latex("a\nb\N{ZERO WIDTH SPACE}c\x07d") == "a bcd"


def test_dashes_and_quotes_make_no_ligatures() -> None:
    assert escape_latex("--seed ``x''") == r"{-}{-}seed \textasciigrave{}\textasciigrave{}x''"


@pytest.mark.parametrize("name", STUDIES)
def test_what_is_written_is_well_formed(name: str, made: Studies) -> None:
    results = made(name).results
    document = build_document(results)
    texts = [document_latex(document, 6.75), methods_latex(results), *map(table_latex, document.tables)]
    for text in texts:
        check_form(text)


def test_a_table_is_as_wide_as_its_head_in_every_row(made: Studies) -> None:
    for table in build_document(made("own").results).tables:
        lines = [line for line in table_latex(table).splitlines() if line.endswith(r" \\") and " & " in line]
        assert {len(re.findall(r"(?<!\\)&", line)) for line in lines} <= {len(table.columns) - 1}, table.key


def test_long_tables_go_over_pages_and_wide_ones_lie_on_their_side(made: Studies) -> None:
    tables = {table.key: table for table in build_document(made("own").results).tables}
    people = table_latex(tables["participants"])
    assert len(tables["participants"].rows) > 25
    assert r"\begin{longtable}" in people and r"\endhead" in people and r"\begin{landscape}" not in people
    assert r"\begin{landscape}" in table_latex(tables["coefficients"])
    assert r"\begin{table*}" in table_latex(tables["comparison"])


@pytest.mark.parametrize("engine", ["pdflatex", "lualatex"])
@pytest.mark.parametrize("name", ["own", "three"])
def test_the_report_compiles(name: str, engine: str, made: Studies, tmp_path: Path) -> None:
    if not shutil.which(engine) or not shutil.which("kpsewhich"):
        pytest.skip(f"needs TeX with {engine}")
    needed = ["booktabs.sty", "longtable.sty", "iftex.sty"]
    needed += ["luaotfload-main.lua", "lmroman10-regular.otf"] if engine == "lualatex" else []
    missing = [one for one in needed if not installed(one)]
    if missing:
        pytest.skip(f"needs of TeX {', '.join(missing)}")
    results = made(name).results.model_copy(deep=True)
    results.study.title = TITLE
    write(results, tmp_path)
    done = subprocess.run(
        [engine, "-interaction=nonstopmode", "-halt-on-error", "report.tex"],
        cwd=tmp_path, capture_output=True, check=False, timeout=300,
    )  # fmt: skip
    log = done.stdout.decode("utf-8", "replace")
    assert done.returncode == 0, log[-3000:]
    assert (tmp_path / "report.pdf").stat().st_size > 10_000
    assert "Undefined control sequence" not in log


def installed(file: str) -> bool:
    return subprocess.run(["kpsewhich", file], capture_output=True, check=False).returncode == 0


def write(results: Results, folder: Path) -> None:
    document = build_document(results)
    (folder / "tables").mkdir()
    (folder / "figures").mkdir()
    (folder / "report.tex").write_text(document_latex(document, WIDTHS["double"]), "utf-8")
    for table in document.tables:
        (folder / "tables" / f"{table.key}.tex").write_text(table_latex(table), "utf-8")
    for figure in document.figures:
        for form, content in printed(figure.drawing, WIDTHS["double"], ["pdf"]):
            (folder / "figures" / f"{figure.key}.{form}").write_bytes(content)


def check_form(text: str) -> None:
    """Fail where an environment or a brace is open, or a character is there that LaTeX would not print."""
    opened: list[str] = []
    for which, name in re.findall(r"\\(begin|end)\{(\w+\*?)\}", text):
        if which == "begin":
            opened.append(name)
        else:
            assert opened and opened.pop() == name, name
    assert not opened
    bare = _COMMAND.sub("", re.sub(r"(?m)(?<!\\)%.*$", "", text))
    assert bare.count("{") == bare.count("}")
    assert bare.count("$") % 2 == 0
    assert not re.search(r"(?<!\\)#(?![12])", bare)
    outside = re.sub(r"\\foreign\{[^}]*\}", "", text)
    assert not [one for one in outside if ord(one) > 0x17F]


def test_the_bibliography_holds_what_the_methods_cite_and_nothing_else(made: Studies) -> None:
    for name in STUDIES:
        results = made(name).results
        cited = {key for keys in re.findall(r"\\cite\{([^}]*)\}", methods_latex(results)) for key in keys.split(",")}
        entries = re.findall(r"^@\w+\{(\w+),", methods_bibliography(results), re.MULTILINE)
        assert cited == set(entries) and len(entries) == len(cited)
