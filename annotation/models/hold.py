"""What was found in personas, what is held back because of it, and what a guard model is still to be asked."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_noop

from annotation.models.persona import Persona


class PersonaFinding(models.Model):
    """One thing found in a submitted persona. Kept also where the study only advises: nothing is screened silently."""

    class Kind(models.TextChoices):
        INSTRUCTIONS = "instructions", gettext_noop("Instructions to the model")
        IDENTIFYING = "identifying", gettext_noop("Tells who somebody is")
        HARMFUL = "harmful", gettext_noop("Harmful")
        UNSAFE = "unsafe", gettext_noop("Unsafe, by the guard model")
        NO_VERDICT = "no_verdict", gettext_noop("The guard model gave no verdict")

    class Source(models.TextChoices):
        RULE = "rule", gettext_noop("A rule")
        GUARD = "guard", gettext_noop("The guard model")

    class Action(models.TextChoices):
        ADVISED = "advised", gettext_noop("Noted, and gone on with")
        HELD = "held", gettext_noop("Held for the researchers")

    persona = models.ForeignKey(Persona, on_delete=models.CASCADE, related_name="findings")
    kind = models.CharField(max_length=12, choices=Kind)
    detail = models.CharField(max_length=200, blank=True, help_text="What was found, in the persona's words.")
    source = models.CharField(max_length=5, choices=Source)
    action = models.CharField(max_length=7, choices=Action)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["persona", "source", "kind", "detail"], name="persona_finding_once"),
        ]
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.kind} in persona {self.persona_id}"


class PersonaHold(models.Model):
    """A persona from which nothing is made, or whose outputs are not shown, until somebody decides.

    While it is neither released nor refused it is open; one that was refused is never gone on with.
    """

    class Stage(models.TextChoices):
        # In the order in which they are told, the last first: see annotation/holding.py.
        GUARD = "guard", gettext_noop("The guard model has not answered yet")
        OUTPUTS = "outputs", gettext_noop("The outputs")
        PERSONA = "persona", gettext_noop("The persona")

    persona = models.ForeignKey(Persona, on_delete=models.CASCADE, related_name="holds")
    stage = models.CharField(max_length=8, choices=Stage)
    reason = models.CharField(max_length=200, blank=True, help_text="The kinds of what was found.")
    at = models.DateTimeField()
    released_at = models.DateTimeField(null=True, blank=True)
    released_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    refused_at = models.DateTimeField(null=True, blank=True)
    refused_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    refused_reason = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["persona", "stage"], name="persona_hold_stage"),
            models.CheckConstraint(
                condition=Q(released_at__isnull=True) | Q(refused_at__isnull=True), name="persona_hold_decided_once"
            ),
            models.CheckConstraint(
                condition=Q(refused_at__isnull=True) | ~Q(refused_reason=""), name="persona_hold_refusal_has_reason"
            ),
        ]
        indexes = [
            models.Index(fields=["persona"], condition=Q(released_at__isnull=True), name="persona_hold_standing"),
        ]
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"hold of persona {self.persona_id} ({self.stage})"


class GuardCheck(models.Model):
    """A persona that a guard model is asked about. Rows without an end are the queue, claimed with a lease."""

    persona = models.OneToOneField(Persona, on_delete=models.CASCADE, related_name="guard_check")
    attempts = models.PositiveSmallIntegerField(default=0)
    error = models.CharField(max_length=500, blank=True, help_text="For researchers; may name the guard.")
    lease_holder = models.CharField(max_length=40, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    not_before = models.DateTimeField(null=True, blank=True)
    requested_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["requested_at"], condition=Q(ended_at__isnull=True), name="guard_check_queue"),
        ]
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"guard check of persona {self.persona_id}"
