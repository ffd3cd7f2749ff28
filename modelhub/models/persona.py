"""Preference pairs, the personas inferred from them, what judges say of those, and what retrieval finds."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_noop

from annotation.models import Persona
from modelhub.models.generation import Generation
from modelhub.models.run import Run
from modelhub.models.system import System
from modelhub.models.verdict import JudgeVerdict


class Direction(models.TextChoices):
    """Which response of its pair a persona explains."""

    CHOSEN = "chosen", "Explains the chosen response"
    REJECTED = "rejected", "Explains the rejected response"


class PreferencePair(models.Model):
    """A prompt with the response that was chosen and the one that was rejected. Sides are empty in some test sets."""

    dataset = models.CharField(max_length=80)
    split = models.CharField(max_length=40)
    key = models.CharField(max_length=12, help_text="Names the pair by its texts, whichever response was chosen.")
    row = models.PositiveIntegerField(help_text="Its place in the split it was read from, from 1.")
    prompt = models.TextField()
    chosen = models.TextField(blank=True)
    rejected = models.TextField(blank=True)
    sha256 = models.CharField(max_length=64, help_text="Over prompt, chosen and rejected, in that order.")
    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="preference_pairs")

    class Meta:
        ordering = ["dataset", "split", "row"]
        constraints = [
            models.UniqueConstraint(fields=["dataset", "split", "key"], name="preferencepair_once_per_split"),
            models.CheckConstraint(condition=~Q(prompt=""), name="preferencepair_has_prompt"),
        ]

    def __str__(self) -> str:
        return f"{self.dataset}/{self.split} row {self.row}"


class InferredPersona(models.Model):
    """The persona a system abduced for one response of a pair; empty text if its answer could not be read."""

    pair = models.ForeignKey(PreferencePair, on_delete=models.PROTECT, related_name="personas")
    direction = models.CharField(max_length=8, choices=Direction)
    system = models.ForeignKey(System, on_delete=models.PROTECT, related_name="personas")
    text = models.TextField(blank=True)
    flags = models.JSONField(default=list, blank=True, help_text="[{kind, detail}] of the screening.")
    generation = models.OneToOneField(
        Generation, on_delete=models.PROTECT, null=True, blank=True, related_name="inferred_persona"
    )
    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="inferred_personas")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["pair", "direction", "system"], name="inferredpersona_once"),
            models.CheckConstraint(condition=Q(direction__in=Direction.values), name="inferredpersona_direction"),
        ]

    def __str__(self) -> str:
        return f"{self.direction} persona of pair {self.pair_id}"


class PersonaVerdict(JudgeVerdict):
    """What a judge said of personas, between a pair's chosen and its rejected side."""

    class Order(models.TextChoices):
        AS_IS = "as_is", gettext_noop("The chosen side shown as A")
        SWAPPED = "swapped", gettext_noop("The rejected side shown as A")

    class Verdict(models.TextChoices):
        A = "A", gettext_noop("A")
        B = "B", gettext_noop("B")
        UNSCORED = "", gettext_noop("Unscored")

    judge = models.ForeignKey(System, on_delete=models.PROTECT, related_name="+")
    order = models.CharField(max_length=7, choices=Order)
    verdict = models.CharField(max_length=1, choices=Verdict, blank=True)
    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="+")

    class Meta(JudgeVerdict.Meta):
        abstract = True
        constraints = [
            *JudgeVerdict.Meta.constraints,
            models.CheckConstraint(condition=Q(order__in=["as_is", "swapped"]), name="%(class)s_order"),
            models.CheckConstraint(condition=Q(verdict__in=["A", "B", ""]), name="%(class)s_verdict"),
        ]

    @property
    def side(self) -> str:
        """Which side the judge picked, `chosen` or `rejected`; empty if unscored."""
        if not self.verdict:
            return ""
        return Direction.CHOSEN if (self.verdict == "A") == (self.order == self.Order.AS_IS) else Direction.REJECTED


class PersonaCheck(PersonaVerdict):
    """Which response would the user of this persona choose? Right if it is the one that the persona explains."""

    persona = models.ForeignKey(InferredPersona, on_delete=models.PROTECT, related_name="checks")

    class Meta:
        ordering = ["pk"]
        constraints = [
            *PersonaVerdict.Meta.constraints,
            models.UniqueConstraint(fields=["persona", "judge", "rubric", "order"], name="personacheck_once"),
        ]

    def __str__(self) -> str:
        return f"check of persona {self.persona_id} ({self.order})"


class PersonaComparison(PersonaVerdict):
    """Which of a pair's two personas, of one inferring system, is the better one?"""

    chosen = models.ForeignKey(InferredPersona, on_delete=models.PROTECT, related_name="comparisons_as_chosen")
    rejected = models.ForeignKey(InferredPersona, on_delete=models.PROTECT, related_name="comparisons_as_rejected")

    class Meta:
        ordering = ["pk"]
        constraints = [
            *PersonaVerdict.Meta.constraints,
            models.UniqueConstraint(
                fields=["chosen", "rejected", "judge", "rubric", "order"], name="personacomparison_once"
            ),
        ]

    def __str__(self) -> str:
        return f"comparison of personas {self.chosen_id} and {self.rejected_id} ({self.order})"


class RetrievedPersona(models.Model):
    """A training pair whose prompt is near to a pair's prompt. Both its personas are the retrieved ones."""

    pair = models.ForeignKey(PreferencePair, on_delete=models.PROTECT, related_name="retrieved")
    source = models.ForeignKey(PreferencePair, on_delete=models.PROTECT, related_name="retrieved_for")
    retriever = models.CharField(max_length=80, help_text="`imported`, or the checkpoint's digest.")
    rank = models.PositiveSmallIntegerField(help_text="From 1, the best.")
    score = models.FloatField(null=True, blank=True, help_text="Exact MaxSim; unknown where imported.")
    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="retrieved_personas")

    class Meta:
        ordering = ["pair", "retriever", "rank"]
        constraints = [
            models.UniqueConstraint(fields=["pair", "retriever", "rank"], name="retrievedpersona_once_per_rank"),
            models.CheckConstraint(condition=Q(rank__gte=1), name="retrievedpersona_rank_from_one"),
        ]

    def __str__(self) -> str:
        return f"rank {self.rank} for pair {self.pair_id}"


class PersonaOrigin(models.Model):
    """Where a given persona comes from: what participants and raters must not know."""

    class Direction(models.TextChoices):
        CHOSEN = "chosen", gettext_noop("Explains the chosen response")
        REJECTED = "rejected", gettext_noop("Explains the rejected response")
        UNKNOWN = "unknown", gettext_noop("Not known")

    class Source(models.TextChoices):
        GOLD = "gold", gettext_noop("Inferred from the test pair itself")
        RETRIEVED = "retrieved", gettext_noop("Taken from the most similar training prompt")
        UNKNOWN = "unknown", gettext_noop("Not known")

    persona = models.OneToOneField(Persona, on_delete=models.PROTECT, related_name="origin")
    direction = models.CharField(max_length=10, choices=Direction)
    source = models.CharField(max_length=10, choices=Source)
    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="persona_origins")
    inferring_system = models.ForeignKey(
        System, on_delete=models.PROTECT, null=True, blank=True, related_name="inferred_personas"
    )

    def __str__(self) -> str:
        return f"{self.direction} ({self.source})"
