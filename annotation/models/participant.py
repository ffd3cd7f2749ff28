"""Participants and the links that create them."""

from django.db import models
from django.db.models import Q

from annotation.keys import completion_code, link_token
from annotation.models.study import Study


class OpenLink(models.Model):
    """A link that anybody may follow until `cap` people have joined."""

    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="open_links")
    token = models.CharField(max_length=40, unique=True, default=link_token)
    cap = models.PositiveIntegerField()
    joined = models.PositiveIntegerField(default=0)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(joined__lte=models.F("cap")), name="open_link_within_cap"),
        ]
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"open link {self.pk} of {self.study_id}"


class Participant(models.Model):
    """One person in one study.

    `token` is the secret in the person's own address and appears nowhere else. `code` (P-017) is what pages,
    exports and logs use.
    """

    class Kind(models.TextChoices):
        PERSON = "person", "Person"
        PREVIEW = "preview", "Preview"
        BOT = "bot", "Bot"

    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="participants")
    open_link = models.ForeignKey(OpenLink, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    number = models.PositiveIntegerField()
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.PERSON)
    token = models.CharField(max_length=40, unique=True, default=link_token)
    completion_code = models.CharField(max_length=12, default=completion_code)
    practice_done = models.PositiveSmallIntegerField(default=0, help_text="Practice items finished.")
    consent_hash = models.CharField(max_length=64, blank=True, help_text="SHA-256 of the consent text agreed to.")
    tombstone = models.JSONField(default=dict, blank=True, help_text="Counts kept after an erasure; empty before.")

    created_at = models.DateTimeField(auto_now_add=True)
    consented_at = models.DateTimeField(null=True, blank=True)
    declined_at = models.DateTimeField(null=True, blank=True)
    instructed_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)
    erased_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["study", "number"], name="participant_study_number"),
            models.CheckConstraint(
                condition=Q(consented_at__isnull=True) | ~Q(consent_hash=""), name="participant_consent_has_version"
            ),
        ]
        ordering = ["number"]

    def __str__(self) -> str:
        return self.code

    @property
    def code(self) -> str:
        """The public code, unique within the study: P-017; bots and previews are B-… and V-…."""
        prefix = {self.Kind.PERSON: "P", self.Kind.PREVIEW: "V", self.Kind.BOT: "B"}[self.Kind(self.kind)]
        return f"{prefix}-{self.number:03d}"
