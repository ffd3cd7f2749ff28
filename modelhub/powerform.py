"""The planner's form: designs to simulate, and what is assumed of people, prompts and ratings."""

from collections.abc import Mapping
from typing import Any, Self

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from annotation.dryrun import stored_dry_run
from annotation.fields import whole_number
from annotation.forms import WholeNumberField
from annotation.models import Study
from modelhub.stats.power import PowerDesign

MOST_NUMBERS = 8
MOST_LINES = 4  # that can be told apart in one plot
MOST_PEOPLE, MOST_PROMPTS = 1_000, 200
OWN, SHARED, POOL = "own", "shared", "pool"
_ASSUMED = PowerDesign(participants=2, prompts=1, difference=0.3)


class NumbersField(forms.CharField):
    """Whole numbers with commas or blanks between them, rising and each once."""

    def __init__(self, *, least: int, most: int, count: int, **options: Any) -> None:
        super().__init__(max_length=200, **options)
        self.least, self.most, self.count = least, most, count

    def clean(self, value: Any) -> Any:
        """Return the numbers; raise ValidationError with what is wrong."""
        text = super().clean(value)
        try:
            numbers = sorted({whole_number(part) for part in text.replace(",", " ").split()})
        except ValueError as error:
            raise ValidationError(_("Write whole numbers with commas between them, such as 20, 40, 60.")) from error
        if not numbers or not self.least <= numbers[0] or numbers[-1] > self.most or len(numbers) > self.count:
            raise ValidationError(
                _("Give up to %(count)s numbers from %(least)s to %(most)s.")
                % {"count": self.count, "least": self.least, "most": self.most}
            )
        return numbers


class PowerForm(forms.Form):
    """What is to be simulated. All differences and deviations are in points of the scale."""

    participants = NumbersField(
        label=gettext_lazy("Participants"), least=2, most=MOST_PEOPLE, count=MOST_NUMBERS,
        help_text=gettext_lazy("Up to eight numbers, such as 20, 40, 60: the points of each curve."),
    )  # fmt: skip
    prompts = NumbersField(
        label=gettext_lazy("Prompts for each of them"), least=1, most=MOST_PROMPTS, count=MOST_LINES,
        help_text=gettext_lazy("Up to four numbers: a curve for each."),
    )  # fmt: skip
    whose = forms.ChoiceField(
        label=gettext_lazy("Whose prompts"),
        choices=[
            (OWN, gettext_lazy("Each participant has prompts of their own")),
            (SHARED, gettext_lazy("All have the same prompts")),
            (POOL, gettext_lazy("Each draws theirs from one pool")),
        ],
    )
    pool = WholeNumberField(label=gettext_lazy("Prompts in the pool"), required=False, min_value=1, max_value=100_000)
    difference = forms.FloatField(
        label=gettext_lazy("True difference, in points"), min_value=-10, max_value=10, initial=_ASSUMED.difference
    )
    sd_participants = forms.FloatField(
        label=gettext_lazy("Standard deviation of the difference between people"), min_value=0, max_value=10,
        initial=_ASSUMED.sd_participants,
    )  # fmt: skip
    sd_prompts = forms.FloatField(
        label=gettext_lazy("Standard deviation between prompts"), min_value=0, max_value=10,
        initial=_ASSUMED.sd_prompts,
    )  # fmt: skip
    sd_residual = forms.FloatField(
        label=gettext_lazy("Standard deviation of what is left"), min_value=0, max_value=10,
        initial=_ASSUMED.sd_residual,
    )  # fmt: skip
    simulations = WholeNumberField(
        label=gettext_lazy("Simulated studies for each point"), min_value=100, max_value=5_000, initial=500
    )

    @classmethod
    def of(cls, study: Study, arguments: Mapping[str, Any] | None) -> Self:
        """Return the form with what was simulated last, or with numbers about what the study as it is takes."""
        return cls(initial=_asked(arguments) if arguments else _suggested(study))

    def clean(self) -> dict[str, Any]:
        """Hold a pool to the prompts that are drawn from it."""
        cleaned = super().clean() or {}
        if cleaned.get("whose") == POOL and (cleaned.get("pool") or 0) < max(cleaned.get("prompts") or [1]):
            self.add_error("pool", _("A pool holds at least as many prompts as each participant gets."))
        return cleaned

    def arguments(self) -> dict[str, Any]:
        """Return what the valid form asks for, as a job keeps it."""
        found = dict(self.cleaned_data)
        whose = found.pop("whose")
        pool = found.pop("pool") if whose == POOL else None
        asked = {name: found.pop(name) for name in ("participants", "prompts", "simulations")}
        return {**asked, "seed": 0, "assumed": {**found, "shared_prompts": whose == SHARED, "pool": pool}}


def _asked(arguments: Mapping[str, Any]) -> dict[str, Any]:
    assumed = dict(arguments["assumed"])
    whose = SHARED if assumed.pop("shared_prompts") else POOL if assumed["pool"] else OWN
    lists = {name: ", ".join(map(str, arguments[name])) for name in ("participants", "prompts")}
    return {**assumed, **lists, "whose": whose, "simulations": arguments["simulations"]}


def _suggested(study: Study) -> dict[str, Any]:
    needed = stored_dry_run(study).participants_needed or 20
    around = sorted({max(2, min(MOST_PEOPLE, round(needed * share))) for share in (0.25, 0.5, 1, 1.5, 2, 3)})
    parts = study.written_personas_per_participant + study.given_personas_per_participant
    prompts = max(1, min(parts, MOST_PROMPTS))
    items = study.items.filter(planted_part__isnull=True).count()
    pool = {"whose": SHARED if items == prompts else POOL, "pool": items} if items >= prompts else {"whose": OWN}
    return {"participants": ", ".join(map(str, around)), "prompts": str(prompts), **pool}
