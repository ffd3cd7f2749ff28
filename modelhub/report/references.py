"""The works that a report may cite, as BibTeX writes them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Work:
    """One work: how it is cited in running text, its entry's type, and the entry's fields."""

    cited: str
    kind: str
    fields: tuple[tuple[str, str], ...]

    def bibtex(self, key: str) -> str:
        """Return the entry."""
        lines = "".join(f"  {name} = {{{text}}},\n" for name, text in self.fields)
        return f"@{self.kind}{{{key},\n{lines}}}\n"

    @property
    def plain(self) -> str:
        """The work in one line, for a list of references."""
        known = {name: text.replace("{", "").replace("}", "").replace("\\&", "&") for name, text in self.fields}
        authors = "; ".join(known["author"].replace(", ", " ").split(" and "))
        venue = known.get("journal") or known.get("booktitle") or known.get("publisher", "")
        numbers = ", ".join(known[name].replace("--", "\N{EN DASH}") for name in ("volume", "pages") if name in known)
        return f"{authors} ({known['year']}). {known['title']}. {', '.join(filter(None, (venue, numbers)))}."


def _article(cited: str, author: str, year: str, title: str, journal: str, volume: str, number: str, pages: str,
             doi: str = "") -> Work:  # fmt: skip
    fields = [("author", author), ("year", year), ("title", title), ("journal", journal), ("volume", volume)]
    fields += [("number", number)] if number else []
    fields += [("pages", pages)]
    fields += [("doi", doi)] if doi else []
    return Work(cited, "article", tuple(fields))


WORKS = {
    "pitman1937": _article(
        "Pitman, 1937", "Pitman, E. J. G.", "1937",
        "Significance Tests Which May be Applied to Samples from any Populations",
        "Supplement to the Journal of the Royal Statistical Society", "4", "1", "119--130", "10.2307/2984124",
    ),
    "clark1973": _article(
        "Clark, 1973", "Clark, Herbert H.", "1973",
        "The Language-as-Fixed-Effect Fallacy: {A} Critique of Language Statistics in Psychological Research",
        "Journal of Verbal Learning and Verbal Behavior", "12", "4", "335--359", "10.1016/S0022-5371(73)80014-3",
    ),
    "cameron2011": _article(
        "Cameron et al., 2011", "Cameron, A. Colin and Gelbach, Jonah B. and Miller, Douglas L.", "2011",
        "Robust Inference With Multiway Clustering",
        "Journal of Business \\& Economic Statistics", "29", "2", "238--249", "10.1198/jbes.2010.07136",
    ),
    "satterthwaite1946": _article(
        "Satterthwaite, 1946", "Satterthwaite, F. E.", "1946",
        "An Approximate Distribution of Estimates of Variance Components",
        "Biometrics Bulletin", "2", "6", "110--114", "10.2307/3002019",
    ),
    "holm1979": _article(
        "Holm, 1979", "Holm, Sture", "1979", "A Simple Sequentially Rejective Multiple Test Procedure",
        "Scandinavian Journal of Statistics", "6", "2", "65--70",
    ),
    "schuirmann1987": _article(
        "Schuirmann, 1987", "Schuirmann, Donald J.", "1987",
        "A Comparison of the Two One-Sided Tests Procedure and the Power Approach for Assessing the Equivalence of "
        "Average Bioavailability",
        "Journal of Pharmacokinetics and Biopharmaceutics", "15", "6", "657--680", "10.1007/BF01068419",
    ),
    "pratt1959": _article(
        "Pratt, 1959", "Pratt, John W.", "1959",
        "Remarks on Zeros and Ties in the {Wilcoxon} Signed Rank Procedures",
        "Journal of the American Statistical Association", "54", "287", "655--667", "10.1080/01621459.1959.10501526",
    ),
    "kerby2014": _article(
        "Kerby, 2014", "Kerby, Dave S.", "2014",
        "The Simple Difference Formula: {An} Approach to Teaching Nonparametric Correlation",
        "Comprehensive Psychology", "3", "", "11.IT.3.1", "10.2466/11.IT.3.1",
    ),
    "cliff1993": _article(
        "Cliff, 1993", "Cliff, Norman", "1993", "Dominance Statistics: {Ordinal} Analyses to Answer Ordinal Questions",
        "Psychological Bulletin", "114", "3", "494--509", "10.1037/0033-2909.114.3.494",
    ),
    "krippendorff2004": Work(
        "Krippendorff, 2004", "book",
        (("author", "Krippendorff, Klaus"), ("year", "2004"),
         ("title", "Content Analysis: {An} Introduction to Its Methodology"), ("edition", "2nd"),
         ("publisher", "Sage"), ("address", "Thousand Oaks, CA")),
    ),
    "gwet2008": _article(
        "Gwet, 2008", "Gwet, Kilem Li", "2008",
        "Computing Inter-Rater Reliability and Its Variance in the Presence of High Agreement",
        "British Journal of Mathematical and Statistical Psychology", "61", "1", "29--48", "10.1348/000711006X126600",
    ),
    "mcgraw1996": _article(
        "McGraw & Wong, 1996", "McGraw, Kenneth O. and Wong, S. P.", "1996",
        "Forming Inferences About Some Intraclass Correlation Coefficients",
        "Psychological Methods", "1", "1", "30--46", "10.1037/1082-989X.1.1.30",
    ),
    "belz2025": Work(
        "Belz & Thomson, 2025", "inproceedings",
        (("author", "Belz, Anya and Thomson, Craig"), ("year", "2025"),
         ("title", "{HEDS} 3.0: {The} Human Evaluation Data Sheet Version 3.0"),
         ("booktitle", "Proceedings of the Workshop on Generation, Evaluation and Metrics (GEM)")),
    ),
}  # fmt: skip


def bibliography(keys: list[str]) -> str:
    """Return the entries of these works as a BibTeX file."""
    return "\n".join(WORKS[key].bibtex(key) for key in sorted(keys))
