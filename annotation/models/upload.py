"""Files that researchers have brought and not yet imported; in the database, so that a backup is whole."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_noop

from annotation.models.study import Study


class Upload(models.Model):
    """A file for a draft, with how it is to be read. It goes once it was imported, after a day, and with the draft."""

    class Kind(models.TextChoices):
        ITEMS = "items", gettext_noop("Items: prompts, with personas where they are given")
        PERSONAS = "personas", gettext_noop("Personas for items that are there")
        OUTPUTS = "outputs", gettext_noop("Outputs: responses that were made elsewhere")

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="uploads")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="uploads")
    kind = models.CharField(max_length=10, choices=Kind)
    name = models.CharField(max_length=120, help_text="Of the file, without its folders.")
    content = models.BinaryField()
    size = models.PositiveIntegerField()
    columns = models.JSONField(default=dict, blank=True, help_text="{field: column}, where somebody has chosen them.")
    options = models.JSONField(default=dict, blank=True, help_text="How rows are taken; see services/uploads.py.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.kind} of {self.study_id}: {self.name}"
