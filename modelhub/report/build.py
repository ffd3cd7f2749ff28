"""From a study's results to a document: the answer, then the evidence, then what few will look up."""

from collections.abc import Callable, Iterator

from modelhub.report.methods import methods_section
from modelhub.report.prose import results_paragraphs
from modelhub.report.sections.agreement import agreement_section
from modelhub.report.sections.answer import answer_section, numbers_section
from modelhub.report.sections.checks import checks_section
from modelhub.report.sections.comparison import comparison_section
from modelhub.report.sections.details import details_section
from modelhub.report.sections.document import Document, Paragraph, Section
from modelhub.report.sections.judge import judge_section
from modelhub.report.sections.names import POPULATIONS
from modelhub.report.sections.persona import accuracy_section, persona_section
from modelhub.report.sections.preferences import preferences_section
from modelhub.report.sections.presentation import length_section, position_section
from modelhub.report.sections.ratings import ratings_section
from modelhub.report.sections.study import flow_section, study_section
from modelhub.results.report import Results
from modelhub.results.study import Footer, StudyResult

DEMONSTRATION = (
    "This is a demonstration: outputs are written by the scripted engine, not by a language model. The numbers say "
    "nothing about any model."
)
BOTS = "Bots and previews are counted in this report. It says nothing about people."
_KINDS = {"output_rating": "Output rating", "persona_assessment": "Persona assessment"}
Maker = Callable[[Results, str, str], Section | None]  # of a population and the suffix of its keys


def build_document(results: Results) -> Document:
    """Return the report of a study's results. Unblinded: it names systems."""
    study = results.study
    sections = [answer_section(results), *_evidence(results), *_appendices(results)]
    notices = [text for text, holds in ((DEMONSTRATION, study.demonstration), (BOTS, study.include_bots)) if holds]
    return Document(
        title=study.title,
        facts=_facts(study),
        notices=tuple(notices),
        sections=tuple(section.readable() for section in sections),
        footer=tuple(_footer(results.footer)),
    )


def _evidence(results: Results) -> Iterator[Section]:
    paragraphs = tuple(Paragraph(text) for text in results_paragraphs(results))
    yield Section("results", "Results in sentences", paragraphs)
    yield flow_section(results)
    yield study_section(results)
    yield from _made(
        results,
        results.study.population,
        "",
        persona_section,
        accuracy_section,
        comparison_section,
        preferences_section,
        ratings_section,
        agreement_section,
        judge_section,
    )


def _appendices(results: Results) -> Iterator[Section]:
    numbers = numbers_section(results)
    if numbers:
        yield numbers
    for section in _made(
        results,
        results.study.population,
        "",
        details_section,
        length_section,
        position_section,
        checks_section,
    ):
        yield section.at("appendix")
    if results.leaves_out:
        yield from _other(results)
    yield methods_section(results)


def _other(results: Results) -> Iterator[Section]:
    """Yield the main results again, for the population that is not the primary one."""
    name = results.other_population
    for section in _made(
        results,
        name,
        f"-{name.replace('_', '-')}",
        persona_section,
        accuracy_section,
        comparison_section,
        details_section,
        preferences_section,
        agreement_section,
    ):
        yield section.at("appendix", f"{section.title} ({POPULATIONS[name]})")


def _made(results: Results, population: str, suffix: str, *makers: Maker) -> Iterator[Section]:
    for make in makers:
        section = make(results, population, suffix)
        if section:
            yield section


def _facts(study: StudyResult) -> tuple[tuple[str, str], ...]:
    return (
        ("Study", f"{study.slug}, version {study.version}, {study.state}"),
        ("Kind", _KINDS[study.kind]),
        ("Compared", f"{study.test or 'nothing'} against {study.base or 'nothing'}"),
        ("Primary results", POPULATIONS[study.population]),
        ("Protocol hash", study.protocol_hash or "none: the study is a draft"),
    )


def _footer(footer: Footer) -> list[tuple[str, str]]:
    git = footer.git
    commit = f"{git['commit']}{' with changes' if git.get('dirty') else ''}" if isinstance(git, dict) else str(git)
    return [
        ("Command", footer.command),
        ("Made", footer.generated_at),
        ("Seed", str(footer.seed)),
        ("Bootstrap replicates", str(footer.replicates)),
        ("Versions", ", ".join(f"{name} {version}" for name, version in footer.versions.items())),
        ("Code", commit),
        ("Data, SHA-256", footer.data_sha256),
        ("Protocol hash", footer.protocol_hash or "none"),
    ]
