"""What systems were asked, and how they answered."""

from django.db import models
from django.db.models import Q

from annotation.models import Output
from modelhub.models.run import Run
from modelhub.models.system import System


class SharedPrompt(models.Model):
    """A part of prompts that many generations have in common, such as their exemplars. Never a participant's words."""

    sha256 = models.CharField(max_length=64, unique=True)
    text = models.TextField()

    def __str__(self) -> str:
        return f"shared prompt {self.sha256[:12]}"


class Generation(models.Model):
    """What a system was asked and how it answered. The text of a study's output stands in `output` alone."""

    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="generations")
    system = models.ForeignKey(System, on_delete=models.PROTECT, null=True, blank=True, related_name="generations")
    output = models.OneToOneField(Output, on_delete=models.PROTECT, null=True, blank=True, related_name="generation")
    text = models.TextField(blank=True, help_text="The raw answer, unless it is a study's output.")
    rendered_prompt = models.TextField(
        blank=True, help_text="What the model was given, without the shared part; `given_prompt` is the whole of it."
    )
    shared_prompt = models.ForeignKey(
        SharedPrompt, on_delete=models.PROTECT, null=True, blank=True, related_name="generations"
    )
    shared_at = models.PositiveIntegerField(default=0, help_text="Where in the rendered prompt the shared part goes.")
    steps = models.JSONField(
        default=list, blank=True, help_text="What a procedure made before the answer: [{step, …}]; [] without one."
    )
    finish_reason = models.CharField(
        max_length=20, help_text="`stop`, `length` (cut off), `content_filter`, `refusal`, `tool_calls` or `unknown`."
    )
    # Of all requests that the answer took.
    prompt_tokens = models.PositiveIntegerField(null=True, blank=True)
    completion_tokens = models.PositiveIntegerField(null=True, blank=True)
    served = models.JSONField(default=dict, blank=True, help_text="What the server said of itself with this answer.")
    seconds = models.FloatField(null=True, blank=True, help_text="Wall time in seconds.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(seconds__isnull=True) | Q(seconds__gte=0), name="generation_seconds_not_negative"
            ),
        ]
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"generation {self.pk}"

    @property
    def given_prompt(self) -> str:
        """Exactly what the model was given, "" where that is not known."""
        if self.shared_prompt is None:
            return self.rendered_prompt
        before, after = self.rendered_prompt[: self.shared_at], self.rendered_prompt[self.shared_at :]
        return f"{before}{self.shared_prompt.text}{after}"
