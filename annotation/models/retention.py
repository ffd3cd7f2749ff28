"""What the time limits of a study have erased."""

from django.db import models

from annotation.models.study import Study


class RetentionStep(models.Model):
    """One kind of data of one study whose time was up, and what was erased then. Written with the erasure itself."""

    class Kind(models.TextChoices):
        """In the order in which they are carried out."""

        IDS = "ids", "The key that says which participant is whom"
        FREE_TEXT = "free_text", "What participants wrote"
        EVERYTHING = "everything", "Everything that participants gave"

    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="retention_steps")
    kind = models.CharField(max_length=10, choices=Kind)
    done_at = models.DateTimeField(auto_now_add=True)
    counts = models.JSONField(default=dict)
    files_cleaned = models.BooleanField(default=False, help_text="The database's files hold no deleted text any more.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["study", "kind"], name="retention_step_once")]
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.kind} of study {self.study_id}"
