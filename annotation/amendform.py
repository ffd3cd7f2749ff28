"""The form of an amendment: a field for each value that an opened study may still change."""

from collections.abc import Iterator, Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from annotation.fields import plain_lines
from annotation.forms import ReasonField, WholeNumberField
from annotation.models import Study
from annotation.services.amendments import NUMBERS, TEXTS, AmendmentError, Wanted, value_of

_LINES = ("title", "contact")
_LABELS = {
    "title": gettext_lazy("Title"),
    "contact": gettext_lazy("Contact"),
    "consent": gettext_lazy("Consent"),
    "instructions": gettext_lazy("Instructions"),
    "debrief": gettext_lazy("Text at the end"),
    "content_warning": gettext_lazy("Content warning"),
    "raters_per_item": gettext_lazy("Raters per item"),
    "assignment_hours": gettext_lazy("Hours for which a part is held"),
    "quota": gettext_lazy("Quota: people who may take part"),
}
_HELP = {
    "consent": gettext_lazy("Whoever has agreed has agreed to the text as it stood. A board may have to see a change."),
    "quota": gettext_lazy("Empty: no quota."),
}
LARGEST = 32_000


class AmendmentForm(forms.Form):
    """Holds what stands now. Texts of a study in several languages have a field for each of them."""

    def __init__(self, study: Study, data: Mapping[str, Any] | None = None) -> None:
        super().__init__(data, initial={name: value_of(study, what, code) for name, what, code in _fields(study)})
        self.study = study
        for name, what, code in _fields(study):
            self.fields[name] = _field(what, code)
        self.fields["reason"] = ReasonField(
            label=_("Reason"), help_text=_("It stands in the log and in every codebook, beside what was changed.")
        )

    def wanted(self) -> list[Wanted]:
        """Return the values of the valid form."""
        return [Wanted(what, _plain(self.cleaned_data[name]), code) for name, what, code in _fields(self.study)]

    def take(self, error: AmendmentError) -> None:
        """Put what the study file would say of the values at their fields."""
        for name, what, code in _fields(self.study):
            if problem := error.problems.get((what, code)):
                self.add_error(name, _("This value %(problem)s.") % {"problem": problem})


class WaveForm(forms.Form):
    """A file with items to add to an opened study."""

    items = forms.FileField(
        label=gettext_lazy("Items (CSV, JSONL or Parquet, or a .zip with their images)"),
        help_text=gettext_lazy(
            "Columns as for items of a draft. Where no system answers for an arm, response_1, response_2 and so on "
            "hold the responses, by the numbers of the arms. image names a file in the .zip, and image_alt says what "
            "it shows."
        ),
    )
    reason = ReasonField(label=gettext_lazy("Reason"))


def _fields(study: Study) -> Iterator[tuple[str, str, str]]:
    """Yield the name of each field, what it changes, and the language of a text that is not in the first."""
    for what in TEXTS:
        yield what, what, ""
        for code in study.languages[1:]:
            yield f"{what}-{code}", what, code
    for what in NUMBERS:
        yield what, what, ""


def _field(what: str, code: str) -> forms.Field:
    label = f"{_LABELS[what]} ({code})" if code else _LABELS[what]
    help_text = _HELP.get(what, "")
    if what in NUMBERS:
        return WholeNumberField(
            label=label, min_value=1, max_value=LARGEST, required=what != "quota", help_text=help_text
        )
    widget = (
        forms.TextInput() if what in _LINES else forms.Textarea(attrs={"rows": 8, **({"lang": code} if code else {})})
    )
    return forms.CharField(label=label, required=False, strip=False, widget=widget, help_text=help_text)


def _plain(value: Any) -> Any:
    return plain_lines(value) if isinstance(value, str) else value
