"""Forms of the modelhub's pages."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from annotation.fields import LONGEST_REASON, plain_lines
from annotation.forms import ReasonField, WholeNumberField
from annotation.models import Study
from annotation.queries_reminders import NOT_BEGUN, NOT_FINISHED
from annotation.services.rehearsals import MOST_BOTS
from modelhub.models import PersonaSource, Run
from modelhub.pipeline_results.judged import Matched
from modelhub.prompting.output_judging import METRICS
from modelhub.queries.pairs import FLAG_KINDS, VERDICTS, PairSearch
from modelhub.queries.runs import RunSearch
from modelhub.queries.systems import KEPT, LEFT_OUT, MOST_SIDE_BY_SIDE, OutputSearch
from modelhub.stats.texts import FEWEST

OUTCOMES = {
    "win": _("The test wins"),
    "tie": _("A tie"),
    "loss": _("The base wins"),
    "invalid": _("An answer is missing or unscored"),
}


_TOO_LONG = {"max_length": format_lazy(_("Say it in at most {most} characters."), most=LONGEST_REASON)}


class ExcludeForm(forms.Form):
    """Why a pair is left out."""

    reason = ReasonField(error_messages={"required": _("Say why this pair is left out."), **_TOO_LONG})


class RefuseForm(forms.Form):
    """Why a held persona is left out."""

    reason = ReasonField(error_messages={"required": _("Say why this is refused."), **_TOO_LONG})


class RunForm(forms.Form):
    """Which runs to list; read from the address."""

    stage = forms.ChoiceField(required=False)
    state = forms.ChoiceField(
        required=False,
        choices=[("", _("Any state")), *((state.value, state.value.capitalize()) for state in Run.State)],
    )
    study = forms.ChoiceField(required=False)

    def __init__(self, data: Mapping[str, Any], *, stages: Sequence[str], studies: Sequence[Study]) -> None:
        super().__init__(data)
        _choose(self, "stage", _("Any stage"), stages)
        _choice_field(self, "study").choices = [("", _("Any or none")), *((str(one.pk), str(one)) for one in studies)]

    def search(self) -> RunSearch:
        """Return what is looked for; a field that makes no sense is left out."""
        self.full_clean()
        return RunSearch(**{name: self.cleaned_data.get(name, "") for name in self.fields})


class PairForm(forms.Form):
    """Which pairs to list; read from the address."""

    dataset = forms.ChoiceField(label=_("Data set"), required=False)
    split = forms.ChoiceField(required=False)
    system = forms.ChoiceField(label=_("Personas inferred by"), required=False)
    q = forms.CharField(label=_("Prompt contains"), required=False, max_length=200, widget=forms.TextInput)
    flag = forms.ChoiceField(
        label=_("Flag"),
        required=False,
        choices=[("", _("Any or none")), *((kind, kind.capitalize()) for kind in FLAG_KINDS)],
    )
    verdict = forms.ChoiceField(
        label=_("Judged"), required=False, choices=[("", _("Any or not at all")), *VERDICTS.items()]
    )

    def __init__(self, data: Mapping[str, Any], *, splits: Sequence[tuple[str, str]], systems: Sequence[str]) -> None:
        super().__init__(data)
        self._systems = systems
        _choose(self, "dataset", _("Any data set"), dict.fromkeys(dataset for dataset, _ in splits))
        _choose(self, "split", _("Any split"), sorted({split for _, split in splits}))
        _choose(self, "system", "", systems)

    def search(self) -> PairSearch:
        """Return what is looked for, the first system if none is named; a field that makes no sense is left out."""
        self.full_clean()
        found = {name: self.cleaned_data.get(name, "") for name in self.fields}
        found["system"] = found["system"] or next(iter(self._systems), "")
        return PairSearch(**found)


class ResultsForm(forms.Form):
    """Which data set's results to show; read from the address."""

    dataset = forms.ChoiceField(label=_("Data set"), required=False)

    def __init__(self, data: Mapping[str, Any], *, datasets: Sequence[str]) -> None:
        super().__init__(data)
        _choose(self, "dataset", _("All data sets"), datasets)

    def dataset_chosen(self) -> str:
        """Return the name of the data set; empty for all of them."""
        self.full_clean()
        return str(self.cleaned_data.get("dataset", ""))


class WordsForm(forms.Form):
    """Whose personas' words to compare; read from the address. What it leaves open is filled in."""

    dataset = forms.ChoiceField(label=_("Data set"), required=False)
    system = forms.ChoiceField(label=_("Personas inferred by"), required=False)
    min_count = WholeNumberField(label=_("In at least this many personas"), min_value=1, max_value=10_000)

    def __init__(self, data: Mapping[str, Any], *, sources: Sequence[tuple[str, str]]) -> None:
        dataset = data.get("dataset") or next((name for name, _ in sources), "")
        system = next((system for name, system in sources if name == dataset), "")
        given = {name: data[name] for name in self.base_fields if data.get(name)}
        super().__init__({"dataset": dataset, "system": system, "min_count": FEWEST, **given})
        _choose(self, "dataset", "", dict.fromkeys(name for name, _ in sources))
        _choose(self, "system", "", sorted({name for _, name in sources}))


class AttributesForm(forms.Form):
    """Which data set's preferences to describe, and the study whose people stand beside; read from the address."""

    dataset = forms.ChoiceField(label=_("Data set"), required=False)
    study = forms.ChoiceField(label=_("People of the closed study"), required=False)

    def __init__(self, data: Mapping[str, Any], *, datasets: Sequence[str], studies: Mapping[str, str]) -> None:
        super().__init__(data)
        _choose(self, "dataset", _("All data sets"), datasets)
        _choice_field(self, "study").choices = [("", "None"), *studies.items()]

    def asked(self) -> dict[str, str]:
        """Return what is asked for; a field that makes no sense is left out."""
        self.full_clean()
        return {name: str(self.cleaned_data.get(name, "")) for name in self.fields}


class OutputsForm(forms.Form):
    """Whose outputs to show side by side; read from the address. What it leaves open is filled in."""

    dataset = forms.ChoiceField(label=_("Data set"), required=False)
    split = forms.ChoiceField(required=False)
    source = forms.ChoiceField(label=_("Persona"), required=False)
    systems = forms.MultipleChoiceField(
        required=False,
        help_text=format_lazy(_("Up to {most}: hold Ctrl or ⌘ for several."), most=MOST_SIDE_BY_SIDE),
        widget=forms.SelectMultiple(attrs={"size": 4}),
    )
    q = forms.CharField(label=_("Prompt contains"), required=False, max_length=200, widget=forms.TextInput)
    shown = forms.ChoiceField(
        label=_("Pairs"),
        required=False,
        choices=[("", _("All")), (KEPT, _("Not left out")), (LEFT_OUT, _("Left out alone"))],
    )

    def __init__(self, data: QueryDict, *, groups: Sequence[tuple[str, str, str, str]]) -> None:
        super().__init__(_with_first_group(data, groups))
        _choose(self, "dataset", "", dict.fromkeys(dataset for dataset, *_ in groups))
        _choose(self, "split", "", sorted({split for _, split, *_ in groups}))
        there = {source for *_, source, _ in groups}
        _choice_field(self, "source").choices = [one for one in PersonaSource.choices if one[0] in there]
        _choice_field(self, "systems").choices = [(name, name) for name in sorted({name for *_, name in groups})]

    def search(self) -> OutputSearch | None:
        """Return what is looked for, None while nothing was answered; a field that makes no sense is left out."""
        self.full_clean()
        asked = self.cleaned_data
        if not all(asked.get(name) for name in ("dataset", "split", "source", "systems")):
            return None
        found = {name: asked.get(name, "") for name in ("dataset", "split", "source", "q", "shown")}
        return OutputSearch(systems=asked["systems"][:MOST_SIDE_BY_SIDE], **found)


class JudgedForm(forms.Form):
    """Which judged pairs to list: those of one comparison, by a metric and its outcome; read from the address."""

    dataset = forms.CharField(widget=forms.HiddenInput)
    split = forms.CharField(widget=forms.HiddenInput)
    base = forms.CharField(widget=forms.HiddenInput)
    base_source = forms.CharField(widget=forms.HiddenInput)
    test = forms.CharField(widget=forms.HiddenInput)
    source = forms.CharField(widget=forms.HiddenInput)
    judge = forms.CharField(widget=forms.HiddenInput)
    rubric = forms.CharField(widget=forms.HiddenInput)
    inferred_by = forms.CharField(required=False, widget=forms.HiddenInput)
    metric = forms.ChoiceField(choices=[(metric, metric.capitalize()) for metric in METRICS])
    outcome = forms.ChoiceField(required=False, choices=[("", _("Any")), *OUTCOMES.items()])

    def __init__(self, data: Mapping[str, Any]) -> None:
        super().__init__(
            {"metric": METRICS[0], **{name: data.get(name, "") for name in self.base_fields if name in data}}
        )

    def matched(self) -> Matched | None:
        """Return what was compared; None if the address does not say."""
        if not self.is_valid():
            return None
        return Matched(**{name: self.cleaned_data[name] for name in Matched.__dataclass_fields__})


def _choose(form: forms.Form, name: str, anything: str | Promise, values: Iterable[str]) -> None:
    """Let a field be one of `values`, or empty under the name `anything` if it has one."""
    choices = [*([("", anything)] if anything else []), *((value, value) for value in values)]
    _choice_field(form, name).choices = choices


def _choice_field(form: forms.Form, name: str) -> forms.ChoiceField:
    field = form.fields[name]
    assert isinstance(field, forms.ChoiceField)
    return field


def _with_first_group(data: QueryDict, groups: Sequence[tuple[str, str, str, str]]) -> QueryDict:
    """Return what was asked; where the place is left open, the first with outputs, and its first two systems."""
    asked = data.copy()
    for number, name in enumerate(("dataset", "split", "source")):
        asked.setdefault(name, next((group[number] for group in groups), ""))
        groups = [group for group in groups if group[number] == asked[name]] or groups
    if "systems" not in asked:
        asked.setlist("systems", list(dict.fromkeys(name for *_, name in groups))[:2])
    return asked


class RehearsalForm(forms.Form):
    """How many bots take the study, and how many of them pay no heed."""

    bots = WholeNumberField(label=_("Bots"), min_value=1, max_value=MOST_BOTS, initial=5)
    careless = WholeNumberField(
        label=_("Careless, in per cent"),
        min_value=0,
        max_value=100,
        initial=0,
        help_text=_("These read no check and no quiz, so that you see what your exclusion rules flag."),
    )


def _check_link(text: str) -> None:
    if "{link}" not in text:
        raise ValidationError(_("Write {link} where the link is to stand."))


class ReminderForm(forms.Form):
    """What people who were invited by e-mail are reminded of."""

    to = forms.ChoiceField(
        label=_("To"),
        choices=[(NOT_BEGUN, _("Who has not begun")), (NOT_FINISHED, _("Who has begun and not finished"))],
    )
    subject = forms.CharField(label=_("Subject"), max_length=150)
    text = forms.CharField(
        label=_("Text"),
        max_length=4_000,
        widget=forms.Textarea(attrs={"rows": 8}),
        validators=[_check_link],
        help_text=_(
            "Where {link} stands, each person gets their own link. Say who you are, and how to be left in peace."
        ),
    )

    def arguments(self) -> dict[str, str]:
        """Return what the valid form asks for, as a job keeps it."""
        return {name: plain_lines(value) for name, value in self.cleaned_data.items()}
