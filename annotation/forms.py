"""Researchers' forms."""

from typing import Any

from django import forms

from annotation.models import StudyMember
from annotation.queries_participants import EXCLUDED, STATES, Search
from annotation.services.exclusions import MAX_REASON
from annotation.services.participants import MAX_LINKS_AT_ONCE

MAX_CAP = 100_000


class StateForm(forms.Form):
    """Open, pause or close a study. Closing is final and has to be confirmed."""

    action = forms.ChoiceField(choices=[("open", "Open"), ("pause", "Pause"), ("close", "Close")])
    confirmed = forms.BooleanField(required=False)


class ParticipantsForm(forms.Form):
    """How many personal links to make."""

    count = forms.IntegerField(
        label="How many people",
        min_value=1,
        max_value=MAX_LINKS_AT_ONCE,
        initial=1,
        help_text=f"1 to {MAX_LINKS_AT_ONCE}. Each person gets a link of their own.",
    )


class InvitationsForm(forms.Form):
    """Whom to invite: a list with an id for each person."""

    people = forms.FileField(
        label="List of people (CSV)",
        help_text="UTF-8, with a column “id” or “label”. An id that has a link keeps it.",
        widget=forms.FileInput(attrs={"accept": ".csv,text/csv"}),
    )


class OpenLinkForm(forms.Form):
    """How many people may join by an open link."""

    cap = forms.IntegerField(
        label="At most",
        min_value=1,
        max_value=MAX_CAP,
        help_text="People who may join by this one link.",
    )


class SearchForm(forms.Form):
    """Which participants to list; read from the address."""

    q = forms.CharField(label="Code or label", required=False, max_length=100, widget=forms.TextInput)
    state = forms.ChoiceField(
        label="State", required=False, choices=[("", "Any state"), *((name, name) for name in (*STATES, EXCLUDED))]
    )
    include_bots = forms.BooleanField(label="Bots and previews too", required=False)

    def search(self) -> Search:
        """Return what is looked for; a field that makes no sense is left out."""
        self.full_clean()
        found = self.cleaned_data
        return Search(found.get("q", ""), found.get("state", ""), found.get("include_bots", False))


class ReasonForm(forms.Form):
    """Why a participant is excluded or included again."""

    reason = forms.CharField(label="Reason", max_length=MAX_REASON)


class MemberForm(forms.Form):
    """Whom to attach to a study, and as what."""

    username = forms.CharField(label="Username", max_length=150)
    role = forms.ChoiceField(label="As", choices=StudyMember.Role.choices)


class ExportForm(forms.Form):
    """What goes into a download; read from the address."""

    include_bots = forms.BooleanField(required=False)
    formula_safe = forms.BooleanField(required=False)
    release = forms.BooleanField(required=False)

    def options(self) -> dict[str, Any]:
        """Return the checked options; a checkbox is never wrong, so neither is the form."""
        self.full_clean()
        return self.cleaned_data
