"""Systems, and the one place that says which arm is which."""

from django.db import models
from django.utils.translation import gettext_noop

from annotation.models import Arm
from modelhub.prompting.layouts import PersonaStyle
from modelhub.prompting.procedures import Procedure

PERSONA_STYLES = {
    PersonaStyle.FIELD.value: "Own line of the prompt, as trained",
    PersonaStyle.FIRST_PERSON.value: "Appended in the first person",
    PersonaStyle.RELEASED_FIRST_PERSON.value: "Appended as in the released baseline inputs",
    PersonaStyle.SYSTEM_MESSAGE.value: "As a system message",
    PersonaStyle.NONE.value: "Not shown to the model",
}
PROCEDURES = {
    Procedure.RUBRIC.value: gettext_noop("Rubric made from the persona"),
    Procedure.RETRIEVED_EXEMPLARS.value: gettext_noop("Retrieved exemplars of the nearest personas"),
    Procedure.SELF_REFINE.value: gettext_noop("Self-refine: draft, feedback, response"),
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
    procedure = models.JSONField(
        default=dict,
        blank=True,
        help_text="How it comes to its responses, {} for one request each: {name, …}, with the exemplars' pool.",
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

    @property
    def procedure_name(self) -> str:
        """The name of its procedure, "" where it makes one request of a prompt and a persona alone."""
        return str(self.procedure.get("name", ""))

    def get_procedure_display(self) -> str:
        """Return its procedure in words, "" without one."""
        return PROCEDURES.get(self.procedure_name, self.procedure_name)


class ExemplarPool(models.Model):
    """The exemplars that a system retrieves from, as they were when it was registered. Never a participant's words."""

    sha256 = models.CharField(max_length=64, unique=True, help_text="Over `exemplars`; systems name it.")
    exemplars = models.JSONField(help_text="[{row, prompt, persona, response}] in the order of their rows.")

    def __str__(self) -> str:
        return f"exemplar pool {self.sha256[:12]}"


class ArmBinding(models.Model):
    """The one place that says which system an arm is."""

    arm = models.OneToOneField(Arm, on_delete=models.CASCADE, related_name="binding")
    system = models.ForeignKey(System, on_delete=models.PROTECT, related_name="bindings")
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.arm_id} -> {self.system_id}"
