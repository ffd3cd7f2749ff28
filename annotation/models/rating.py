"""Who rates what, where it stood, and what they answered."""

import uuid

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_noop

from annotation.keys import public_key
from annotation.models.output import Output
from annotation.models.participant import Participant
from annotation.models.persona import Persona
from annotation.models.study import Aspect


class Assignment(models.Model):
    """One participant on one persona."""

    class Kind(models.TextChoices):
        MAIN = "main", gettext_noop("Main")
        OVERLAP = "overlap", gettext_noop("Overlap")
        REPEAT = "repeat", gettext_noop("Repeat")
        PRACTICE = "practice", gettext_noop("Practice")
        CHECK = "check", gettext_noop("Check")

    class State(models.TextChoices):
        OPEN = "open", gettext_noop("Open")
        COMPLETED = "completed", gettext_noop("Completed")
        SKIPPED = "skipped", gettext_noop("Skipped with a reason")
        SET_ASIDE = "set_aside", gettext_noop("Set aside because no outputs could be made")
        RELEASED = "released", gettext_noop("Given up because the participant left the study")

    participant = models.ForeignKey(Participant, on_delete=models.PROTECT, related_name="assignments")
    persona = models.ForeignKey(Persona, on_delete=models.PROTECT, related_name="assignments")
    key = models.CharField(max_length=16, unique=True, default=public_key)
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.MAIN)
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    ordinal = models.PositiveSmallIntegerField()
    repeat = models.PositiveSmallIntegerField(default=0)
    repeat_of = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="repeats")
    surplus = models.BooleanField(default=False, help_text="Finished after the place had been filled again.")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    warned_at = models.DateTimeField(null=True, blank=True, help_text="When the item's warning was accepted.")
    skip_reason = models.CharField(max_length=200, blank=True)
    shown_at = models.DateTimeField(null=True, blank=True, help_text="When the outputs first stood on the page.")
    persona_shown_at = models.DateTimeField(
        null=True, blank=True, help_text="In a study of two steps: when the first ended, and the persona was shown."
    )
    completed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["participant", "persona", "repeat"], name="assignment_participant_persona_repeat"
            ),
            models.UniqueConstraint(fields=["participant", "ordinal"], name="assignment_participant_ordinal"),
            models.CheckConstraint(
                condition=(Q(kind="repeat", repeat_of__isnull=False) & Q(repeat__gt=0))
                | (~Q(kind="repeat") & Q(repeat_of__isnull=True, repeat=0)),
                name="assignment_repeat_names_its_first",
            ),
            models.CheckConstraint(
                condition=~Q(state="completed") | Q(completed_at__isnull=False), name="assignment_completed_has_time"
            ),
        ]
        indexes = [
            # By `completed_at`: SQLite does not see that a state given as a parameter is that of an index's condition.
            models.Index(fields=["participant"], condition=Q(completed_at__isnull=True), name="assignment_unfinished"),
        ]
        ordering = ["ordinal"]

    def __str__(self) -> str:
        return f"assignment {self.key}"


class Slot(models.Model):
    """A place in an assignment that can be rated. Outputs stand at 1..n; the comparison of the pair comes after."""

    class Kind(models.TextChoices):
        OUTPUT = "output", gettext_noop("Output")
        PERSONA = "persona", gettext_noop("Persona")
        PAIR = "pair", gettext_noop("Pair")
        CHECK = "check", gettext_noop("Check")

    assignment = models.ForeignKey(Assignment, on_delete=models.PROTECT, related_name="slots")
    key = models.CharField(max_length=16, unique=True, default=public_key)
    kind = models.CharField(max_length=8, choices=Kind)
    position = models.PositiveSmallIntegerField()
    output = models.ForeignKey(Output, on_delete=models.PROTECT, null=True, blank=True, related_name="slots")
    persona = models.ForeignKey(Persona, on_delete=models.PROTECT, null=True, blank=True, related_name="slots")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["assignment", "position"], name="slot_assignment_position"),
            models.CheckConstraint(
                condition=Q(kind="output", output__isnull=False, persona__isnull=True)
                | Q(kind="persona", output__isnull=True, persona__isnull=False)
                | Q(kind__in=["pair", "check"], output__isnull=True, persona__isnull=True),
                name="slot_kind_matches_content",
            ),
        ]
        ordering = ["position"]

    def __str__(self) -> str:
        return f"slot {self.key}"


class Rating(models.Model):
    """One answer. Saved again, it is superseded and kept: exactly one per slot and aspect is current.

    The scale's bounds and the position are copied from aspect and slot, because a CHECK cannot follow a foreign key.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    slot = models.ForeignKey(Slot, on_delete=models.PROTECT, related_name="ratings")
    aspect = models.ForeignKey(Aspect, on_delete=models.PROTECT, related_name="ratings")
    value = models.SmallIntegerField()
    minimum = models.SmallIntegerField()
    maximum = models.SmallIntegerField()
    position = models.PositiveSmallIntegerField()
    version = models.PositiveIntegerField(help_text="1 for the first answer, then 2, …")
    client_key = models.UUIDField(unique=True, help_text="Made by the browser: a request sent twice saves once.")
    superseded_by = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="supersedes", db_index=False
    )
    saved_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["slot", "aspect"], condition=Q(superseded_by__isnull=True), name="rating_one_current"
            ),
            models.UniqueConstraint(fields=["slot", "aspect", "version"], name="rating_slot_aspect_version"),
            models.CheckConstraint(
                condition=Q(value__gte=F("minimum")) & Q(value__lte=F("maximum")), name="rating_value_on_scale"
            ),
        ]
        indexes = [
            # Of superseded ratings alone: an index of all made SQLite look up current ones by it, which nearly all are.
            models.Index(
                fields=["superseded_by"], condition=Q(superseded_by__isnull=False), name="rating_superseded_by"
            ),
        ]

    def __str__(self) -> str:
        return f"rating {self.id}"


class Passage(models.Model):
    """A passage that a rating marks, in code points of the response's text as exports have it."""

    rating = models.ForeignKey(Rating, on_delete=models.PROTECT, related_name="passages")
    start = models.PositiveIntegerField()
    end = models.PositiveIntegerField(help_text="The first code point after it.")
    text = models.TextField(blank=True, help_text="What stands there; blank once the response is erased.")
    label = models.CharField(max_length=40, blank=True, help_text="A key of the aspect's labels, where it has some.")
    reason = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["rating", "start", "end", "label"], name="passage_marked_once"),
            models.CheckConstraint(condition=Q(end__gt=F("start")), name="passage_is_not_empty"),
        ]
        ordering = ["start", "end", "label"]

    def __str__(self) -> str:
        return f"passage {self.pk}"


class Followup(models.Model):
    """What a participant adds to their answers about one slot: chips and free text, both optional."""

    slot = models.OneToOneField(Slot, on_delete=models.PROTECT, related_name="followup")
    chips = models.JSONField(default=list, blank=True)
    text = models.TextField(blank=True)
    saved_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"followup {self.pk}"


class QuestionnaireAnswer(models.Model):
    """An answer on a questionnaire page before or after the work, or in a try at the quiz.

    The keys of quiz answers are "2.1" for the first question in the second try, the values the options' numbers.
    """

    class Page(models.TextChoices):
        BEFORE = "before", gettext_noop("Before the work")
        AFTER = "after", gettext_noop("After the work")
        QUIZ = "quiz", gettext_noop("Quiz before the work")

    participant = models.ForeignKey(Participant, on_delete=models.PROTECT, related_name="questionnaire_answers")
    page = models.CharField(max_length=6, choices=Page)
    key = models.CharField(max_length=40)
    value = models.TextField()
    saved_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["participant", "page", "key"], name="questionnaire_answer_unique"),
        ]

    def __str__(self) -> str:
        return f"questionnaire answer {self.pk}"


class PageVisit(models.Model):
    """Time on a page, as the browser counted it: one row per page load, updated while the page is open."""

    class Phase(models.TextChoices):
        WRITE = "write", gettext_noop("Writing the persona")
        RATE = "rate", gettext_noop("Rating")

    assignment = models.ForeignKey(Assignment, on_delete=models.PROTECT, related_name="visits")
    client_key = models.UUIDField(unique=True)
    phase = models.CharField(max_length=5, choices=Phase)
    focused_ms = models.PositiveIntegerField(default=0, help_text="Page in view and in use.")
    idle_ms = models.PositiveIntegerField(default=0, help_text="Page hidden, or untouched for 30 s.")
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"visit {self.pk}"
