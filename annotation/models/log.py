"""What participants did and what researchers did. Ids only, never persona text or link tokens."""

from django.conf import settings
from django.db import models

from annotation.models.participant import Participant
from annotation.models.rating import Assignment
from annotation.models.study import Study


class Event(models.Model):
    """A step of a participant through the study."""

    class Kind(models.TextChoices):
        CONSENTED = "consented"
        DECLINED = "declined"
        INSTRUCTED = "instructed"
        PRACTISED = "practised"
        ASSIGNED = "assigned"
        PERSONA_SUBMITTED = "persona_submitted"
        SHOWN = "shown"
        ASSIGNMENT_COMPLETED = "assignment_completed"
        ASSIGNMENT_SET_ASIDE = "assignment_set_aside"
        ASSIGNMENT_SKIPPED = "assignment_skipped"
        CHECK_MISSED = "check_missed"
        QUIZ_PASSED = "quiz_passed"
        QUIZ_FAILED = "quiz_failed"
        SCREENED_OUT = "screened_out"
        RETURNED = "returned"
        TIMED_OUT = "timed_out"
        REOPENED = "reopened"
        COMPLETED = "completed"
        WITHDRAWN = "withdrawn"

    participant = models.ForeignKey(Participant, on_delete=models.PROTECT, related_name="events")
    assignment = models.ForeignKey(Assignment, on_delete=models.PROTECT, null=True, blank=True, related_name="events")
    kind = models.CharField(max_length=24, choices=Kind)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.kind


class AuditLog(models.Model):
    """An action of a researcher or an admin."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    study = models.ForeignKey(Study, on_delete=models.PROTECT, null=True, blank=True, related_name="audit_log")
    action = models.CharField(max_length=40)
    data = models.JSONField(default=dict)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return self.action

    @property
    def told(self) -> dict[str, object]:
        """Return what blinded people are told of it: how many arms it was about, never which ones came first."""
        arms = self.data.get("arms")
        return {**self.data, "arms": len(arms)} if isinstance(arms, list) else self.data
