"""Forms of the pages on which data are brought into a draft."""

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from annotation.bringing import FIELDS_OF, NEEDED
from annotation.fields import LONGEST_NAME, LONGEST_WRITTEN
from annotation.models import Upload
from annotation.rowfiles import ENDINGS
from modelhub.bringing import ADD, REPLACE
from modelhub.models import System
from modelhub.systems.trials import LONGEST_PROMPT

Kind = Upload.Kind
FIELD_NAMES: Mapping[str, str | Promise] = {
    "id": _("Id"),
    "item": _("Id of the item"),
    "prompt": _("Prompt"),
    "persona": _("Persona"),
    "text": _("Response"),
    "arm": _("Arm"),
    "system": _("What made it"),
    "stratum": _("Stratum"),
    "warning": _("Warning"),
    "answer_start": _("Start of the answer"),
    "language": _("Language"),
}


class UploadForm(forms.Form):
    """A file of one kind."""

    kind = forms.ChoiceField(
        label=_("What the file holds"), choices=[(value, _(label)) for value, label in Kind.choices]
    )
    file = forms.FileField(
        label=_("File"),
        max_length=500,
        help_text=_("CSV (commas, semicolons or tabs), JSONL, JSON, Parquet, or a log of inspect_ai or lm-eval."),
        widget=forms.FileInput(attrs={"accept": ",".join([*ENDINGS, ".gz"])}),
    )


class ColumnsForm(forms.Form):
    """Which column holds which field, and how the rows are taken."""

    def __init__(
        self, data: Any = None, *, upload: Upload, columns: Sequence[str], arms: Sequence[tuple[str, str]], **more: Any
    ) -> None:
        """Take the columns of the file, and the arms as they may be named to this person."""
        super().__init__(data, **more)
        self.upload = upload
        for name in FIELDS_OF[upload.kind]:
            self.fields[f"column_{name}"] = forms.ChoiceField(
                label=str(FIELD_NAMES[name]),
                required=name in NEEDED[upload.kind] and name != "text",
                choices=[("", _("– none –")), *((column, column) for column in columns)],
            )
        self.fields |= _options_of(upload, arms)

    def columns(self) -> dict[str, str]:
        """Return the chosen column of each field."""
        chosen = {name: self.cleaned_data.get(f"column_{name}", "") for name in FIELDS_OF[self.upload.kind]}
        return {name: column for name, column in chosen.items() if column}

    def options(self) -> dict[str, Any]:
        """Return how rows are taken."""
        return {name: value for name, value in self.cleaned_data.items() if not name.startswith("column_")}


def _options_of(upload: Upload, arms: Sequence[tuple[str, str]]) -> dict[str, forms.Field]:
    if upload.kind == Kind.OUTPUTS:
        return {
            "arm": forms.ChoiceField(
                label=_("Arm of all rows"),
                required=False,
                choices=[("", _("As the rows say, or the next free one")), *arms],
            ),
            "system": forms.CharField(
                label=_("Name of what made these responses"),
                required=False,
                max_length=LONGEST_NAME,
                help_text=_("Kept where analysts alone see it. It counts for rows that name neither arm nor system."),
            ),
            "allow_unmatched": forms.BooleanField(label=_("Skip rows that belong to no item"), required=False),
            "replace": forms.BooleanField(label=_("Replace responses that differ"), required=False),
        }
    discard = forms.BooleanField(label=_("Discard responses to prompts and personas that change or go"), required=False)
    if upload.kind == Kind.PERSONAS:
        return {"discard_outputs": discard}
    choices = [(ADD, _("Add them to the items that are there")), (REPLACE, _("Put them in place of those"))]
    return {
        "mode": forms.ChoiceField(label=_("What becomes of the items"), choices=choices),
        "discard_outputs": discard,
    }


class TrialForm(forms.Form):
    """A prompt, and somebody to answer it for."""

    prompt = forms.CharField(
        label=_("Prompt"), max_length=LONGEST_PROMPT, widget=forms.Textarea(attrs={"rows": 3}), strip=False
    )
    persona = forms.CharField(
        label=_("Persona (optional)"), max_length=LONGEST_WRITTEN, required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
    )  # fmt: skip


class BindForm(forms.Form):
    """Which registered system each arm of a draft is."""

    def __init__(self, data: Any = None, *, arms: Mapping[str, str]) -> None:
        """Take the arms by code, each with the name of its system, "" while it has none."""
        super().__init__(data)
        systems = [(name, name) for name in System.objects.order_by("name").values_list("name", flat=True)]
        for number, (code, name) in enumerate(arms.items(), start=1):
            self.fields[code] = forms.ChoiceField(
                label=gettext("Arm %(number)s (%(code)s)") % {"number": number, "code": code},
                required=False,
                initial=name,
                choices=systems if name else [("", _("– none –")), *systems],
            )

    def clean(self) -> dict[str, Any]:
        """Refuse a form that binds nothing."""
        if not any(self.cleaned_data.values()):
            raise forms.ValidationError(_("Choose a system for an arm."))
        return self.cleaned_data

    def bindings(self) -> dict[str, str]:
        """Return the system of each arm for which one was chosen."""
        return {code: name for code, name in self.cleaned_data.items() if name}
