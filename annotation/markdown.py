"""Markdown as safe HTML: study texts, and responses and prompts where a study shows them so.

No raw HTML, nothing loaded from elsewhere, headings that fit below the page's own. Links of a study's own texts can be
followed. In a response they are their words and their address: whoever follows one leaves the study, and has then read
what the other people who rate this response have not.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import nh3
from django.utils.html import conditional_escape, escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language, gettext
from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.dollarmath import dollarmath_plugin

from annotation.formulas import MATHML_ATTRIBUTES, MATHML_TAGS, bracket_formulas, formula
from annotation.markdown_places import Piece, pieces_html, pieces_of, plain_pieces, tokens_place

_TAGS = {"p", "br", "hr", "em", "strong", "code", "pre", "blockquote", "ul", "ol", "li", "a"}
_TAGS |= {"h2", "h3", "h4", "h5", "h6"}
_RESPONSE_TAGS = _TAGS - {"a"} | {"s", "div", "span", "table", "thead", "tbody", "tr", "th", "td"} | MATHML_TAGS
_SCROLLS = {"class", "dir", "role", "aria-label", "tabindex"}
_RESPONSE_ATTRIBUTES: dict[str, set[str]] = {
    **{tag: {"dir"} for tag in ("p", "blockquote", "ul", "h3", "h4", "h5", "h6")},
    **{tag: {"class"} for tag in ("th", "td")},
    **MATHML_ATTRIBUTES,
    "ol": {"start", "dir"}, "span": {"class", "dir", "data-at"}, "pre": _SCROLLS, "div": _SCROLLS,
}  # fmt: skip
# Blocks of one response may be in scripts of both directions.
_DIRECTED = {f"{block}_open" for block in ("paragraph", "heading", "bullet_list", "ordered_list", "blockquote")}
# Tokens of formulas, and what stands around them.
_FORMULAS = (
    ("math_inline", "$", "$"), ("math_inline_double", "$$", "$$"), ("math_block", "$$", "$$"),
    ("math_brackets", r"\(", r"\)"), ("math_brackets_block", r"\[", r"\]"),
)  # fmt: skip
KEPT_RESPONSES = 512


def render_markdown(text: str) -> SafeString:
    """Return CommonMark as HTML that is safe to put on a page.

    HTML in the text is shown as it was typed. Headings start at h2, since the page has its h1, and never skip a level.
    An image becomes its description, so that no page asks another server for anything.
    """
    tokens = _MARKDOWN.parse(text)
    _demote_headings(tokens, below=1)
    html = _MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {})
    clean = nh3.clean(
        html,
        tags=_TAGS,
        attributes={"a": {"href", "title"}, "ol": {"start"}},
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
    )
    return mark_safe(clean)  # nh3 has just cleaned it  # nosec B308 B703


def render_response(text: str, *, is_placed: bool = False) -> SafeString:
    """Return a response or a prompt, CommonMark with tables and formulas, as HTML that is safe and self-contained.

    As `render_markdown`, but for links: see above. Headings start at h3, below that of the response. A formula that
    cannot be read stands as it was typed. Kept by text: a page is shown many times, and made again with each click.
    What `is_placed` says where it stands in the text, see `markdown_places`.
    """
    return _rendered(text, is_placed, get_language() or "")


def response_pieces(text: str, *, is_markdown: bool) -> list[Piece]:
    """Return what a page shows of a response, in pieces that say where they stand in its text."""
    if not is_markdown:
        return plain_pieces(text)
    tokens = _RESPONSE.parse(text)
    tokens_place(tokens, text)
    return list(pieces_of(tokens))


@lru_cache(maxsize=KEPT_RESPONSES)
def _rendered(text: str, is_placed: bool, _language: str) -> SafeString:
    """The language is that of the names which tables and code have for screen readers."""
    tokens = _RESPONSE.parse(text)
    if is_placed:
        tokens_place(tokens, text)
    _demote_headings(tokens, below=2)
    for token in tokens:
        if token.type in _DIRECTED:
            token.attrSet("dir", "auto")
    html = _RESPONSE.renderer.render(tokens, _RESPONSE.options, {})
    clean = nh3.clean(html, tags=_RESPONSE_TAGS, attributes=_RESPONSE_ATTRIBUTES, link_rel=None)
    return mark_safe(clean)  # nh3 has just cleaned it  # nosec B308 B703


def _demote_headings(tokens: Sequence[Token], *, below: int) -> None:
    """Number headings by how deep they nest, from the level below on: `###` first and `#` after it are the same."""
    open_levels: list[int] = []
    for token in tokens:
        if token.type == "heading_open":
            level = int(token.tag[1])
            while open_levels and open_levels[-1] >= level:
                open_levels.pop()
            open_levels.append(level)
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(len(open_levels) + below, 6)}"


def _image_description(_renderer: Any, tokens: Sequence[Token], index: int, _options: Any, _env: Any) -> str:
    return escape(tokens[index].content)


def _image_address(_renderer: Any, tokens: Sequence[Token], index: int, _options: Any, _env: Any) -> str:
    return escape(tokens[index].content) + _address(tokens[index].attrGet("src"))


def _nothing(*_: Any) -> str:
    return ""


def _link_address(_renderer: Any, tokens: Sequence[Token], index: int, _options: Any, _env: Any) -> str:
    opened = next(token for token in reversed(tokens[:index]) if token.type == "link_open")
    return "" if opened.info == "auto" else _address(opened.attrGet("href"))


def _address(url: object) -> str:
    return format_html(' <span class="address" dir="ltr">({})</span>', url) if url else ""


def _code(_renderer: Any, tokens: Sequence[Token], index: int, _options: Any, _env: Any) -> str:
    label, code = gettext("Source code"), _shown(tokens[index])
    return format_html('<pre dir="ltr" role="group" aria-label="{}" tabindex="0"><code>{}</code></pre>\n', label, code)


def _code_inline(_renderer: Any, tokens: Sequence[Token], index: int, _options: Any, _env: Any) -> str:
    return format_html("<code>{}</code>", _shown(tokens[index]))


def _words(_renderer: Any, tokens: Sequence[Token], index: int, _options: Any, _env: Any) -> str:
    return conditional_escape(_shown(tokens[index]))


def _shown(token: Token) -> str:
    pieces = token.meta.get("pieces")
    return pieces_html(pieces) if pieces else token.content


def _table_open(*_: Any) -> str:
    label = gettext("Table")
    return format_html('<div class="table-scroll" role="group" aria-label="{}" tabindex="0"><table>\n', label)


def _table_close(*_: Any) -> str:
    return "</table></div>\n"


def _cell_open(_renderer: Any, tokens: Sequence[Token], index: int, _options: Any, _env: Any) -> str:
    is_number = "right" in str(tokens[index].attrGet("style") or "")
    return f'<{tokens[index].tag} class="number">' if is_number else f"<{tokens[index].tag}>"


def _response_parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    parser.use(dollarmath_plugin, allow_labels=False, allow_space=False, allow_digits=False, double_inline=True)
    parser.use(bracket_formulas)
    for kind, before, after in _FORMULAS:
        is_block = kind not in ("math_inline", "math_brackets")
        parser.add_render_rule(kind, _formula_rule(before, after, is_block=is_block))
    for kind in ("fence", "code_block"):
        parser.add_render_rule(kind, _code)
    parser.add_render_rule("text", _words)
    parser.add_render_rule("code_inline", _code_inline)
    for kind in ("th_open", "td_open"):
        parser.add_render_rule(kind, _cell_open)
    parser.add_render_rule("table_open", _table_open)
    parser.add_render_rule("table_close", _table_close)
    parser.add_render_rule("image", _image_address)
    parser.add_render_rule("link_open", _nothing)
    parser.add_render_rule("link_close", _link_address)
    return parser


def _formula_rule(before: str, after: str, *, is_block: bool) -> Any:
    def rule(_renderer: Any, tokens: Sequence[Token], index: int, _options: Any, _env: Any) -> str:
        return formula(tokens[index].content, before, after, is_block=is_block)

    return rule


_MARKDOWN = MarkdownIt("commonmark", {"html": False})
_MARKDOWN.add_render_rule("image", _image_description)
_RESPONSE = _response_parser()
