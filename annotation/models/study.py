"""A study and its definition: aspects, arms and items."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.functional import cached_property
from django.utils.translation import gettext_noop

from annotation.keys import arm_code
from annotation.orders import Order, orders_among


class Study(models.Model):
    """One version of one study. Opening it freezes its definition; see services/studies.py."""

    class Kind(models.TextChoices):
        OUTPUT_RATING = "output_rating", gettext_noop("Output rating")
        PERSONA_ASSESSMENT = "persona_assessment", gettext_noop("Persona assessment")

    class Blocks(models.TextChoices):
        NONE = "none", gettext_noop("None")
        STRATUM = "stratum", gettext_noop("Data set")
        CONDITION = "condition", gettext_noop("Condition of the persona")

    class State(models.TextChoices):
        DRAFT = "draft", gettext_noop("Draft")
        OPEN = "open", gettext_noop("Open")
        PAUSED = "paused", gettext_noop("Paused")
        CLOSED = "closed", gettext_noop("Closed")

    slug = models.SlugField(max_length=60)
    version = models.PositiveSmallIntegerField(default=1)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="studies")
    kind = models.CharField(max_length=20, choices=Kind)
    state = models.CharField(max_length=10, choices=State, default=State.DRAFT)
    title = models.CharField(max_length=200)
    contact = models.CharField(max_length=200, blank=True)
    consent = models.TextField(help_text="Markdown")
    instructions = models.TextField(help_text="Markdown")
    debrief = models.TextField(help_text="Markdown")
    content_warning = models.TextField(blank=True, help_text="Markdown")
    practice = models.JSONField(default=list, help_text="[{prompt, persona, responses: [text, …], image}]")

    written_personas_per_participant = models.PositiveSmallIntegerField(default=0)
    given_personas_per_participant = models.PositiveSmallIntegerField(default=0)
    raters_per_item = models.PositiveSmallIntegerField(default=1)
    assignment_hours = models.PositiveSmallIntegerField(default=24, help_text="An unfinished place returns then.")
    seed = models.PositiveIntegerField(default=0)
    overlap_share = models.FloatField(default=0.0, help_text="Share of written personas a second person rates too.")
    repeat_share = models.FloatField(default=0.0, help_text="Share of their parts each participant rates again.")
    blocks = models.CharField(max_length=10, choices=Blocks, default=Blocks.NONE, help_text="Balanced per participant.")
    show_responses = models.BooleanField(default=True, help_text="Beside the persona, in a persona assessment.")
    items_imported = models.BooleanField(default=False, help_text="The items come from import_personas, not the file.")

    # Optional parts, each empty where the study file says nothing; annotation/studyfile/ describes their form.
    quiz = models.JSONField(default=dict, blank=True)
    questionnaires = models.JSONField(default=dict, blank=True)
    followup = models.JSONField(default=dict, blank=True)
    skip_reasons = models.JSONField(default=list, blank=True)
    exclusion_rules = models.JSONField(default=dict, blank=True)
    recruitment = models.JSONField(default=dict, blank=True)
    analysis = models.JSONField(default=dict, blank=True)
    screening = models.JSONField(default=dict, blank=True)
    elicitation = models.JSONField(default=dict, blank=True)
    retention = models.JSONField(default=dict, blank=True)
    formats = models.JSONField(default=dict, blank=True, help_text="{responses: markdown, prompts: markdown}")

    # Empty where all is English. The texts above are in the first language, those in the others lie in `translations`.
    languages = models.JSONField(default=list, blank=True, help_text="Codes, in the order of the study file.")
    translations = models.JSONField(default=dict, blank=True, help_text="{language: texts}; see study_texts.py.")

    demonstration = models.BooleanField(default=False, help_text="Some outputs come from the scripted engine.")
    pace = models.JSONField(default=dict, blank=True, help_text="{part, after}: minutes, estimated when it opens.")
    protocol_hash = models.CharField(max_length=64, blank=True, help_text="SHA-256, taken when the study opens.")
    created_at = models.DateTimeField(auto_now_add=True)
    opened_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    key_destroyed_at = models.DateTimeField(null=True, blank=True, help_text="Since when nobody can say who is whom.")
    # Updated first in every transaction that hands out places, which makes those transactions take turns.
    allocation_turn = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["slug", "version"], name="study_slug_version"),
            models.CheckConstraint(condition=Q(state="draft") | ~Q(protocol_hash=""), name="study_frozen_unless_draft"),
            models.CheckConstraint(
                condition=Q(overlap_share__gte=0, overlap_share__lte=1, repeat_share__gte=0, repeat_share__lte=1),
                name="study_shares_within_one",
            ),
        ]
        ordering = ["slug", "-version"]

    def __str__(self) -> str:
        return f"{self.slug} v{self.version}"

    @cached_property
    def planted_parts(self) -> int:
        """How many planted items a participant meets."""
        return self.items.filter(planted_part__isnull=False).count()


class Aspect(models.Model):
    """A rated question: a scale under each response, or a comparison of all.

    A slider is a rating of level interval, which has labels for its ends, and maybe its middle, alone. The answers of
    a ranking and of a choice of best and worst are the numbers of orders, see `orders`. Those of passages are how many
    are marked, from none to `maximum`; the passages themselves are kept with the rating.
    """

    class Kind(models.TextChoices):
        RATING = "rating", gettext_noop("Rating of one response")
        COMPARISON = "comparison", gettext_noop("Comparison of the two responses")
        PICK = "pick", gettext_noop("Which of the two responses the person described would prefer")
        PERSONA = "persona", gettext_noop("Rating of the persona")
        RANKING = "ranking", gettext_noop("Ranking of all responses")
        BEST_WORST = "best_worst", gettext_noop("Best and worst of all responses")
        SPAN = "span", gettext_noop("Passages marked in one response")
        CHECK = "check", gettext_noop("Attention check")

    class Level(models.TextChoices):
        NOMINAL = "nominal", gettext_noop("Nominal")
        ORDINAL = "ordinal", gettext_noop("Ordinal")
        INTERVAL = "interval", gettext_noop("Interval")

    # What the values 1 to 4 of every comparison mean; sides are those that the participant saw.
    COMPARISON_OPTIONS = ("left", "right", "tie", "both_bad")
    # A pick has the first two of them only.
    PICK_OPTIONS = ("left", "right")
    # What the two labels of these are about.
    ORDER_OPTIONS = ("best", "worst")
    # Questions about one response.
    OF_ONE = (Kind.RATING, Kind.SPAN)
    # Questions about all responses of a page together.
    OF_ALL = (Kind.COMPARISON, Kind.PICK, Kind.RANKING, Kind.BEST_WORST)

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="aspects")
    ordinal = models.PositiveSmallIntegerField()
    key = models.SlugField(max_length=40)
    name = models.CharField(max_length=80)
    kind = models.CharField(max_length=12, choices=Kind, default=Kind.RATING)
    level = models.CharField(max_length=10, choices=Level, default=Level.ORDINAL)
    question = models.CharField(max_length=300)
    question_for_others = models.CharField(max_length=300, help_text="For a rater who did not write the persona.")
    minimum = models.SmallIntegerField()
    maximum = models.SmallIntegerField()
    labels = models.JSONField(help_text="One written label per value, from minimum to maximum.")
    marking = models.JSONField(
        default=dict, blank=True, help_text="Passages only: {reason, labels}, the keys of what `labels` says in words."
    )
    # Where it is asked only after some answers to another question about the same thing.
    asked_if = models.CharField(max_length=40, blank=True, default="", help_text="The key of that question.")
    asked_if_values = models.JSONField(default=list, blank=True)
    before_persona = models.BooleanField(default=False, help_text="Asked in a first step, without the persona.")
    # Attention checks only: the right answer, the part of the study they stand in, and whether a miss is told.
    expected = models.SmallIntegerField(null=True, blank=True)
    part = models.PositiveSmallIntegerField(null=True, blank=True)
    is_loud = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["study", "key"], name="aspect_study_key"),
            models.UniqueConstraint(fields=["study", "ordinal"], name="aspect_study_ordinal"),
            models.CheckConstraint(condition=Q(minimum__lt=F("maximum")), name="aspect_scale_has_two_points"),
            models.CheckConstraint(
                condition=Q(kind="check", expected__isnull=False, part__isnull=False)
                | ~Q(kind="check") & Q(expected__isnull=True, part__isnull=True),
                name="aspect_check_has_answer_and_part",
            ),
            models.CheckConstraint(
                condition=Q(before_persona=False) | ~Q(kind__in=["persona", "pick", "check"]),
                name="aspect_before_persona_is_about_responses",
            ),
        ]
        ordering = ["ordinal"]

    def __str__(self) -> str:
        return self.key

    @cached_property
    def options(self) -> list[tuple[int, str]]:
        """The (value, label) pairs of the scale, in ascending order; of a slider, the points that have a label.

        None for passages, whose values are numbers of them.
        """
        if self.is_span:
            return []
        if self.is_slider:
            middle = [(self.minimum + self.maximum) // 2] * (len(self.labels) - 2)
            return list(zip([self.minimum, *middle, self.maximum], self.labels, strict=True))
        if self.orders:
            return [(value, " > ".join(map(str, order))) for value, order in enumerate(self.orders, start=1)]
        return list(zip(range(self.minimum, self.maximum + 1), self.labels, strict=True))

    @property
    def is_slider(self) -> bool:
        """Whether any value from minimum to maximum can be chosen, and only some have labels."""
        return self.level == self.Level.INTERVAL

    @property
    def is_span(self) -> bool:
        """Whether it is answered by passages of a response; its labels are those that a passage can have."""
        return self.kind == self.Kind.SPAN

    @property
    def orders(self) -> tuple[Order, ...]:
        """What the values 1, 2, … mean: positions on the page from best to worst, or that of the best and the worst."""
        if self.kind not in (self.Kind.RANKING, self.Kind.BEST_WORST):
            return ()
        return orders_among(self.maximum, all_places=self.kind == self.Kind.RANKING)


class Arm(models.Model):
    """A blinded condition. Which system stands behind it is known to modelhub alone."""

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="arms")
    ordinal = models.PositiveSmallIntegerField()
    code = models.CharField(max_length=20, default=arm_code)
    is_control = models.BooleanField(default=False)
    fingerprint = models.CharField(max_length=64, blank=True, help_text="Opaque hash of all that makes its outputs.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["study", "code"], name="arm_study_code"),
            models.UniqueConstraint(fields=["study", "ordinal"], name="arm_study_ordinal"),
        ]
        ordering = ["ordinal"]

    def __str__(self) -> str:
        return self.code


class Item(models.Model):
    """A prompt shown to participants."""

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="items")
    ordinal = models.PositiveIntegerField()
    key = models.CharField(max_length=80, help_text="The item's id in the study file.")
    prompt = models.TextField()
    stratum = models.CharField(max_length=80, blank=True, help_text="The data set it comes from.")
    warning = models.CharField(max_length=300, blank=True)
    answer_start = models.CharField(max_length=200, blank=True)
    language = models.CharField(max_length=35, blank=True, help_text="Of its texts, where the study file says it.")
    image = models.JSONField(default=dict, blank=True, help_text="{sha256, alt, width, height}; see StudyImage.")
    # Planted items only: the part of the study they stand in, and the aspect on which the bad output must score lower.
    planted_part = models.PositiveSmallIntegerField(null=True, blank=True)
    planted_aspect = models.CharField(max_length=40, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["study", "key"], name="item_study_key"),
            models.UniqueConstraint(fields=["study", "ordinal"], name="item_study_ordinal"),
        ]
        indexes = [
            models.Index(
                fields=["study", "planted_part"], condition=Q(planted_part__isnull=False), name="item_planted"
            ),
        ]
        ordering = ["ordinal"]

    def __str__(self) -> str:
        return self.key


class StudyImage(models.Model):
    """The bytes of an image that prompts of a study show, once however many do: only the image's address reads them."""

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="images")
    sha256 = models.CharField(max_length=64, db_index=True)
    media_type = models.CharField(max_length=20)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    data = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["study", "sha256"], name="image_study_sha256")]

    def __str__(self) -> str:
        return f"image {self.sha256[:12]}"
