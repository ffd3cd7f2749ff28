"""What stands in sentences, tables and figures, from made-up results."""

import csv
import json
import re
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from modelhub.report.build import document_of
from modelhub.report.figures.forest import Estimate, forest_figure
from modelhub.report.heds import TO_FILL_IN, StudyFacts, heds_sheet
from modelhub.report.html import document_html
from modelhub.report.markdown import document_markdown
from modelhub.report.prose import results_paragraphs
from modelhub.report.rscript import clmm_script
from modelhub.report.sections.document import Document, Figure, TableBlock, limits, number, warning_marks, words
from modelhub.report.sections.document import TableColumn as C
from modelhub.report.tables import escape_latex, table_csv, table_latex
from modelhub.stats.numbers import decimal, interval, p_equals, percent, probability
from tests.modelhub.report.results import empty_results, output_rating_results, persona_results

FACTS = StudyFacts(2, True, "prolific", "a@b.org", ("2 or more attention checks missed",), "2025-01-01T00:00:00", 24)
EVERY = [output_rating_results, persona_results, empty_results]


def prose(results: dict[str, Any]) -> str:
    return "\n".join(results_paragraphs(results)).replace("\N{NO-BREAK SPACE}", " ")


class TestNumbers:
    def test_small_and_negative_numbers_are_written_as_in_a_paper(self) -> None:
        assert decimal(-0.256) == "\N{MINUS SIGN}0.26"
        assert decimal(-0.001, sign=True) == "0.00"
        assert interval([-0.1, 0.2], sign=True) == "[\N{MINUS SIGN}0.10, +0.20]"
        assert [probability(p) for p in (0.0004, 0.0421, 1.0, None)] == ["< .001", ".042", "1.000", "\N{EN DASH}"]
        assert p_equals(0.0001).replace("\N{NO-BREAK SPACE}", " ") == "p < .001"


class TestProse:
    def test_a_difference_comes_with_interval_test_counts_and_family(self) -> None:
        results = output_rating_results()
        text = prose(results)
        found = results["analysis"]["all"]["strata"][""]["comparisons"]["personalization"]
        assert "Personalization (confirmatory): pt-dpo was rated" in text
        assert (
            f"{decimal(found['mean_difference'], sign=True)} points, 95 % CI {interval(found['ci'], sign=True)}" in text
        )
        assert "144 pairs by 8 participants" in text
        assert "sign-flip over participants p = .008; adjusted after Holm, p = .008" in text
        assert "Answerability (exploratory)" in text

    def test_five_participants_are_said_to_be_too_few(self) -> None:
        text = prose(output_rating_results(participants=5))
        assert "Too few participants to reject at .05, whatever they answer (smallest attainable p = .062)." in text

    def test_shared_prompts_bring_three_tests_of_which_the_largest_counts(self) -> None:
        text = prose(output_rating_results(shared=True))
        assert (
            "sign-flip over prompts p" in text and "crossed quasi-t" in text and "of which the largest counts" in text
        )

    def test_what_is_undefined_is_explained(self) -> None:
        text = prose(empty_results())
        assert "Personalization: no difference can be given: nothing was rated." in text
        assert "undefined because nothing was rated" in text

    def test_own_personas_are_said_to_have_no_agreement(self) -> None:
        assert "inter-rater agreement cannot be estimated" in prose(output_rating_results())

    def test_intervals_of_agreement_carry_their_caveats(self) -> None:
        text = prose(output_rating_results())
        assert "item sampling only, raters fixed" in text
        assert "the interval undercovers" in text
        assert "no interval: fewer than 10 items were rated twice" in text

    def test_agreement_counts_people_and_gives_every_number_its_interval(self) -> None:
        text = next(part for part in prose(output_rating_results()).split("\n") if part.startswith("Agreement between"))
        assert "30 items with two ratings or more by 2 people" in text
        assert text.count("95 % CI") == 8  # of two questions: equal, within one point, alpha, AC2

    def test_persona_results_say_that_raters_are_fixed(self) -> None:
        text = prose(persona_results())
        assert "The raters are fixed" in text and "over 40 preference pairs" in text
        assert "Human persona accuracy: 85.0 % overall (68 of 80; 95 % CI [75.0, 95.0] %)" in text

    def test_persona_results_speak_of_margins_and_of_too_few_pairs(self) -> None:
        results = persona_results(pairs=4)
        compared = results["analysis"]["all"]["persona"]["plausibility"]["comparison"]
        compared["non_inferiority"] = {"margin": 0.5, "lower_bound": -0.7, "non_inferior": False}
        compared["tost"] = {"margin": 0.5, "ci_90": [-0.7, 0.4], "p": 0.2, "equivalent": False}
        compared["warnings"] = ["too_few_pairs_to_reject_at_05", "raters_fixed"]
        text = prose(results)
        assert "equivalence is not shown (two one-sided t-tests" in text
        assert "Too few preference pairs to reject at .05" in text

    def test_nothing_left_without_exclusions_is_said(self) -> None:
        results = output_rating_results()
        results["flow"]["excluded"] = [{"reason": "late", "n": 8, "rule_fixed_beforehand": False}]
        empty = empty_results()["analysis"]["all"]
        left = json.loads(json.dumps(results["analysis"]["all"]))
        for report in left["strata"][""]["comparisons"].values():
            report |= {"mean_difference": None, "reasons": {"mean_difference": "no_data"}}
        results["analysis"]["without_excluded"] = {**empty, "strata": left["strata"]}
        assert "Without exclusions no difference can be given: nothing was rated." in prose(results)

    def test_a_negative_share_has_a_true_minus(self) -> None:
        assert percent(-0.125) == "\N{MINUS SIGN}12.5\N{NO-BREAK SPACE}%"

    @pytest.mark.parametrize("made", EVERY)
    def test_no_size_gets_a_verbal_label(self, made: Any) -> None:
        page = document_markdown(document_of(made())).lower()
        labels = r"\b(moderate|substantial|almost perfect|fair|poor|excellent|small|medium|large) (agreement|effect)"
        assert not re.search(labels, page)
        assert "significant" not in page


class TestDocument:
    @pytest.mark.parametrize("made", EVERY)
    def test_every_figure_has_its_numbers_in_a_table(self, made: Any) -> None:
        document = document_of(made())
        tables = {table.key for table in document.tables}
        assert document.figures
        assert all(figure.numbers in tables for figure in document.figures)
        assert len(tables) == len(document.tables)

    @pytest.mark.parametrize("made", EVERY)
    def test_every_format_is_whole(self, made: Any) -> None:
        document = document_of(made())
        page = document_html(document)
        assert "<link" not in page and "<script" not in page and "src=" not in page
        for text in (page, document_markdown(document)):
            assert not re.search(r"\b(nan|None|inf)\b", re.sub(r"<style>.*?</style>", "", text, flags=re.DOTALL))
        for figure in document.figures:
            check_figure(figure)
        for table in document.tables:
            assert len({len(row) for row in csv.reader(table_csv(table).splitlines())}) == 1
            assert table_latex(table).count("&") % (len(table.columns) - 1 or 1) == 0

    def test_names_from_the_study_are_escaped(self) -> None:
        document = document_of(output_rating_results())
        assert "A made-up &lt;study&gt; &amp; its results" in document_html(document)
        assert "A made-up &lt;study&gt; &amp; its results" in document_markdown(document)

    def test_nobody_excluded_gives_one_set_of_results(self) -> None:
        results = output_rating_results()
        assert "without exclusions" in titles(document_of(results))
        results["flow"] |= {"excluded": [], "excluded_pairs": 0}
        assert "without exclusions" not in titles(document_of(results))

    def test_a_demonstration_says_so_first(self) -> None:
        results = output_rating_results()
        results["study"]["demonstration"] = True
        assert "scripted engine" in document_of(results).notices[0]

    def test_a_long_or_hostile_name_of_a_system_breaks_nothing(self) -> None:
        text = json.dumps(output_rating_results()).replace("pt-dpo", "x<b>&" + "y" * 80)
        document = document_of(json.loads(text))
        assert "<b>" not in document_html(document)
        assert clmm_script(['a"b']).count('"a\\"b"') == 1


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
        assert escape_latex("a_b & 5 % #1 ~^{}\\") == (
            r"a\_b \& 5 \% \#1 \textasciitilde{}\textasciicircum{}\{\}\textbackslash{}"
        )
        latex = table_latex(self.table())
        assert r"A \& B & 0.50 & [0.12, 0.90] & a \\" in latex


class TestFigures:
    def test_estimates_beyond_each_other_stay_inside_the_drawing(self) -> None:
        figure = forest_figure(
            "f", "F", [Estimate("a", 3.0, [-7.0, 12.5], "3"), Estimate("b", None, None, "–")], axis="x"
        )
        check_svg(figure)

    def test_an_interval_far_beyond_the_scale_is_cut_there(self) -> None:
        wide, narrow = Estimate("a", 0.5, [-24.0, 26.0], "0.5"), Estimate("b", 0.4, [0.2, 0.6], "0.4")
        figure = forest_figure("f", "F", [wide, narrow], axis="x", most=4)
        check_svg(figure)
        assert ">20<" not in figure
        assert figure.count('stroke-width="2"') == 1 + 3  # one has no bars at its ends

    def test_an_estimate_without_interval_is_a_mark_alone(self) -> None:
        figure = forest_figure("f", "F", [Estimate("a", 0.4, None, "0.4")], axis="x", bounds=(0, 1))
        assert "<circle" in figure and 'stroke-width="2"' not in figure


class TestDatasheet:
    def test_what_the_system_knows_is_filled_in_and_the_rest_is_left(self) -> None:
        sheet = heds_sheet(output_rating_results(), FACTS)
        answers = {one["number"]: one for section in sheet["sections"] for one in section["questions"]}
        assert answers["3.2.1"]["answer"] == 8
        assert answers["3.3.3.2"]["answer"] == "2 or more attention checks missed"
        assert answers["5.1"] == {**answers["5.1"], "answer": None, "note": TO_FILL_IN}
        criteria = {one["criterion"]: {q["number"]: q["answer"] for q in one["questions"]} for one in sheet["criteria"]}
        assert criteria["Personalization"]["4.3.3"] == 5
        assert "How much personalization is there for you?" in criteria["Personalization"]["4.3.7"]
        assert "overlap: 0." in criteria["Personalization"]["4.3.11.2"]
        assert "repeat: 0." in criteria["Personalization"]["4.3.12.2"]
        assert criteria["Preference"]["4.3.8"] == "Relative quality estimation"


def titles(document: Document) -> str:
    return " ".join(section.title for section in document.sections)


def check_figure(figure: Figure) -> None:
    assert figure.title and figure.caption
    check_svg(figure.svg)


def check_svg(svg: str) -> None:
    root = ET.fromstring(svg)
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    assert root.find("{*}title") is not None and "style" not in svg and "nan" not in svg
    for mark in root.iter():
        for name, most in (("x", width), ("x1", width), ("x2", width), ("cx", width), ("y", height), ("y1", height)):
            if name in mark.attrib:
                assert -8 <= float(mark.attrib[name]) <= most + 8, (mark.tag, mark.attrib)
