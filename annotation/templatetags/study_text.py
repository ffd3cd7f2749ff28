"""What templates of participants' pages use: the texts of a study, and its scales."""

from datetime import datetime

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import get_language, gettext

from annotation.blinding import QuestionView
from annotation.languages import languages_of
from annotation.markdown import render_markdown, render_response
from annotation.markdown_places import pieces_html, plain_pieces
from annotation.models import Study

register = template.Library()


@register.filter
def markdown(text: str) -> SafeString:
    """Render a study's Markdown text as clean HTML."""
    return render_markdown(text)


@register.simple_tag
def study_lang(study: Study) -> SafeString:
    """Say the language and direction of words quoted from a study, where it is another one than the page's."""
    language = languages_of(study)[0]
    return SafeString("") if language == get_language() else format_html('lang="{}" dir="auto"', language)


@register.simple_tag
def response_text(text: str, study: Study, language: str = "", is_placed: bool = False) -> SafeString:
    """A response, in the format that the study has for all of them; `is_placed` where its passages can be marked."""
    return _text("response-text", text, study.formats.get("responses"), language, is_placed=is_placed)


@register.simple_tag
def turn_text(text: str, study: Study, language: str = "") -> SafeString:
    """A prompt or a turn of one, in the format that the study has for all of them."""
    return _text("turn-text", text, study.formats.get("prompts"), language)


def _text(kind: str, text: str, text_format: str | None, language: str, *, is_placed: bool = False) -> SafeString:
    is_markdown = text_format == "markdown"
    plain = pieces_html(plain_pieces(text)) if is_placed and not is_markdown else text
    return format_html(
        '<div class="{}" dir="auto" translate="no"{}>{}</div>',
        f"{kind} markdown" if is_markdown else kind,
        format_html(' lang="{}"', language) if language else "",
        render_response(text, is_placed=is_placed) if is_markdown else plain,
    )


@register.simple_tag
def saved_at(moment: datetime) -> SafeString:
    """Say when something was saved; a script puts the reader's own time in its place."""
    return _around_time(gettext("Saved at %(time)s"), moment)


@register.simple_tag
def draft_saved_at(moment: datetime) -> SafeString:
    """Say when a draft was saved; a script puts the reader's own time in its place."""
    return _around_time(gettext("Draft saved at %(time)s"), moment)


def _around_time(text: str, moment: datetime) -> SafeString:
    before, _, after = text.partition("%(time)s")
    time = format_html('<time datetime="{}" data-clock>{} UTC</time>', moment.isoformat(), moment.strftime("%H:%M"))
    return format_html("{}{}{}", before, time, after)


@register.simple_tag
def scale_options(question: QuestionView) -> SafeString:
    """The radio buttons of a scale. A page has dozens of them: node by node they took a third of its time."""
    return format_html_join(
        "\n",
        '<label class="option"><input type="radio" name="{}" value="{}" {}>'
        '<span class="option-value" aria-hidden="true">{}</span><span class="option-label">{}</span></label>',
        (
            (question.name, value, "checked" if value == question.value else "", value, label)
            for value, label in question.options
        ),
    )
