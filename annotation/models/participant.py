"""Participants and the links that create them."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_noop

from annotation.keys import completion_code, link_token
from annotation.models.study import Study


class OpenLink(models.Model):
    """A link that anybody may follow while it has places; see services/entrance.py for what takes one."""

    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="open_links")
    token = models.CharField(max_length=40, unique=True, default=link_token)
    cap = models.PositiveIntegerField()
    is_active = models.BooleanField(default=True)
    hold_minutes = models.PositiveSmallIntegerField(default=15, help_text="For how long a place is held.")
    per_hour = models.PositiveIntegerField(default=300, help_text="Arrivals in an hour.")
    per_network = models.PositiveIntegerField(default=30, help_text="Arrivals in an hour from one network address.")
    shared_browsers = models.BooleanField(default=False, help_text="Several people may start in one browser.")
    question = models.CharField(max_length=300, blank=True, help_text="Asked of whoever starts, as proof of a person.")
    answers = models.JSONField(default=list, blank=True, help_text="The answers to the question that are taken.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"open link {self.pk} of {self.study_id}"


class Arrival(models.Model):
    """Somebody was let in by a link. Kept for an hour, to count; says nothing of who it was.

    `network` is a keyed digest of the network address, blank where that is not known.
    """

    open_link = models.ForeignKey(OpenLink, on_delete=models.CASCADE, related_name="arrivals")
    network = models.CharField(max_length=32, blank=True)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["open_link", "at"], name="arrival_link_at")]

    def __str__(self) -> str:
        return f"arrival by open link {self.open_link_id}"


class Participant(models.Model):
    """One person in one study.

    `token` is the secret in the person's own address and appears nowhere else. `code` (P-017) is what pages,
    exports and logs use.
    """

    class Kind(models.TextChoices):
        PERSON = "person", gettext_noop("Person")
        PREVIEW = "preview", gettext_noop("Preview")
        BOT = "bot", gettext_noop("Bot")

    class Origin(models.TextChoices):
        PERSONAL = "personal", gettext_noop("Personal link")
        INVITED = "invited", gettext_noop("Link from a list")
        OPEN_LINK = "open_link", gettext_noop("Open link")
        PROLIFIC = "prolific", gettext_noop("Prolific")

    class PlatformState(models.TextChoices):
        """Where a participant of a recruiting platform stands; see annotation/recruitment.py."""

        NONE = "", gettext_noop("Not from a platform")
        ACTIVE = "active", gettext_noop("Active")
        COMPLETED = "completed", gettext_noop("Completed")
        SCREENED_OUT = "screened_out", gettext_noop("Screened out")
        NO_CONSENT = "no_consent", gettext_noop("No consent")
        OVER_QUOTA = "over_quota", gettext_noop("Over quota")
        RETURNED = "returned", gettext_noop("Returned")
        TIMED_OUT = "timed_out", gettext_noop("Timed out")

    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="participants")
    origin = models.CharField(max_length=10, choices=Origin, default=Origin.PERSONAL)
    external_id = models.CharField(max_length=100, blank=True, help_text="From the platform or the invitation list.")
    external_key = models.CharField(max_length=300, blank=True, help_text="What `external_id` is compared by.")
    session_id = models.CharField(max_length=100, blank=True, help_text="The platform's session, the latest one.")
    platform_state = models.CharField(max_length=14, choices=PlatformState, default=PlatformState.NONE, blank=True)
    open_link = models.ForeignKey(OpenLink, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    number = models.PositiveIntegerField()
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.PERSON)
    token = models.CharField(max_length=40, unique=True, default=link_token)
    completion_code = models.CharField(max_length=12, default=completion_code)
    language = models.CharField(max_length=12, blank=True, help_text="Chosen; with the consent it is fixed.")
    practice_done = models.PositiveSmallIntegerField(default=0, help_text="Practice items finished.")
    quiz_attempts = models.PositiveSmallIntegerField(default=0)
    consent_hash = models.CharField(max_length=64, blank=True, help_text="SHA-256 of the consent text agreed to.")
    tombstone = models.JSONField(default=dict, blank=True, help_text="Counts kept after an erasure; empty before.")

    created_at = models.DateTimeField(auto_now_add=True)
    consented_at = models.DateTimeField(null=True, blank=True)
    declined_at = models.DateTimeField(null=True, blank=True)
    instructed_at = models.DateTimeField(null=True, blank=True)
    surveyed_before_at = models.DateTimeField(null=True, blank=True, help_text="Questionnaire before the work.")
    quiz_passed_at = models.DateTimeField(null=True, blank=True)
    screened_out_at = models.DateTimeField(null=True, blank=True, help_text="Quiz failed once too often.")
    surveyed_after_at = models.DateTimeField(null=True, blank=True, help_text="Questionnaire after the work.")
    completed_at = models.DateTimeField(null=True, blank=True)
    excluded_at = models.DateTimeField(null=True, blank=True)
    excluded_reason = models.CharField(max_length=200, blank=True)
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    receipt = models.CharField(max_length=12, blank=True, help_text="Named on the page after a withdrawal.")
    erased_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["study", "number"], name="participant_study_number"),
            models.CheckConstraint(
                condition=Q(consented_at__isnull=True) | ~Q(consent_hash=""), name="participant_consent_has_version"
            ),
            models.UniqueConstraint(
                fields=["study", "external_key"], condition=~Q(external_key=""), name="participant_study_external_key"
            ),
            models.CheckConstraint(
                condition=Q(external_id="", external_key="") | (~Q(external_id="") & ~Q(external_key="")),
                name="participant_external_id_has_key",
            ),
            models.CheckConstraint(
                condition=Q(excluded_at__isnull=True) | ~Q(excluded_reason=""), name="participant_exclusion_has_reason"
            ),
        ]
        ordering = ["number"]

    def __str__(self) -> str:
        return self.code

    @property
    def code(self) -> str:
        """The public code, unique within the study: P-017; bots and previews are B-… and V-…."""
        return participant_code(self.kind, self.number)


def participant_code(kind: str, number: int) -> str:
    """Return the public code of a participant of this kind with this number."""
    prefix = {Participant.Kind.PERSON: "P", Participant.Kind.PREVIEW: "V", Participant.Kind.BOT: "B"}
    return f"{prefix[Participant.Kind(kind)]}-{number:03d}"
