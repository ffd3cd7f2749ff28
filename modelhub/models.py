"""Systems, the runs that used them, and what they made."""

from django.db import models
from django.db.models import Q

from annotation.keys import public_key
from annotation.models import Arm, Output, Persona, Study


class System(models.Model):
    """A model as used: base, adapter, how a persona enters the prompt, decoding. Registered once, study or not."""

    class PersonaStyle(models.TextChoices):
        FIELD = "field", "Own line of the prompt, as trained"
        FIRST_PERSON = "first_person", "Appended in the first person"
        RELEASED_FIRST_PERSON = "released_first_person", "Appended as in the released baseline inputs"
        NONE = "none", "Not shown to the model"

    name = models.CharField(max_length=80, unique=True)
    engine = models.CharField(max_length=20, help_text="`imported` for outputs that were made elsewhere.")
    model = models.CharField(max_length=300, blank=True, help_text="Path or name of the model, or of the script.")
    adapter = models.CharField(max_length=300, blank=True)
    persona_style = models.CharField(max_length=24, choices=PersonaStyle, default=PersonaStyle.FIELD)
    decoding = models.JSONField(default=dict, blank=True)
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 over model files, adapter, template and decoding.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        permissions = [("unblind", "Can see which system stands behind an arm")]

    def __str__(self) -> str:
        return self.name


class ArmBinding(models.Model):
    """The one place that says which system an arm is."""

    arm = models.OneToOneField(Arm, on_delete=models.CASCADE, related_name="binding")
    system = models.ForeignKey(System, on_delete=models.PROTECT, related_name="bindings")
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.arm_id} -> {self.system_id}"


class Run(models.Model):
    """One execution of a stage, with all that is needed to repeat it."""

    class State(models.TextChoices):
        RUNNING = "running", "Running"
        FINISHED = "finished", "Finished"
        STOPPED = "stopped", "Stopped"
        FAILED = "failed", "Failed"
        LOST = "lost", "Lost: its process ended without a word"

    key = models.CharField(max_length=16, unique=True, default=public_key)
    stage = models.CharField(max_length=40)
    study = models.ForeignKey(Study, on_delete=models.PROTECT, null=True, blank=True, related_name="runs")
    state = models.CharField(max_length=10, choices=State, default=State.RUNNING)
    command = models.TextField(help_text="The command line, as typed.")
    arguments = models.JSONField(default=dict, help_text="Every option with its value, given or default.")
    inputs = models.JSONField(default=list, help_text="[{name, sha256}] of the files read.")
    provenance = models.JSONField(default=dict, help_text="Git commit and whether dirty, package versions, host OS.")
    seed = models.PositiveIntegerField(null=True, blank=True)
    done = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    message = models.TextField(blank=True)
    started_at = models.DateTimeField(auto_now_add=True)
    heartbeat_at = models.DateTimeField()
    lease_until = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.stage} {self.key}"


class PersonaOrigin(models.Model):
    """Where a given persona comes from: what participants and raters must not know."""

    class Direction(models.TextChoices):
        CHOSEN = "chosen", "Explains the chosen response"
        REJECTED = "rejected", "Explains the rejected response"
        UNKNOWN = "unknown", "Not known"

    class Source(models.TextChoices):
        GOLD = "gold", "Inferred from the test pair itself"
        RETRIEVED = "retrieved", "Taken from the most similar training prompt"
        UNKNOWN = "unknown", "Not known"

    persona = models.OneToOneField(Persona, on_delete=models.PROTECT, related_name="origin")
    direction = models.CharField(max_length=10, choices=Direction)
    source = models.CharField(max_length=10, choices=Source)
    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="persona_origins")
    inferring_system = models.ForeignKey(
        System, on_delete=models.PROTECT, null=True, blank=True, related_name="inferred_personas"
    )

    def __str__(self) -> str:
        return f"{self.direction} ({self.source})"


class Generation(models.Model):
    """What a system was asked and how it answered. The answer's text itself stands in `output`."""

    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="generations")
    system = models.ForeignKey(System, on_delete=models.PROTECT, null=True, blank=True, related_name="generations")
    output = models.OneToOneField(Output, on_delete=models.PROTECT, null=True, blank=True, related_name="generation")
    rendered_prompt = models.TextField(blank=True, help_text="Exactly what the model was given.")
    finish_reason = models.CharField(max_length=20, help_text="`stop`, `length` (cut off) or `unknown`.")
    prompt_tokens = models.PositiveIntegerField(null=True, blank=True)
    completion_tokens = models.PositiveIntegerField(null=True, blank=True)
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
