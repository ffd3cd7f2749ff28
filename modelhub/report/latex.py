r"""Text for LaTeX: every character prints, whatever it is, with pdfLaTeX as with LuaLaTeX and XeLaTeX.

Letters of European languages are left as they are, which LaTeX reads as UTF-8 and prints in T1 encoding. What pdfLaTeX
has no font for (Chinese, Arabic, emoji) becomes \foreign{text}{code points}: it prints the code points, and the text
itself where \foreign is defined so, as report.tex does for LuaLaTeX and XeLaTeX.
"""

import unicodedata
from itertools import groupby

from modelhub.stats.numbers import MINUS

FOREIGN = r"\providecommand{\foreign}[2]{[#2]}"
PREAMBLE = r"% \usepackage[T1]{fontenc}\usepackage{textcomp,booktabs,graphicx,longtable,array,lscape}"

_SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "`": r"\textasciigrave{}", "-": "{-}",
    MINUS: "$-$", "\N{EN DASH}": "--", "\N{EM DASH}": "---", "\N{NO-BREAK SPACE}": "~",
    "\N{HORIZONTAL ELLIPSIS}": r"\ldots{}", "\N{MIDDLE DOT}": r"\textperiodcentered{}", "\N{EM SPACE}": r"\quad{}",
    "\N{LEFT SINGLE QUOTATION MARK}": "`{}", "\N{RIGHT SINGLE QUOTATION MARK}": "'{}",
    "\N{LEFT DOUBLE QUOTATION MARK}": r"\textquotedblleft{}",
    "\N{RIGHT DOUBLE QUOTATION MARK}": r"\textquotedblright{}",
    "\N{DOUBLE LOW-9 QUOTATION MARK}": r"\quotedblbase{}", "\N{SINGLE LOW-9 QUOTATION MARK}": r"\quotesinglbase{}",
    "\N{LEFTWARDS ARROW}": r"$\leftarrow$", "\N{RIGHTWARDS ARROW}": r"$\rightarrow$",
    "\N{PLUS-MINUS SIGN}": r"$\pm$", "\N{MULTIPLICATION SIGN}": r"$\times$", "\N{DEGREE SIGN}": r"\textdegree{}",
    "\N{LESS-THAN OR EQUAL TO}": r"$\leq$", "\N{GREATER-THAN OR EQUAL TO}": r"$\geq$",
    "\N{NOT EQUAL TO}": r"$\neq$", "\N{INFINITY}": r"$\infty$", "\N{BULLET}": r"\textbullet{}",
    "\N{EURO SIGN}": r"\texteuro{}", "\N{SUPERSCRIPT TWO}": "$^2$", "\N{SUPERSCRIPT THREE}": "$^3$",
    "\N{MICRO SIGN}": r"$\mu$",
}  # fmt: skip
_GREEK = "αβγδεζηθικλμνξοπρςστυφχψωΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩ"
_GREEK_NAMES = (
    r"\alpha \beta \gamma \delta \varepsilon \zeta \eta \theta \iota \kappa \lambda \mu \nu \xi o \pi \rho \varsigma "
    r"\sigma \tau \upsilon \varphi \chi \psi \omega A B \Gamma \Delta E Z H \Theta I K \Lambda M N \Xi O \Pi P \Sigma "
    r"T \Upsilon \Phi X \Psi \Omega"
)
_SPECIAL |= {letter: f"${name}$" for letter, name in zip(_GREEK, _GREEK_NAMES.split(" "), strict=True)}
# What T1 has beyond ASCII: Latin-1's letters, and those of Latin Extended-A with an accent that LaTeX can set.
_LETTERS = frozenset(
    "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖØÙÚÛÜÝÞßàáâãäåæçèéêëìíîïðñòóôõöøùúûüýþÿ"
    "ĂăĄąĆćČčĎďĐđĘęĚěĞğĹĺĽľŁłŃńŇňŐőŒœŔŕŘřŚśŞşŠšŢţŤťŮůŰűŸŹźŻżŽž¡¿§"
)


def escape_latex(text: str) -> str:
    """Return the text with everything written so that it prints. A line break becomes a space."""
    composed = unicodedata.normalize("NFC", text)
    parts = groupby(composed, key=lambda character: _written(character) is None)
    return "".join(
        _foreign("".join(characters)) if is_foreign else "".join(_written(one) or "" for one in characters)
        for is_foreign, characters in parts
    )


def _written(character: str) -> str | None:
    """Return how a character is written; None for one that pdfLaTeX has no font for."""
    if character in _SPECIAL:
        return _SPECIAL[character]
    if character.isspace():
        return " "
    if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn"):
        return ""  # nothing that prints
    return character if character.isascii() or character in _LETTERS else None


def _foreign(text: str) -> str:
    codes = " ".join(f"U+{ord(character):04X}" for character in text)
    return rf"\foreign{{{text}}}{{{codes}}}"
