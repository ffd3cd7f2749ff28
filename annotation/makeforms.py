"""Forms that make a study: from one to start from, from a file, or as a copy."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _

from annotation.fields import check_line
from annotation.models import Study, User
from annotation.permissions import visible_studies
from annotation.studyfile.starters import STARTERS

_LONGEST = {field.name: getattr(field, "max_length", None) for field in Study._meta.fields}


class LineField(forms.CharField):
    """A text in one line, held to what study files are held to."""

    def clean(self, value: Any) -> Any:
        """Return the line; raise ValidationError with what is wrong."""
        try:
            return check_line(super().clean(value))
        except ValueError as error:
            raise ValidationError(f"This {error}.") from error


class NamedForm(forms.Form):
    """A title, and a short name that is made of it where none is given."""

    title = LineField(label=_("Title"), max_length=_LONGEST["title"], help_text=_("Participants read it."))
    slug = forms.CharField(
        label=_("Short name"),
        max_length=_LONGEST["slug"],
        required=False,
        help_text=_("For addresses and files: small letters, digits and hyphens. Empty: made from the title."),
    )

    def clean(self) -> dict[str, Any]:
        """Make the short name; raise ValidationError where the title holds no letters that it can be made of."""
        found = super().clean() or {}
        if "title" in found and not found.get("slug"):
            found["slug"] = slugify(found["title"])[: _LONGEST["slug"]].strip("-_")
            if not found["slug"]:
                self.add_error("slug", _("Write a short name in Latin letters, such as garden-advice."))
        return found


class StarterForm(NamedForm):
    """Which study to start from."""

    starter = forms.ChoiceField(
        label=_("Start from"), choices=[(one.name, one.title) for one in STARTERS], widget=forms.RadioSelect
    )


class StudyFileForm(forms.Form):
    """A study file, or an archive with the files of its items."""

    file = forms.FileField(
        label=_("Study file (.yaml), or a .zip with it and its files of items"),
        widget=forms.FileInput(attrs={"accept": ".yaml,.yml,.zip"}),
    )


class CopyForm(NamedForm):
    """Which study to copy."""

    study = forms.ModelChoiceField(label=_("Study"), queryset=Study.objects.none())

    def __init__(self, user: User, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        field = self.fields["study"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = visible_studies(user)
