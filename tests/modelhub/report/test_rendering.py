"""What stands in a document whatever the study, in every format."""

import csv
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping, Sequence

import pytest

from modelhub.report.build import build_document
from modelhub.report.html import document_html
from modelhub.report.markdown import document_markdown
from modelhub.report.sections.document import Document, TableBlock, limits, number, warning_marks, words
from modelhub.report.sections.document import TableColumn as C
from modelhub.report.tables import table_csv, table_latex
from modelhub.results.report import Results
from modelhub.stats.numbers import decimal, interval, p_equals, percent, probability
from tests.modelhub.report.made import HOSTILE, STUDIES, Made

EVERY = pytest.mark.parametrize("name", STUDIES)
Studies = Callable[[str], Made]


class TestNumbers:
    def test_small_and_negative_numbers_are_written_as_in_a_paper(self) -> None:
        assert decimal(-0.256) == "\N{MINUS SIGN}0.26"
        assert decimal(-0.001, sign=True) == "0.00"
        assert interval([-0.1, 0.2], sign=True) == "[\N{MINUS SIGN}0.10, +0.20]"
        assert [probability(p) for p in (0.0004, 0.0421, 1.0, None)] == ["< .001", ".042", "1.000", "\N{EN DASH}"]
        assert p_equals(0.0001).replace("\N{NO-BREAK SPACE}", " ") == "p < .001"

    def test_a_negative_share_has_a_true_minus(self) -> None:
        assert percent(-0.125) == "\N{MINUS SIGN}12.5\N{NO-BREAK SPACE}%"


def _told_of_systems(results: Results, told: Sequence[Mapping[str, object]], key: str) -> list[str]:
    """Return a column of the table of systems, where the results say this of each."""
    systems = tuple(one.model_copy(update=values) for one, values in zip(results.study.systems, told, strict=True))
    study = results.study.model_copy(update={"systems": systems})
    document = build_document(results.model_copy(update={"study": study}))
    table = next(one for one in document.tables if one.key == "systems")
    place = [column.key for column in table.columns].index(key)
    return [row[place].text for row in table.rows]


class TestDocument:
    @EVERY
    def test_every_figure_has_its_numbers_in_a_table(self, name: str, made: Studies) -> None:
        document = build_document(made(name).results)
        tables = {table.key for table in document.tables}
        assert document.figures
        assert all(figure.numbers in tables for figure in document.figures)
        assert len(tables) == len(document.tables)
        assert len({figure.key for figure in document.figures}) == len(document.figures)

    def test_the_table_of_systems_says_what_each_adapter_changes_or_that_nobody_has_looked(self, made: Studies) -> None:
        results = made("three").results
        told: list[dict[str, bool | float | None]] = [
            {"has_adapter": True, "adapter_difference": 0.84371},
            {"has_adapter": True},
            {"has_adapter": None},
        ]
        assert _told_of_systems(results, told, "adapter") == ["0.844", "not probed", "unknown"]

    def test_the_table_of_systems_says_by_what_procedure_each_answers(self, made: Studies) -> None:
        results = made("three").results
        told = [{"procedure": "self-refine"}, {}, {"procedure": "rubric"}]
        assert _told_of_systems(results, told, "procedure") == ["self-refine", "none", "rubric"]

    def test_effects_between_personas_have_their_intervals(self, made: Studies) -> None:
        document = build_document(made("assessed").results)
        table = next(one for one in document.tables if one.key == "persona-tests")
        intervals = [place for place, column in enumerate(table.columns) if column.is_interval]
        assert [table.columns[place].key for place in intervals] == ["p_superiority_ci", "rank_biserial_ci"]
        assert all(isinstance(table.rows[0][place].raw, list) for place in intervals)

    @EVERY
    def test_every_format_is_whole(self, name: str, made: Studies) -> None:
        document = build_document(made(name).results)
        page = document_html(document)
        assert "<link" not in page and "<script" not in page and "src=" not in page
        for text in (page, document_markdown(document)):
            assert not re.search(r"\b(nan|None|inf)\b", re.sub(r"<style>.*?</style>", "", text, flags=re.DOTALL))
        for figure in document.figures:
            assert figure.title and figure.caption
            check_svg(figure.svg)
        for table in document.tables:
            assert len({len(row) for row in csv.reader(table_csv(table).splitlines())}) == 1

    def test_results_read_back_from_their_file_give_the_same_document(self, made: Studies) -> None:
        results = made("own").results
        kept = Results.model_validate(json.loads(json.dumps(results.model_dump(mode="json"))))
        assert build_document(kept) == build_document(results)

    def test_the_answer_comes_first_then_the_evidence_then_the_appendices(self, made: Studies) -> None:
        places = [section.place for section in build_document(made("own").results).sections]
        assert places == sorted(places, key=("answer", "evidence", "appendix").index)
        assert places.count("answer") == 1 and {"evidence", "appendix"} < set(places)

    def test_appendices_are_folded_and_every_section_is_in_the_contents(self, made: Studies) -> None:
        document = build_document(made("own").results)
        page = document_html(document)
        assert page.count('<details class="report-appendix">') == sum(
            section.place == "appendix" for section in document.sections
        )
        for section in document.sections:
            assert page.count(f'href="#{section.key}"') == 2  # beside the report, and folded for a phone
            assert page.count(f' id="{section.key}"') == 1

    def test_names_from_the_study_are_escaped(self, made: Studies) -> None:
        document = build_document(made("own").results)
        assert "A made-up &lt;study&gt; &amp; its results" in document_html(document)
        assert "A made-up &lt;study&gt; &amp; its results" in document_markdown(document)
        three = document_html(build_document(made("three").results))
        assert "<b>" not in three
        assert HOSTILE[0] + "&lt;b&gt;&amp;" in three

    def test_a_demonstration_says_so_first(self, made: Studies) -> None:
        results = made("own").results.model_copy(deep=True)
        results.study.demonstration = True
        assert "scripted engine" in build_document(results).notices[0]

    def test_nobody_excluded_gives_one_set_of_results(self, made: Studies) -> None:
        results = made("own").results.model_copy(deep=True)
        assert "PT-DPO against DPO (without excluded people)" in titles(build_document(results))
        results.flow.excluded, results.flow.excluded_pairs = [], 0
        assert "excluded people" not in titles(build_document(results))

    def test_the_declared_population_is_the_primary_one(self, made: Studies) -> None:
        document = build_document(made("fixed").results)
        assert "(nobody is left out)" in titles(document)
        assert "(without excluded people)" not in titles(document)
        assert dict(document.facts)["Primary results"] == "without excluded people"
        assert "from 4 participants" in section_text(document, "answer")

    def test_every_pair_of_three_systems_is_in_the_report(self, made: Studies) -> None:
        document = build_document(made("three").results)
        rows = next(table for table in document.tables if table.key == "contrasts").lines
        assert {(row[0][0], row[1][0]) for row in rows} == {("A", HOSTILE), ("C", HOSTILE)} or len(rows) == 4


class TestTables:
    def table(self) -> TableBlock:
        columns = (
            C("name", "Name", is_number=False),
            C("alpha", "a_1"),
            C("ci", "CI", is_interval=True),
            C("w", "Notes"),
        )
        rows = (
            (words("A & B"), number(0.5), limits([0.123456, 0.9]), warning_marks(["ci_undercovers"])),
            (words("C"), number(None, "no_overlap"), limits(None, "no_overlap"), warning_marks([])),
        )
        return TableBlock("t", "T", "Share in %.", columns, rows)

    def test_csv_keeps_full_numbers_and_reason_codes(self) -> None:
        rows = list(csv.DictReader(table_csv(self.table()).splitlines()))
        assert (rows[0]["ci_low"], rows[0]["ci_high"], rows[0]["w"]) == ("0.123456", "0.9", "ci_undercovers")
        assert (rows[1]["alpha"], rows[1]["ci_low"]) == ("", "")
        assert rows[1]["reasons"] == "alpha=no_overlap ci=no_overlap"

    def test_reasons_and_warnings_share_the_notes(self) -> None:
        table = self.table()
        assert list(table.notes.values()) == ["a", "b"]
        assert table.lines[1][1] == ("\N{EN DASH} b", True)

    def test_latex_has_nothing_unescaped(self) -> None:
        assert r"A \& B & 0.50 & [0.12, 0.90] & a \\" in table_latex(self.table())


def titles(document: Document) -> str:
    return " | ".join(section.title for section in document.sections)


def section_text(document: Document, key: str) -> str:
    """The texts of a section, with plain spaces."""
    (section,) = (one for one in document.sections if one.key == key)
    texts = [
        text
        for block in section.blocks
        for text in ([block.text] if block.kind == "paragraph" else block.items if block.kind == "points" else [])
    ]
    return "\n".join(texts).replace("\N{NO-BREAK SPACE}", " ")


def check_svg(svg: str) -> None:
    root = ET.fromstring(svg)
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    assert root.find("{*}title") is not None and "style" not in svg and "nan" not in svg
    for mark in root.iter():
        for name, most in (("x", width), ("x1", width), ("x2", width), ("cx", width), ("y", height), ("y1", height)):
            if name in mark.attrib:
                assert -8 <= float(mark.attrib[name]) <= most + 8, (mark.tag, mark.attrib)
