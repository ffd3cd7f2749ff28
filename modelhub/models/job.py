"""Long work that a page asks for and a worker does."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from annotation.keys import public_key
from annotation.models import Study
from modelhub.models.run import Run


class Job(models.Model):
    """One piece of work, with who asked for it, the run that does it now, and what it has found so far."""

    class Kind(models.TextChoices):
        REHEARSAL = "rehearsal"
        POWER = "power"
        REPORT = "report"
        BLINDED_REPORT = "blinded_report"
        REMINDERS = "reminders"

    class State(models.TextChoices):
        WAITING = "waiting"
        RUNNING = "running"
        FINISHED = "finished"
        STOPPED = "stopped"
        FAILED = "failed"

    UNFINISHED = (State.WAITING, State.RUNNING)

    key = models.CharField(max_length=16, unique=True, default=public_key)
    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="jobs")
    kind = models.CharField(max_length=20, choices=Kind)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    arguments = models.JSONField(default=dict)
    findings = models.JSONField(default=dict, help_text="What it has found so far: a job that is begun again goes on.")
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="jobs")
    asked_at = models.DateTimeField(auto_now_add=True)
    begun_at = models.DateTimeField(null=True, blank=True, help_text="When a worker took it last.")
    ended_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0, help_text="How often its process has been begun.")
    run = models.OneToOneField(Run, on_delete=models.SET_NULL, null=True, blank=True, related_name="job")
    message = models.TextField(blank=True, help_text="Why it failed or was stopped.")

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["study", "kind"], condition=Q(state__in=["waiting", "running"]), name="job_one_of_a_kind"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come of it."""
        return self.state not in self.UNFINISHED


class JobFile(models.Model):
    """What a job has made, to be downloaded; in the database, so that a backup of it is whole."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="files")
    name = models.CharField(max_length=80)
    content = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "name"], name="job_file_name")]

    def __str__(self) -> str:
        return self.name
