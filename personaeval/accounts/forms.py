"""Forms of sign-in and of the second factor."""

from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm
from django.utils.translation import gettext_lazy as _

from annotation.errors import ServiceError
from personaeval.accounts.factor import factor_check, factor_of

CODE = {"autocomplete": "one-time-code", "autocapitalize": "off", "spellcheck": "false"}
MAX_CODE = 20


class SignInForm(AuthenticationForm):
    """Name and password, and a code where the account has a second factor."""

    code = forms.CharField(
        label=_("Code (if you have set up a second factor)"),
        required=False,
        max_length=MAX_CODE,
        widget=forms.TextInput(attrs=CODE),
    )

    def clean(self) -> dict[str, Any]:
        """Check the password first: whoever does not know it does not learn whether there is a second factor."""
        cleaned: dict[str, Any] = super().clean()
        user = self.get_user()
        if user is not None and factor_of(user):
            try:
                factor_check(user=user, code=cleaned.get("code", ""))
            except ServiceError as error:
                self.add_error("code", str(error))
        return cleaned


class CodeForm(forms.Form):
    """The code that an app shows, to set a second factor up or to take it away."""

    code = forms.CharField(label=_("Code that your app shows"), max_length=MAX_CODE, widget=forms.TextInput(attrs=CODE))
