"""What the allocation has to know of every unit, kept so that it need not be counted anew for each choice."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_noop

from annotation.models.participant import Participant
from annotation.models.persona import Persona
from annotation.models.study import Item, Study


class UnitTally(models.Model):
    """How many people hold or have filled a unit, and where the arms have stood for its item.

    A cache: all of it follows from the assignments, and services/tallies.py is its only writer. People, previews and
    bots have rows of their own. A study has all rows of a kind of participant, or none until somebody needs them.
    """

    class Source(models.TextChoices):
        WRITTEN = "written", gettext_noop("An item to write a persona for")
        GIVEN = "given", gettext_noop("A given persona")
        OVERLAP = "overlap", gettext_noop("A written persona whose author has rated it, for a second rater")

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="+", db_index=False)
    participant_kind = models.CharField(max_length=10, choices=Participant.Kind)
    source = models.CharField(max_length=8, choices=Source)
    item = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="+")
    persona = models.ForeignKey(Persona, on_delete=models.CASCADE, null=True, related_name="+", db_index=False)
    block = models.CharField(max_length=80, blank=True)
    taken = models.PositiveSmallIntegerField(default=0, help_text="Live assignments.")
    sides = models.TextField(
        help_text="[[times at position 1, 2, …] of each arm] in live main assignments of the item."
    )
    draw = models.BigIntegerField(help_text="Seeded place in the ring of units; see allocation.py.")
    recount_at = models.DateTimeField(null=True, help_text="When the first of the live assignments expires.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["persona", "source", "participant_kind"], name="tally_persona"),
            models.UniqueConstraint(
                fields=["item", "participant_kind"], condition=Q(source="written"), name="tally_item_to_write"
            ),
            models.CheckConstraint(
                condition=Q(source="written", persona__isnull=True) | (~Q(source="written") & Q(persona__isnull=False)),
                name="tally_persona_unless_to_write",
            ),
        ]
        indexes = [
            models.Index(fields=["study", "participant_kind", "source", "block", "taken", "draw"], name="tally_ring"),
            models.Index(
                fields=["study", "participant_kind", "recount_at"],
                condition=Q(recount_at__isnull=False),
                name="tally_overdue",
            ),
        ]

    def __str__(self) -> str:
        return f"tally {self.pk}"
