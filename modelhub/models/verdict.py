"""What the verdicts of judges have in common, whatever was judged."""

from django.db import models
from django.db.models import Q

from modelhub.models.generation import Generation


class JudgeVerdict(models.Model):
    """What a judge said when shown two things as A and B. An answer that cannot be read is unscored, never a loss."""

    rubric = models.CharField(max_length=40, help_text="Name and version of the question put to the judge.")
    reason = models.CharField(max_length=200, blank=True, help_text="Why it is unscored.")
    generation = models.OneToOneField(Generation, on_delete=models.PROTECT, related_name="%(class)s")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(
                condition=Q(verdict="", reason__gt="") | Q(verdict__gt="", reason=""),
                name="%(class)s_unscored_has_reason",
            ),
        ]
