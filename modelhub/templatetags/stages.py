"""What templates have to know of stages."""

from django import template

from modelhub.stages import unit_of

register = template.Library()


@register.filter
def counted_in(stage: str) -> str:
    """Return what the runs of a stage count, in the plural."""
    return unit_of(stage)
