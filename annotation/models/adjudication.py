"""What researchers have decided of single parts."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_noop

from annotation.models.rating import Assignment


class Adjudication(models.Model):
    """A decision on one finished part. The latest of a part counts; those before it are kept. It removes nothing."""

    class Decision(models.TextChoices):
        KEEP = "keep", gettext_noop("Keep")
        SET_ASIDE = "set_aside", gettext_noop("Set aside")

    assignment = models.ForeignKey(Assignment, on_delete=models.CASCADE, related_name="adjudications")
    decision = models.CharField(max_length=9, choices=Decision)
    reason = models.CharField(max_length=200)
    flags = models.JSONField(default=list, help_text="What the part was flagged for at that time.")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    at = models.DateTimeField(auto_now_add=True)
    is_current = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["assignment"], condition=Q(is_current=True), name="adjudication_one_current"
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="adjudication_has_reason"),
        ]
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"adjudication {self.pk}"
