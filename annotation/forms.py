"""Researchers' forms."""

from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from annotation.fields import LONGEST_REASON, check_reason, whole_number
from annotation.models import Adjudication, OpenLink, StudyMember
from annotation.permissions import Role
from annotation.queries_participants import EXCLUDED, STALLED, STATES, Search
from annotation.services.entrance import MAX_CAP, Terms
from annotation.services.participants import MAX_LINKS_AT_ONCE

MAX_HOLD_MINUTES = 24 * 60


class ReasonField(forms.CharField):
    """Why something is decided, held to what services hold it to."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=LONGEST_REASON, **options)

    def clean(self, value: Any) -> Any:
        """Return the reason in one line; raise ValidationError with what is wrong."""
        found = super().clean(value)
        try:
            return check_reason(found)
        except ValueError as error:
            raise ValidationError(f"This {error}.") from error


class WholeNumberField(forms.IntegerField):
    """A number in digits and nothing else: 1.0 and other scripts' digits are refused, as everywhere."""

    def clean(self, value: Any) -> Any:
        """Return the number; raise ValidationError where it is none."""
        try:
            if value not in self.empty_values:
                whole_number(str(value).strip())
        except ValueError as error:
            raise ValidationError(f"This {error}.") from error
        return super().clean(value)


class StateForm(forms.Form):
    """Open, pause or close a study. Closing is final and has to be confirmed."""

    action = forms.ChoiceField(choices=[("open", _("Open")), ("pause", _("Pause")), ("close", _("Close"))])
    confirmed = forms.BooleanField(required=False)


class ParticipantsForm(forms.Form):
    """How many personal links to make."""

    count = WholeNumberField(
        label=_("How many people"),
        min_value=1,
        max_value=MAX_LINKS_AT_ONCE,
        initial=1,
        help_text=format_lazy(_("1 to {most}. Each person gets a link of their own."), most=MAX_LINKS_AT_ONCE),
    )


class InvitationsForm(forms.Form):
    """Whom to invite: a list with an id for each person."""

    people = forms.FileField(
        label=_("List of people (CSV)"),
        help_text=_("UTF-8, with a column “id” or “label”. An id that has a link keeps it."),
        widget=forms.FileInput(attrs={"accept": ".csv,text/csv"}),
    )


class OpenLinkForm(forms.Form):
    """On which terms an open link lets people in."""

    cap = WholeNumberField(
        label=_("At most"), min_value=1, max_value=MAX_CAP, help_text=_("People who may join by this one link.")
    )
    hold_minutes = WholeNumberField(
        label=_("Minutes a place is held"),
        required=False,
        min_value=1,
        max_value=MAX_HOLD_MINUTES,
        initial=Terms.hold_minutes,
        help_text=_(
            "For who has started: until they agree to take part, and then until they have read the instructions."
        ),
    )
    per_hour = WholeNumberField(
        label=_("At most in an hour"),
        required=False,
        min_value=1,
        max_value=MAX_CAP,
        initial=Terms.per_hour,
        help_text=_("People let in within an hour. Raise it before you send the link to many at once."),
    )
    per_network = WholeNumberField(
        label=_("At most in an hour from one network address"),
        required=False,
        min_value=1,
        max_value=MAX_CAP,
        initial=Terms.per_network,
        help_text=_("A room or a campus often has one address. Raise it before a session in a laboratory."),
    )
    shared_browsers = forms.BooleanField(
        label=_("Several people start in one browser"),
        required=False,
        help_text=_("For computers of a laboratory. Otherwise a browser that comes back is offered its own work."),
    )
    question = forms.CharField(
        label=_("Question before the start (optional)"),
        required=False,
        max_length=300,
        help_text=_("Proof that a person has read your invitation, such as “Which word is in capitals in our e-mail?”"),
    )
    answers = forms.CharField(
        label=_("Answers that are taken, one on each line"),
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 2}),
    )

    def terms(self) -> Terms:
        """Return what the valid form says; a limit that is left empty is the usual one."""
        given = {name: value for name, value in self.cleaned_data.items() if value is not None}
        lines = [line.strip() for line in given.pop("answers").splitlines()]
        return Terms(**given, answers=[line for line in lines if line])

    @classmethod
    def of(cls, link: OpenLink) -> "OpenLinkForm":
        """Return the form with the terms of a link."""
        fields = {name: getattr(link, name) for name in cls.base_fields}
        return cls(initial={**fields, "answers": "\n".join(link.answers)})


class SubmissionsForm(forms.Form):
    """What Prolific knows of its submissions."""

    submissions = forms.FileField(
        label=_("Submissions (CSV)"),
        help_text=_("As downloaded from the study on Prolific."),
        widget=forms.FileInput(attrs={"accept": ".csv,text/csv"}),
    )


class PayForm(forms.Form):
    """What people get, and what an hour is to be worth; read from the address."""

    reward = forms.DecimalField(
        label=_("Reward for the whole study"), required=False, min_value=0, max_value=10_000, decimal_places=2
    )
    rate = forms.DecimalField(
        label=_("To be reached for an hour"), required=False, min_value=0, max_value=10_000, decimal_places=2
    )

    def amounts(self) -> dict[str, Decimal | None]:
        """Return both amounts; one that makes no sense is left out."""
        self.full_clean()
        return {name: self.cleaned_data.get(name) for name in ("reward", "rate")}


class SearchForm(forms.Form):
    """Which participants to list; read from the address."""

    q = forms.CharField(label=_("Code or label"), required=False, max_length=100, widget=forms.TextInput)
    state = forms.ChoiceField(
        label=_("State"),
        required=False,
        choices=[("", _("Any state")), *((name, _(name)) for name in (*STATES, STALLED, EXCLUDED))],
    )
    include_bots = forms.BooleanField(label=_("Bots and previews too"), required=False)

    def search(self) -> Search:
        """Return what is looked for; a field that makes no sense is left out."""
        self.full_clean()
        found = self.cleaned_data
        return Search(found.get("q", ""), found.get("state", ""), found.get("include_bots", False))


class ItemsForm(forms.Form):
    """Which items to list; read from the address."""

    q = forms.CharField(label=_("Id, prompt or persona"), required=False, max_length=100, widget=forms.TextInput)
    stratum = forms.ChoiceField(label=_("Stratum"), required=False)

    def __init__(self, data: Any, *, strata: list[str]) -> None:
        super().__init__(data)
        choices = [("", _("Any stratum")), *((name, name) for name in strata)]
        self.fields["stratum"].choices = choices  # type: ignore[attr-defined]

    def found(self) -> dict[str, str]:
        """Return text and stratum; a field that makes no sense is left out."""
        self.full_clean()
        return {"text": self.cleaned_data.get("q", ""), "stratum": self.cleaned_data.get("stratum", "")}


class SideBySideForm(forms.Form):
    """Which personas to list with their outputs; read from the address."""

    q = forms.CharField(label=_("Id, prompt or persona"), required=False, max_length=100, widget=forms.TextInput)
    source = forms.ChoiceField(
        label=_("Personas"),
        required=False,
        choices=[("", _("All")), ("given", _("Given")), ("written", _("Written")), ("planted", _("Planted pairs"))],
    )

    def found(self) -> dict[str, str]:
        """Return text and source; a field that makes no sense is left out."""
        self.full_clean()
        return {"text": self.cleaned_data.get("q", ""), "source": self.cleaned_data.get("source", "")}


class ReasonForm(forms.Form):
    """Why a participant is excluded or included again."""

    reason = ReasonField(label=_("Reason"))


class AdjudicationForm(forms.Form):
    """What is decided of a part that stands out."""

    decision = forms.ChoiceField(choices=Adjudication.Decision.choices)
    reason = ReasonField(error_messages={"required": _("Say why, in a few words.")})


class AccountForm(forms.Form):
    """A new account, and what it may do."""

    username = forms.CharField(label=_("Username"), max_length=150)
    role = forms.ChoiceField(
        label=_("As"),
        choices=[
            (Role.RESEARCHER.value, _("Researcher")),
            (Role.ANALYST.value, _("Analyst: may learn which system an arm is")),
        ],
    )


class MemberForm(forms.Form):
    """Whom to attach to a study, and as what."""

    username = forms.CharField(label=_("Username"), max_length=150)
    role = forms.ChoiceField(label=_("As"), choices=[(value, _(label)) for value, label in StudyMember.Role.choices])


class ExportForm(forms.Form):
    """What goes into a download; read from the address."""

    include_bots = forms.BooleanField(required=False)
    formula_safe = forms.BooleanField(required=False)
    release = forms.BooleanField(required=False)

    def options(self) -> dict[str, Any]:
        """Return the checked options; a checkbox is never wrong, so neither is the form."""
        self.full_clean()
        return self.cleaned_data
