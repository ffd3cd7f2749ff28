"""The executions of stages."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_noop

from annotation.keys import public_key
from annotation.models import Study


class Run(models.Model):
    """One execution of a stage, with all that is needed to repeat it."""

    class State(models.TextChoices):
        RUNNING = "running", gettext_noop("Running")
        FINISHED = "finished", gettext_noop("Finished")
        STOPPED = "stopped", gettext_noop("Stopped")
        FAILED = "failed", gettext_noop("Failed")
        LOST = "lost", gettext_noop("Lost: its process ended without a word")

    key = models.CharField(max_length=16, unique=True, default=public_key)
    stage = models.CharField(max_length=40)
    scope = models.CharField(
        max_length=200, blank=True, help_text="What the run works on: of one scope, one run at a time."
    )
    subject = models.TextField(blank=True, help_text="What its rows are about: those of one subject are made alike.")
    conditions = models.JSONField(default=dict, help_text="All that shapes its rows, beside the system.")
    study = models.ForeignKey(Study, on_delete=models.PROTECT, null=True, blank=True, related_name="runs")
    state = models.CharField(max_length=10, choices=State, default=State.RUNNING)
    command = models.TextField(help_text="The command line, as typed.")
    arguments = models.JSONField(default=dict, help_text="Every option with its value, given or default.")
    inputs = models.JSONField(default=list, help_text="[{name, sha256}] of the files read.")
    provenance = models.JSONField(default=dict, help_text="Git commit and whether dirty, package versions, host OS.")
    seed = models.PositiveIntegerField(null=True, blank=True)
    total = models.PositiveIntegerField(null=True, blank=True, help_text="Rows there were to do at the start.")
    done = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    usage = models.JSONField(default=dict, help_text="Requests, tokens and cost, where the engine counts them.")
    message = models.TextField(blank=True)
    started_at = models.DateTimeField(auto_now_add=True)
    heartbeat_at = models.DateTimeField()
    lease_until = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["scope"], condition=Q(state="running") & ~Q(scope=""), name="run_one_running_per_scope"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.stage} {self.key}"
