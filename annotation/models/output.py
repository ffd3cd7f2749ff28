"""Outputs: what an arm answered for a persona. Requested rows are the work queue."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_noop

from annotation.keys import public_key
from annotation.models.persona import Persona
from annotation.models.study import Arm


class Output(models.Model):
    """One response. A worker claims a requested one by a conditional update that sets the lease."""

    class Planted(models.TextChoices):
        NO = "", gettext_noop("No")
        GOOD = "good", gettext_noop("Good one of a planted pair")
        BAD = "bad", gettext_noop("Bad one of a planted pair")

    class State(models.TextChoices):
        REQUESTED = "requested", gettext_noop("Requested")
        READY = "ready", gettext_noop("Ready")
        FAILED = "failed", gettext_noop("Failed")

    class Urgency(models.IntegerChoices):
        """Who needs it: outputs of a lower number are made first."""

        WAITED_FOR = 0, "Somebody waits for it"
        AHEAD = 1, "Somebody will need it next"
        BULK = 2, "Nobody needs it yet"

    persona = models.ForeignKey(Persona, on_delete=models.PROTECT, related_name="outputs")
    arm = models.ForeignKey(Arm, on_delete=models.PROTECT, related_name="outputs")
    sample = models.PositiveSmallIntegerField(default=0)
    key = models.CharField(max_length=16, unique=True, default=public_key)
    state = models.CharField(max_length=10, choices=State, default=State.REQUESTED)
    text = models.TextField(blank=True)
    planted = models.CharField(max_length=4, choices=Planted, default=Planted.NO, blank=True)
    fingerprint = models.CharField(max_length=64, blank=True, help_text="Of the arm when this was made.")
    attempts = models.PositiveSmallIntegerField(default=0)
    error = models.CharField(max_length=500, blank=True, help_text="For researchers; never shown to participants.")
    lease_holder = models.CharField(max_length=40, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    # The queue: by urgency, then by turn, in which studies alternate, then by persona; see services/queue.py.
    urgency = models.PositiveSmallIntegerField(choices=Urgency, default=Urgency.BULK)
    turn = models.PositiveBigIntegerField(default=0)
    not_before = models.DateTimeField(null=True, blank=True, help_text="A failed attempt is not repeated before.")
    requested_at = models.DateTimeField(auto_now_add=True)
    claimed_at = models.DateTimeField(null=True, blank=True, help_text="When the last attempt began.")
    ready_at = models.DateTimeField(null=True, blank=True)
    excluded_reason = models.CharField(max_length=200, blank=True, help_text="Set on all arms of a persona at once.")
    excluded_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["persona", "arm", "sample"], name="output_persona_arm_sample"),
            models.CheckConstraint(
                condition=~Q(state="ready") | Q(ready_at__isnull=False), name="output_ready_has_time"
            ),
            models.CheckConstraint(condition=Q(urgency__lte=2), name="output_urgency_known"),
            models.CheckConstraint(
                condition=Q(excluded_at__isnull=True) | ~Q(excluded_reason=""), name="output_exclusion_has_reason"
            ),
        ]
        indexes = [
            models.Index(fields=["urgency", "turn", "persona"], condition=Q(state="requested"), name="output_queue"),
            # Few, and counted again and again, among many that would have to be read for it.
            models.Index(fields=["persona"], condition=Q(state="failed"), name="output_failed"),
        ]
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"output {self.key}"
