"""Forms of the pages of judgements; read from the address."""

from collections.abc import Mapping
from typing import Any

from django import forms

from modelhub.analysis.judged import Matched
from modelhub.judging.outputs import METRICS

OUTCOMES = {
    "win": "The test wins",
    "tie": "A tie",
    "loss": "The base wins",
    "invalid": "An answer is missing or unscored",
}


class JudgedForm(forms.Form):
    """Which judged pairs to list: those of one comparison, by a metric and its outcome."""

    dataset = forms.CharField(widget=forms.HiddenInput)
    split = forms.CharField(widget=forms.HiddenInput)
    base = forms.CharField(widget=forms.HiddenInput)
    base_source = forms.CharField(widget=forms.HiddenInput)
    test = forms.CharField(widget=forms.HiddenInput)
    source = forms.CharField(widget=forms.HiddenInput)
    judge = forms.CharField(widget=forms.HiddenInput)
    rubric = forms.CharField(widget=forms.HiddenInput)
    metric = forms.ChoiceField(choices=[(metric, metric.capitalize()) for metric in METRICS])
    outcome = forms.ChoiceField(required=False, choices=[("", "Any"), *OUTCOMES.items()])

    def __init__(self, data: Mapping[str, Any]) -> None:
        super().__init__(
            {"metric": METRICS[0], **{name: data.get(name, "") for name in self.base_fields if name in data}}
        )

    def matched(self) -> Matched | None:
        """Return what was compared; None if the address does not say."""
        if not self.is_valid():
            return None
        return Matched(**{name: self.cleaned_data[name] for name in Matched.__dataclass_fields__})
