"""How the numbers of a report were made, with citations: what this study's report really used, and nothing else."""

import re
from collections.abc import Iterator

from modelhub.report.latex import escape_latex
from modelhub.report.references import WORKS, bibliography
from modelhub.report.sections.document import Paragraph, Points, Section
from modelhub.results.comparison import AspectComparison
from modelhub.results.report import Results
from modelhub.stats.numbers import counted, joined

# A citation as Pandoc writes it: [@clark1973] or [@clark1973; @cameron2011].
_CITATION = re.compile(r" \[(@\w+(?:; @\w+)*)\]")


def methods_text(results: Results) -> list[str]:
    """Return the paragraphs of a methods section, with citations as Pandoc writes them."""
    paragraphs = (_unit(results), _assessment(results), _many(results), _effects(results), _agreement(results),
                  _made(results))  # fmt: skip
    return [" ".join(sentences) for sentences in map(list, paragraphs) if sentences]


def methods_section(results: Results) -> Section:
    """Return the methods as an appendix, with the works they cite."""
    text = methods_text(results)
    works = tuple(sorted(WORKS[key].plain for key in cited_in(text)))
    return Section("methods", "Methods", (*(Paragraph(in_words(part)) for part in text), Points(works)), "appendix")


def methods_markdown(results: Results) -> str:
    """Return the methods for Pandoc, which reads the citations with `--citeproc --bibliography references.bib`."""
    return "# Methods\n\n" + "\n\n".join(methods_text(results)) + "\n"


def methods_latex(results: Results) -> str:
    r"""Return the methods for LaTeX, with \cite and the keys of references.bib."""
    return "\n\n".join(map(_cited_in_latex, methods_text(results))) + "\n"


def methods_bibliography(results: Results) -> str:
    """Return the works that the methods cite, as BibTeX."""
    return bibliography(cited_in(methods_text(results)))


def cited_in(paragraphs: list[str]) -> list[str]:
    """Return the keys of the works that are cited, in the order of the first citation."""
    found = (key for text in paragraphs for match in _CITATION.finditer(text) for key in _keys(match))
    return list(dict.fromkeys(found))


def in_words(text: str) -> str:
    """Return the text with its citations as (author, year)."""
    return _CITATION.sub(lambda match: f" ({'; '.join(WORKS[key].cited for key in _keys(match))})", text)


def _cited_in_latex(text: str) -> str:
    parts, at = [], 0
    for match in _CITATION.finditer(text):
        parts += [escape_latex(text[at : match.start()]), rf"~\cite{{{','.join(_keys(match))}}}"]
        at = match.end()
    return "".join([*parts, escape_latex(text[at:])])


def _keys(match: re.Match[str]) -> list[str]:
    return [key.lstrip("@") for key in match[1].split("; ")]


def _reports(results: Results) -> list[AspectComparison]:
    pooled = results.primary.strata.get("")
    return list(pooled.comparisons.values()) if pooled else []


def _unit(results: Results) -> Iterator[str]:
    reports = _reports(results)
    if not reports:
        return
    yield (
        "Texts of two systems were rated by the same participant on the same prompt. Ratings of one participant "
        "are not independent, so that the unit of analysis is the participant: a result is the mean over participants "
        "of their mean difference within pairs."
    )
    early = [f"“{question.name}”" for question in results.study.questions if question.before_persona]
    if early:
        yield (
            f"First {joined(early)} {'was' if len(early) == 1 else 'were'} asked, with prompt and responses alone; "
            "these answers could no longer be changed once the persona was shown."
        )
    methods = {report.sign_flip_method for report in reports if report.sign_flip_method}
    how = "exact " if methods == {"exact"} else ""
    yield f"It was tested by {how}sign-flip (permutation) tests, two-sided [@pitman1937]."
    if results.study.prompts == "fixed":
        yield (
            "The prompts were declared as fixed before the study opened: intervals and tests generalise over "
            "participants, for these prompts."
        )
    if any("prompts" in report.generalises_over for report in reports):
        yield (
            "Participants shared prompts, which are a second sample [@clark1973]: the 95 % interval is a t-interval "
            "whose variance holds participants and prompts, crossed [@cameron2011], with approximate degrees of "
            "freedom [@satterthwaite1946], and the p-value is the largest of the sign-flip test over "
            "participants, that over prompts, and the crossed t-test."
        )
    else:
        yield "The 95 % intervals are t-intervals over participants' means."


def _assessment(results: Results) -> Iterator[str]:
    if not results.primary.persona:
        return
    compared = "personas inferred from chosen and from rejected responses were compared within preference pairs"
    if results.study.raters == "fixed":
        yield (
            f"Each persona's ratings were averaged over its raters, and {compared}, by t-intervals and sign-flip tests "
            "over pairs [@pitman1937]. Raters were taken as fixed: the results do not speak of others."
        )
    else:
        yield (
            f"For each rater, {compared}. Raters are a second sample [@clark1973]: the 95 % interval is a t-interval "
            "whose variance holds pairs and raters, crossed [@cameron2011], and the p-value is the largest of the "
            "sign-flip tests [@pitman1937] over pairs and over raters and the crossed t-test."
        )


def _many(results: Results) -> Iterator[str]:
    study = results.study
    names = {question.key: question.name for question in study.questions}
    if study.family:
        family = joined([names.get(key, key) for key in study.family])
        yield (
            f"The confirmatory family, declared before the study opened, holds {family}; its p-values were "
            "adjusted after "
            "Holm [@holm1979] at a level of .05. All other tests are exploratory and not adjusted."
        )
    else:
        yield "No family of confirmatory tests was declared; all tests are exploratory and not adjusted."
    if study.margin:
        margins = joined([f"{margin:g} points on {names.get(key, key)}" for key, margin in study.margin.items()])
        yield (
            "Non-inferiority (lower one-sided 95 % bound) and equivalence (two one-sided tests "
            "[@schuirmann1987]) were "
            f"tested at margins fixed beforehand: {margins}."
        )
    if results.flow.excluded:
        rules = sum(row.n for row in results.flow.excluded if row.rule_fixed_beforehand)
        all_of = sum(row.n for row in results.flow.excluded)
        who = "all participants" if study.population == "all" else "participants who were not excluded"
        yield (
            f"{counted(all_of, 'person was', 'people were')} excluded, {rules} of them flagged by rules fixed "
            "beforehand; the "
            f"primary results are those of {who}, and the others are given as a sensitivity check."
        )


def _effects(results: Results) -> Iterator[str]:
    if _reports(results):
        yield (
            "Beside the mean difference we give the probability of superiority within pairs, the matched-pairs "
            "rank-biserial correlation [@kerby2014] and, ignoring the pairing, Cliff's delta [@cliff1993]; Wilcoxon's "
            "signed-rank test over participants' means, with Pratt's treatment of zeros [@pratt1959], is "
            "descriptive. As "
            "a check for length, differences in rating were regressed on differences in words."
        )


def _agreement(results: Results) -> Iterator[str]:
    agreement = results.primary.agreement
    reports = [found.pooled for questions in agreement.designs.values() for found in questions.values()]
    if not any(report.percent_agreement is not None for report in reports):
        yield "No agreement among raters is estimated: no item was rated twice."
        return
    yield (
        "Agreement is given as percent agreement, Krippendorff's alpha [@krippendorff2004] and Gwet's AC1 for "
        "categories "
        f"or AC2 for ordered values [@gwet2008], with 95 % intervals over items ({results.footer.replicates} bootstrap "
        "replicates where they are drawn), the raters as they are."
    )
    if any(report.icc_a1 is not None for report in reports):
        yield "Intraclass correlations are ICC(A,1) and ICC(C,1) [@mcgraw1996]."


def _made(results: Results) -> Iterator[str]:
    footer = results.footer
    versions = ", ".join(f"{name} {version}" for name, version in footer.versions.items())
    yield f"All numbers were computed with {versions}, seed {footer.seed}."
    if footer.protocol_hash:
        yield (
            "Questions, design, exclusion rules and analysis were frozen when the study opened (SHA-256 of the "
            "protocol "
            f"{footer.protocol_hash[:16]}…)."
        )
    yield "The study is described in the terms of HEDS 3.0 [@belz2025] in heds.md."
