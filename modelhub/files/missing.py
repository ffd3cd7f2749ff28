"""What stands for a missing value in the tables that people bring: never a category, a name or a verdict. Pure."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

from annotation.fields import is_blank

# R's NA, pandas' and NumPy's forms, spreadsheets' #N/A, SQL's NULL and \N, SAS's and SPSS's dot, and what people type.
_MARKERS = {
    "na", "n/a", "n.a.", "#na", "#n/a", "#n/a n/a", "<na>", "nan", "-nan", "1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan",
    "nat", "none", "null", "<null>", "\\n", ".", "..", "...", "-", "--", "---",
}  # fmt: skip
_DASHES = re.compile("[‐‑‒–—―−]")
# What a spreadsheet shows where a formula failed; that is no value and no missing one either.
_FAILED = re.compile(r"#[A-Z0-9/_]+[!?]", re.IGNORECASE)


class Markers:
    """Tells which cells are missing values, but for texts that are kept as values, and counts them."""

    def __init__(self, keep: Iterable[str] = ()) -> None:
        self._keep = frozenset(text.strip() for text in keep)
        self.found: Counter[str] = Counter()

    def keeping(self, more: Iterable[str]) -> None:
        """Take further texts for what they say: those of a scale that is declared."""
        self._keep |= frozenset(more)

    def mean(self, text: str) -> bool:
        """Return whether a cell stands for a missing value, in any case and width."""
        if text in self._keep:
            return False
        return is_blank(text) or _DASHES.sub("-", unicodedata.normalize("NFKC", text)).strip().casefold() in _MARKERS

    def count(self, text: str) -> bool:
        """Return the same, and count it."""
        if is_missing := self.mean(text):
            self.found[text if not is_blank(text) else "empty"] += 1
        return is_missing

    def told(self) -> str:
        """Return how many values were missing and what stood there; "" if there were none."""
        if not self.found:
            return ""
        count = self.found.total()
        said = ", ".join(f"{marker} ({times})" for marker, times in self.found.most_common())
        return f"{count} {'value is' if count == 1 else 'values are'} missing: {said}."


def is_failed(text: str) -> bool:
    """Return whether a cell holds a spreadsheet's error, such as #REF!."""
    return _FAILED.fullmatch(text) is not None
