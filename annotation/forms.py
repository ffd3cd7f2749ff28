"""Researchers' forms."""

from typing import Any

from django import forms

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


class OpenLinkForm(forms.Form):
    """How many people may join by an open link."""

    cap = forms.IntegerField(
        label="At most",
        min_value=1,
        max_value=MAX_CAP,
        help_text="People who may join by this one link.",
    )


class ExportForm(forms.Form):
    """What goes into a download; read from the address."""

    include_bots = forms.BooleanField(required=False)
    formula_safe = forms.BooleanField(required=False)

    def options(self) -> dict[str, Any]:
        """Return the checked options; a checkbox is never wrong, so neither is the form."""
        self.full_clean()
        return self.cleaned_data
