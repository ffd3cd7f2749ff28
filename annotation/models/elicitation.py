"""What helped somebody write a persona: answers to questions, and a persona proposed from what they did before."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_noop

from annotation.models.persona import Persona


class ElicitationAnswer(models.Model):
    """An answer to one of the study's questions about the person; blank where it has been taken back."""

    persona = models.ForeignKey(Persona, on_delete=models.PROTECT, related_name="elicitation_answers")
    key = models.CharField(max_length=40, help_text="The question's key in the study file.")
    text = models.TextField(blank=True)
    tab = models.UUIDField(null=True, blank=True, help_text="The page load that saved it: see Persona.draft_tab.")
    saved_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["persona", "key"], name="elicitation_answer_unique"),
        ]

    def __str__(self) -> str:
        return f"elicitation answer {self.pk}"


class PersonaProposal(models.Model):
    """A persona proposed for a part from the participant's own earlier parts, and what they decided about it."""

    class Decision(models.TextChoices):
        ACCEPTED = "accepted", gettext_noop("Used as it was")
        EDITED = "edited", gettext_noop("Put into the box, to be edited")
        REFUSED = "refused", gettext_noop("Refused")

    persona = models.OneToOneField(Persona, on_delete=models.PROTECT, related_name="proposal")
    text = models.TextField(blank=True)
    attributes = models.JSONField(default=list, blank=True, help_text="What the preferred responses had in common.")
    decision = models.CharField(max_length=8, choices=Decision, blank=True)
    made_at = models.DateTimeField(auto_now_add=True)
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(decision="", decided_at__isnull=True) | ~Q(decision="") & Q(decided_at__isnull=False),
                name="persona_proposal_decided_has_time",
            ),
        ]

    def __str__(self) -> str:
        return f"proposal {self.pk}"
