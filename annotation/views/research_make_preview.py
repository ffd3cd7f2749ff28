"""A participant's page beside the form: rendered from what is typed, by the participant's own templates."""

import re
from pathlib import Path
from typing import Any

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.translation import override

from annotation.models import Study
from annotation.sampleviews import PAGES, pages_of, sample_context, template_of
from annotation.studyfile import StudyDefinition, StudyFileError, read_study_data
from annotation.studyforms.editing import languages_in

# A frame without scripts would only complain of them.
_SCRIPT = re.compile(r"\s*<script\b[^>]*></script>")


def preview_context(
    request: HttpRequest, study: Study, typed: dict[str, Any], shown: str, folder: Path | None = None
) -> dict[str, Any]:
    """Return the page that the form asks for, or `shown`, as a document for a frame; or what is wrong.

    New images lie in `folder`.
    """
    asked = request.POST.get("shows", shown)
    try:
        definition = read_study_data(typed, folder)
    except StudyFileError as error:
        pages = [(name, title, name == asked) for name, title in PAGES.items()]
        return {"preview_pages": pages, "preview_problems": error.problems[:3]}
    there = pages_of(definition)
    page = asked if asked in there else shown if shown in there else there[0]
    pages = [(name, PAGES[name], name == page) for name in there]
    return {"preview_pages": pages, "preview": page_document(request, study, definition, page, languages_in(typed)[0])}


def page_document(request: HttpRequest, study: Study, definition: StudyDefinition, page: str, language: str) -> str:
    """Return a participant's page in one of the study's languages, as a document for a frame without scripts.

    Its images are those that are stored with the study.
    """
    with override(language):
        context = {**sample_context(definition, page), "messages": (), "images_of": study}
        document = render_to_string(template_of(page), context, request)
    return _SCRIPT.sub("", document)
