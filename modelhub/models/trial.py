"""One prompt, sent to a system to see that it answers, before anybody rates what it says."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from annotation.models import Study
from modelhub.models.system import System


class Trial(models.Model):
    """A prompt that somebody tries on a bound system. Rows without an end are a queue of a worker's, with a lease.

    No part of the study: it is in no export, and goes with the next prompt that is tried.
    """

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="trials")
    system = models.ForeignKey(System, on_delete=models.CASCADE, related_name="trials")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="trials")
    prompt = models.TextField()
    persona = models.TextField(blank=True)
    text = models.TextField(blank=True)
    error = models.CharField(max_length=500, blank=True)
    seconds = models.FloatField(null=True, blank=True, help_text="From sending the request to the whole answer.")
    lease_holder = models.CharField(max_length=40, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    requested_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["requested_at"], condition=Q(ended_at__isnull=True), name="trial_queue"),
        ]
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"trial of {self.system_id}"
