"""Markdown of study texts as safe HTML: no raw HTML, no images, headings that fit below the page's own."""

from collections.abc import Sequence
from typing import Any

import nh3
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.token import Token

_TAGS = {"p", "br", "hr", "em", "strong", "code", "pre", "blockquote", "ul", "ol", "li", "a"}
_TAGS |= {"h2", "h3", "h4", "h5", "h6"}


def render_markdown(text: str) -> SafeString:
    """Return CommonMark as HTML that is safe to put on a page.

    HTML in the text is shown as it was typed. Headings start at h2, since the page has its h1, and never skip a level.
    An image becomes its description, so that no page asks another server for anything.
    """
    tokens = _MARKDOWN.parse(text)
    _demote_headings(tokens)
    html = _MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {})
    clean = nh3.clean(
        html,
        tags=_TAGS,
        attributes={"a": {"href", "title"}, "ol": {"start"}},
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
    )
    return mark_safe(clean)  # nh3 has just cleaned it  # nosec B308 B703


def _image_description(_renderer: Any, tokens: Sequence[Token], index: int, _options: Any, _env: Any) -> str:
    return escape(tokens[index].content)


def _demote_headings(tokens: Sequence[Token]) -> None:
    """Number headings by how deep they nest, from h2 on: `###` first and `#` after it are both h2."""
    open_levels: list[int] = []
    for token in tokens:
        if token.type == "heading_open":
            level = int(token.tag[1])
            while open_levels and open_levels[-1] >= level:
                open_levels.pop()
            open_levels.append(level)
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(len(open_levels) + 1, 6)}"


_MARKDOWN = MarkdownIt("commonmark", {"html": False})
_MARKDOWN.add_render_rule("image", _image_description)
