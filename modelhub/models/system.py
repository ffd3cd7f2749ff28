"""Systems, and the one place that says which arm is which."""

from django.db import models

from annotation.models import Arm
from modelhub.prompting.layouts import PersonaStyle

PERSONA_STYLES = {
    PersonaStyle.FIELD.value: "Own line of the prompt, as trained",
    PersonaStyle.FIRST_PERSON.value: "Appended in the first person",
    PersonaStyle.RELEASED_FIRST_PERSON.value: "Appended as in the released baseline inputs",
    PersonaStyle.SYSTEM_MESSAGE.value: "As a system message",
    PersonaStyle.NONE.value: "Not shown to the model",
}

PROBE_STATES = {
    "probed": "The adapter was compared with its base when the system was registered",
    "not_probed": "The system has an adapter, and it was not compared with its base",
    "none": "The system has no adapter",
}


class System(models.Model):
    """A model as used: base, adapter, how a persona enters the prompt, decoding. Registered once, study or not."""

    name = models.CharField(max_length=80, unique=True)
    engine = models.CharField(max_length=20, help_text="`imported` for outputs that were made elsewhere.")
    model = models.CharField(max_length=300, blank=True, help_text="Path or name of the model, or of the script.")
    adapter = models.CharField(max_length=300, blank=True)
    endpoint = models.CharField(
        max_length=300, blank=True, help_text="Address of the server, for engines that use one."
    )
    persona_style = models.CharField(max_length=24, choices=PERSONA_STYLES, default=PersonaStyle.FIELD)
    decoding = models.JSONField(default=dict, blank=True, help_text="What shapes the answers.")
    options = models.JSONField(default=dict, blank=True, help_text="How they are computed; not in the fingerprint.")
    exemplars = models.JSONField(
        default=list, blank=True, help_text="[{prompt, persona, response}] shown before the prompt: few-shot."
    )
    fingerprint = models.CharField(
        max_length=64, help_text="SHA-256 over model files, adapter, endpoint, template and decoding."
    )
    served = models.JSONField(
        default=dict,
        blank=True,
        help_text="What its server said it serves when it was first asked; held to ever since.",
    )
    adapter_probe = models.JSONField(
        default=dict,
        blank=True,
        help_text="{difference, dtype} of logits with the adapter and without, or {not_tried}; {} if not probed.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        permissions = [("unblind", "Can see which system stands behind an arm")]

    def __str__(self) -> str:
        return self.name

    @property
    def adapter_difference(self) -> float | None:
        """The largest difference that the adapter made to its base's logits on the probe texts; None if not probed."""
        difference = self.adapter_probe.get("difference")
        return float(difference) if difference is not None else None

    @property
    def probe_state(self) -> str:
        """Whether that was measured when the system was registered: a key of PROBE_STATES."""
        if not self.adapter:
            return "none"
        return "not_probed" if self.adapter_difference is None else "probed"


class ArmBinding(models.Model):
    """The one place that says which system an arm is."""

    arm = models.OneToOneField(Arm, on_delete=models.CASCADE, related_name="binding")
    system = models.ForeignKey(System, on_delete=models.PROTECT, related_name="bindings")
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.arm_id} -> {self.system_id}"
