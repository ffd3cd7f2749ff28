"""Template filters for the texts of a study."""

from django import template
from django.utils.safestring import SafeString

from annotation.markdown import render_markdown

register = template.Library()


@register.filter
def markdown(text: str) -> SafeString:
    """Render a study's Markdown text as clean HTML."""
    return render_markdown(text)
