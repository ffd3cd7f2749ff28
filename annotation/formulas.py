r"""Formulas in responses: LaTeX between $…$, $$…$$, \(…\) or \[…\], as MathML, which browsers draw without a script."""

import html
import re
from collections.abc import Iterator
from types import MappingProxyType
from xml.etree.ElementTree import Element, tostring

from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from latex2mathml import exceptions
from latex2mathml.converter import convert_to_element
from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline

# What a formula may be made of once it is cleaned: nothing that links, loads or runs.
MATHML_TAGS = frozenset({
    "math", "mrow", "mi", "mo", "mn", "mtext", "mspace", "ms", "mfrac", "msqrt", "mroot", "mstyle", "mpadded",
    "mphantom", "menclose", "msub", "msup", "msubsup", "munder", "mover", "munderover", "mmultiscripts", "mprescripts",
    "none", "mtable", "mtr", "mtd", "mlabeledtr",
})  # fmt: skip
MATHML_ATTRIBUTES = MappingProxyType(
    {
        "math": {"display"}, "mo": {"stretchy", "fence", "form", "separator", "minsize", "maxsize", "lspace", "rspace"},
        "mi": {"mathvariant"}, "mspace": {"width"}, "mfrac": {"linethickness"}, "mtd": {"columnalign"},
        "mtable": {"columnalign"}, "mstyle": {"displaystyle", "scriptlevel"}, "mover": {"accent"},
        "munder": {"accentunder"}, "munderover": set(), "menclose": {"notation"},
    }
)  # fmt: skip
LONGEST = 2000  # characters: longer ones are no formulas, and reading them takes long
# A command that the library knows nothing of ends up as a name with its backslash.
_UNKNOWN = re.compile(r"\\[A-Za-z]")
# Half a formula, which it reports in these ways, and one nested deeper than Python goes.
_UNREADABLE: tuple[type[BaseException], ...] = (
    *(error for error in vars(exceptions).values() if isinstance(error, type) and issubclass(error, Exception)),
    IndexError, KeyError, ValueError, TypeError, AttributeError, StopIteration, RecursionError,
)  # fmt: skip


def formula(latex: str, before: str, after: str, *, is_block: bool) -> SafeString:
    """Return a formula as MathML, or as it was typed, with what stood around it, where it cannot be read."""
    made = _mathml(latex.strip(), "block" if is_block else "inline")
    return mark_safe(made) if made else format_html("<code>{}{}{}</code>", before, latex, after)  # nosec B308 B703


def _mathml(latex: str, display: str) -> str:
    if not latex or len(latex) > LONGEST:
        return ""
    try:
        element = convert_to_element(latex, display=display)
        return "" if any(map(_UNKNOWN.search, _texts(element))) else tostring(element, "unicode")
    except _UNREADABLE:
        return ""


def _texts(element: Element) -> Iterator[str]:
    """Yield the texts of a formula, after putting the characters in place of the entities that the library writes."""
    for part in element.iter():
        part.text = html.unescape(part.text or "")
        yield part.text


def bracket_formulas(parser: MarkdownIt) -> None:
    r"""Let a parser find formulas between \(…\) and \[…\]; those between dollars are a plugin's."""
    parser.inline.ruler.before("escape", "math_brackets", _inline)
    parser.block.ruler.before("fence", "math_brackets", _block, {"alt": ["paragraph", "blockquote", "list"]})


def _inline(state: StateInline, silent: bool) -> bool:
    opened = state.src[state.pos : state.pos + 2]
    closing = {r"\(": r"\)", r"\[": r"\]"}.get(opened)
    end = state.src.find(closing, state.pos + 2, state.pos + LONGEST) if closing else -1
    if end < 0 or not state.src[state.pos + 2 : end].strip():
        return False
    if not silent:
        token = state.push("math_brackets" if closing == r"\)" else "math_brackets_block", "math", 0)
        token.content = state.src[state.pos + 2 : end]
    state.pos = end + 2
    return True


def _block(state: StateBlock, first: int, last: int, silent: bool) -> bool:
    r"""Lines from one that begins with \[ to one that ends with \], so that none of them is taken for a list."""
    if not _line(state, first).startswith(r"\["):
        return False
    for line in range(first, min(last, first + 50)):
        if not _line(state, line):
            return False
        if _line(state, line).endswith(r"\]"):
            break
    else:
        return False
    content = "\n".join(_line(state, number) for number in range(first, line + 1))[2:-2]
    if not content.strip() or r"\]" in content:
        return False
    if not silent:
        token = state.push("math_brackets_block", "math", 0)
        token.content, token.block = content, True
        state.line = line + 1
    return True


def _line(state: StateBlock, number: int) -> str:
    return state.src[state.bMarks[number] + state.tShift[number] : state.eMarks[number]].strip()
