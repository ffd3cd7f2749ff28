"""What makes outputs: the workers that live, and what keeps them from answering for an arm."""

from django.db import models
from django.utils.translation import gettext_noop

from annotation.models.study import Arm, Study


class OutputWorker(models.Model):
    """One process that makes outputs, of one study or of all. It says again and again that it lives."""

    key = models.CharField(max_length=40, unique=True, help_text="The lease holder of its outputs.")
    study = models.ForeignKey(Study, on_delete=models.CASCADE, null=True, blank=True, related_name="workers")
    host = models.CharField(max_length=100, blank=True)
    started_at = models.DateTimeField(auto_now_add=True)
    heard_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"worker {self.key}"


class ArmTrouble(models.Model):
    """Why a worker cannot answer for an arm at the moment; gone as soon as it can."""

    class Kind(models.TextChoices):
        """What blinded people are told of it."""

        LOADING = "unloadable", gettext_noop("the model cannot be loaded")
        DOWN = "down", gettext_noop("the model cannot be reached, or refuses every request")
        FAILING = "failing", gettext_noop("one request after the other fails")
        OTHER_MODEL = "other_model", gettext_noop("its server serves another model than before")
        STALLED = "stalled", gettext_noop("it takes much longer than usual, and has answered nothing for a while")

    worker = models.ForeignKey(OutputWorker, on_delete=models.CASCADE, related_name="troubles")
    arm = models.ForeignKey(Arm, on_delete=models.CASCADE, related_name="troubles")
    kind = models.CharField(max_length=12, choices=Kind)
    reason = models.CharField(max_length=500, help_text="For those who may know systems; never shown to participants.")
    since = models.DateTimeField()
    retry_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["worker", "arm"], name="arm_trouble_worker_arm")]
        ordering = ["since"]

    def __str__(self) -> str:
        return f"trouble of arm {self.arm_id}"
