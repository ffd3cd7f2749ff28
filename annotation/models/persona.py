"""Personas: the units of a study, each one item and one person described."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_noop

from annotation.keys import public_key
from annotation.models.participant import Participant
from annotation.models.study import Item


class Persona(models.Model):
    """A unit. Given with the study, or written by a participant; where a given one comes from only modelhub knows.

    A written persona is created empty together with its assignment, keeps every draft, and becomes immutable
    when it is submitted.
    """

    class Source(models.TextChoices):
        GIVEN = "given", gettext_noop("Given")
        WRITTEN = "written", gettext_noop("Written")

    class Condition(models.TextChoices):
        """How the participant was to write it, decided when the part was handed out."""

        FREE = "free", gettext_noop("In an empty box")
        ELICITED = "elicited", gettext_noop("Helped by questions")

    class WrittenAs(models.TextChoices):
        """What the participant did; until it is submitted, what has last been put into the box."""

        FREE = "free", gettext_noop("Written freely")
        ELICITED = "elicited", gettext_noop("Put together from answers, and left as it was")
        ELICITED_EDITED = "elicited_edited", gettext_noop("Put together from answers, then edited")
        PROPOSED = "proposed", gettext_noop("Proposed, and left as it was")
        PROPOSED_EDITED = "proposed_edited", gettext_noop("Proposed, then edited")

    item = models.ForeignKey(Item, on_delete=models.PROTECT, related_name="personas")
    key = models.CharField(max_length=16, unique=True, default=public_key)
    source = models.CharField(max_length=8, choices=Source)
    author = models.ForeignKey(Participant, on_delete=models.PROTECT, null=True, blank=True, related_name="personas")
    text = models.TextField(blank=True)
    block = models.CharField(max_length=16, blank=True, help_text="Opaque mark of the condition, to balance by.")
    # Assigned, and done. Blank for given personas, and the first also in studies without the section `elicitation`.
    condition = models.CharField(max_length=8, choices=Condition, blank=True)
    written_as = models.CharField(max_length=15, choices=WrittenAs, blank=True)
    offered_text = models.TextField(blank=True, help_text="The sentence that was last put into the box.")
    draft_version = models.PositiveIntegerField(default=0, help_text="Counts saves, so that two tabs notice.")
    draft_tab = models.UUIDField(
        null=True, blank=True, help_text="The page load that saved last: it never conflicts with itself."
    )
    draft_saved_at = models.DateTimeField(null=True, blank=True)
    submitted_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(source="given", author__isnull=True, submitted_at__isnull=False)
                | Q(source="written", author__isnull=False),
                name="persona_author_iff_written",
            ),
            models.CheckConstraint(
                condition=Q(source="written") | Q(source="given", condition="", written_as=""),
                name="persona_given_is_not_written",
            ),
        ]
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"persona {self.key}"
