"""What was found in outputs as they were made, and which system a study asks about personas."""

from django.db import models

from annotation.models import Output, Study
from modelhub.models.system import System


class OutputFinding(models.Model):
    """One thing found in an output that was made live; the scan of a study looks at all outputs afresh."""

    output = models.ForeignKey(Output, on_delete=models.CASCADE, related_name="findings")
    kind = models.CharField(max_length=12, help_text="As of a flag: reveal, loop, truncated, empty.")
    detail = models.CharField(max_length=200, blank=True)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["output", "kind", "detail"], name="output_finding_once"),
        ]
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.kind} in output {self.output_id}"


class GuardBinding(models.Model):
    """Which system is asked about the personas that a study's participants submit."""

    study = models.OneToOneField(Study, on_delete=models.CASCADE, related_name="guard_binding")
    system = models.ForeignKey(System, on_delete=models.PROTECT, related_name="guard_bindings")
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"guard of study {self.study_id}"
