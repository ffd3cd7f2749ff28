"""What was changed of a study after it had opened, and why."""

from django.conf import settings
from django.db import models

from annotation.models.study import Study


class Amendment(models.Model):
    """One change of an opened study. It is part of the protocol, whose hashes before and after it holds."""

    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="amendments")
    number = models.PositiveSmallIntegerField()
    at = models.DateTimeField()
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    reason = models.CharField(max_length=500)
    changes = models.JSONField(help_text="[{what, language, before, after}], or {what: items, added: [key]}.")
    hash_before = models.CharField(max_length=64)
    hash_after = models.CharField(max_length=64)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["study", "number"], name="amendment_study_number")]
        ordering = ["number"]

    def __str__(self) -> str:
        return f"amendment {self.number} of {self.study_id}"
