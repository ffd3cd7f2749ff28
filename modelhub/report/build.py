"""From a study's results to a document."""

from typing import Any

from modelhub.report.prose import excludes, results_paragraphs
from modelhub.report.sections.agreement import agreement_section
from modelhub.report.sections.checks import checks_section
from modelhub.report.sections.comparison import comparison_section
from modelhub.report.sections.document import Document, Paragraph, Section
from modelhub.report.sections.judge import judge_section
from modelhub.report.sections.persona import accuracy_section, persona_section
from modelhub.report.sections.preferences import preferences_section
from modelhub.report.sections.presentation import length_section, position_section
from modelhub.report.sections.ratings import ratings_section
from modelhub.report.sections.study import flow_section, study_section
from modelhub.results.report import Results

DEMONSTRATION = (
    "This is a demonstration: outputs are written by the scripted engine, not by a language model. The numbers say "
    "nothing about any model."
)
BOTS = "Bots and previews are counted in this report. It says nothing about people."
_KINDS = {"output_rating": "Output rating", "persona_assessment": "Persona assessment"}


def build_document(found: Results) -> Document:
    """Return the report of a study's results. Unblinded: it names systems."""
    return document_of(found.model_dump(mode="json"))


def document_of(results: dict[str, Any]) -> Document:
    """Return the report of results as they come back from a file."""
    study = results["study"]
    sections = [_prose(results), flow_section(results), study_section(results), *_analysis(results, "all", "")]
    if excludes(results):
        sections += _without_excluded(results)
    notices = [
        text for text, holds in ((DEMONSTRATION, study["demonstration"]), (BOTS, study["include_bots"])) if holds
    ]
    return Document(
        title=study["title"],
        facts=_facts(study),
        notices=tuple(notices),
        sections=tuple(sections),
        footer=tuple(_footer(results["footer"])),
    )


def _prose(results: dict[str, Any]) -> Section:
    paragraphs = tuple(Paragraph(text) for text in results_paragraphs(results))
    return Section("results", "Results in sentences", paragraphs)


def _analysis(results: dict[str, Any], population: str, suffix: str) -> list[Section]:
    makers = (
        persona_section, accuracy_section, comparison_section, preferences_section, ratings_section,
        agreement_section, length_section, position_section, judge_section, checks_section,
    )  # fmt: skip
    made = (maker(results, population, suffix) for maker in makers)
    return [section for section in made if section]


def _without_excluded(results: dict[str, Any]) -> list[Section]:
    """Return the main results again for those who were not excluded."""
    makers = (persona_section, accuracy_section, comparison_section, preferences_section, agreement_section)
    made = [maker(results, "without_excluded", "-without-excluded") for maker in makers]
    return [
        Section(section.key, f"{section.title} (without exclusions)", section.blocks) for section in made if section
    ]


def _facts(study: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    return (
        ("Study", f"{study['slug']}, version {study['version']}, {study['state']}"),
        ("Kind", _KINDS.get(study["kind"], study["kind"])),
        ("Compared", f"{study['test'] or 'nothing'} against {study['base'] or 'nothing'}"),
        ("Protocol hash", study["protocol_hash"] or "none: the study is a draft"),
    )


def _footer(footer: dict[str, Any]) -> list[tuple[str, str]]:
    git = footer["git"]
    commit = f"{git['commit']}{' with changes' if git.get('dirty') else ''}" if isinstance(git, dict) else str(git)
    return [
        ("Command", footer["command"]),
        ("Made", footer["generated_at"]),
        ("Seed", str(footer["seed"])),
        ("Bootstrap replicates", str(footer["replicates"])),
        ("Versions", ", ".join(f"{name} {version}" for name, version in footer["versions"].items())),
        ("Code", commit),
        ("Data, SHA-256", footer["data_sha256"]),
        ("Protocol hash", footer["protocol_hash"] or "none"),
    ]
