"""What templates of participants' pages use: the texts of a study, and its scales."""

from django import template
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from annotation.blinding import QuestionView
from annotation.markdown import render_markdown

register = template.Library()


@register.filter
def markdown(text: str) -> SafeString:
    """Render a study's Markdown text as clean HTML."""
    return render_markdown(text)


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
