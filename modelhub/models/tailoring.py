"""What systems answer to the prompts of preference pairs, what judges say of it, and how training went."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_noop

from modelhub.models.generation import Generation
from modelhub.models.persona import InferredPersona, PreferencePair
from modelhub.models.run import Run
from modelhub.models.system import System
from modelhub.models.verdict import JudgeVerdict


class PersonaSource(models.TextChoices):
    """Where the persona comes from that a system is given with a pair's prompt."""

    NONE = "none", "No persona"
    GOLD_CHOSEN = "gold_chosen", "Gold, of the chosen response"
    GOLD_REJECTED = "gold_rejected", "Gold, of the rejected response"
    RETRIEVED_CHOSEN = "retrieved_chosen", "Retrieved, of the chosen response"
    RETRIEVED_REJECTED = "retrieved_rejected", "Retrieved, of the rejected response"
    SYSTEM = "system", "The data set's one persona"


class PairOutput(models.Model):
    """What a system answers to a pair's prompt for a persona. Outputs for participants are `annotation.Output`."""

    system = models.ForeignKey(System, on_delete=models.PROTECT, related_name="pair_outputs")
    pair = models.ForeignKey(PreferencePair, on_delete=models.PROTECT, related_name="outputs")
    source = models.CharField(max_length=20, choices=PersonaSource)
    persona = models.TextField(blank=True)
    persona_key = models.CharField(
        max_length=12, blank=True, help_text="The beginning of the persona's SHA-256; empty without a persona."
    )
    inferred_personas = models.ManyToManyField(
        InferredPersona, blank=True, related_name="outputs",
        help_text="Those it was made for: of each system that was asked for, where several say the same.",
    )  # fmt: skip
    text = models.TextField(help_text="As a reader sees it: with the given start of the answer, if there is one.")
    excluded_reason = models.CharField(max_length=200, blank=True, help_text="Why it is left out, in every system.")
    generation = models.OneToOneField(
        Generation, on_delete=models.PROTECT, null=True, blank=True, related_name="pair_output"
    )
    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="pair_outputs")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["system", "pair", "source", "persona_key"], name="pairoutput_once"),
            models.CheckConstraint(condition=Q(source__in=PersonaSource.values), name="pairoutput_source"),
        ]

    def __str__(self) -> str:
        return f"output of system {self.system_id} for pair {self.pair_id} ({self.source})"


class Judgement(JudgeVerdict):
    """Which of two outputs a judge likes better, in one order."""

    class Metric(models.TextChoices):
        QUALITY = "quality", gettext_noop("Response quality (no persona shown)")
        PERSONALIZATION = "personalization", gettext_noop("Personalization (persona shown)")

    class Order(models.TextChoices):
        BASE_FIRST = "base_first", gettext_noop("Base shown as A")
        TEST_FIRST = "test_first", gettext_noop("Test shown as A")

    class Verdict(models.TextChoices):
        A = "A", gettext_noop("A")
        B = "B", gettext_noop("B")
        TIE = "tie", gettext_noop("Tie")
        UNSCORED = "", gettext_noop("Unscored")

    base = models.ForeignKey(PairOutput, on_delete=models.PROTECT, related_name="judgements_as_base")
    test = models.ForeignKey(PairOutput, on_delete=models.PROTECT, related_name="judgements_as_test")
    metric = models.CharField(max_length=15, choices=Metric)
    judge = models.ForeignKey(System, on_delete=models.PROTECT, related_name="judgements")
    order = models.CharField(max_length=10, choices=Order)
    verdict = models.CharField(max_length=3, choices=Verdict, blank=True)
    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="judgements")

    class Meta:
        ordering = ["pk"]
        constraints = [
            *JudgeVerdict.Meta.constraints,
            models.CheckConstraint(condition=Q(metric__in=["quality", "personalization"]), name="judgement_metric"),
            models.CheckConstraint(condition=Q(order__in=["base_first", "test_first"]), name="judgement_order"),
            models.CheckConstraint(condition=Q(verdict__in=["A", "B", "tie", ""]), name="judgement_verdict"),
            models.UniqueConstraint(
                fields=["base", "test", "metric", "judge", "rubric", "order"], name="judgement_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.metric} of outputs {self.base_id} and {self.test_id} ({self.order})"


class TrainingLog(models.Model):
    """What a training run measured at one step."""

    class Kind(models.TextChoices):
        TRAIN = "train", gettext_noop("On the training rows")
        EVALUATION = "eval", gettext_noop("On the validation rows")

    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="training_logs")
    kind = models.CharField(max_length=5, choices=Kind)
    step = models.PositiveIntegerField()
    epoch = models.FloatField()
    values = models.JSONField(default=dict, help_text="Loss, learning rate, margins … by the trainer's names.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["run", "step", "kind"]
        constraints = [
            models.UniqueConstraint(fields=["run", "kind", "step"], name="traininglog_once_per_step"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} log of run {self.run_id} at step {self.step}"
