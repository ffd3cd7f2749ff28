"""Whom the owner of a study has let in."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_noop

from annotation.models.study import Study


class StudyMember(models.Model):
    """A person attached to a study of somebody else's, and as what."""

    class Role(models.TextChoices):
        RESEARCHER = "researcher", gettext_noop("Researcher: runs the study, blinded")
        ANALYST = "analyst", gettext_noop("Analyst: reads the study and may unblind it")

    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="members")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["study", "user"], name="study_member_unique"),
        ]
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.user_id} is {self.role} of {self.study_id}"
