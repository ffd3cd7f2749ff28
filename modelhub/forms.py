"""Forms of the modelhub's pages."""

from django import forms

from annotation.services.outputs import MAX_REASON


class ExcludeForm(forms.Form):
    """Why a pair is left out."""

    reason = forms.CharField(
        max_length=MAX_REASON,
        error_messages={
            "required": "Say why this pair is left out.",
            "max_length": f"Say it in at most {MAX_REASON} characters.",
        },
    )
