"""Languages: which a study has, which of them somebody reads it in, and what a page says about its own.

The interface speaks `settings.LANGUAGES`. A study has one or more of them, in the order of its file; the texts in the
first stand in the study's own fields, those in the others in `Study.translations`.
"""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import activate, get_language, get_language_bidi
from django.utils.translation.trans_real import parse_accept_lang_header

from annotation.catalogue import catalogue_version
from annotation.models import Participant, Study

CHOSEN = "lang"  # the field of addresses and forms that names a language


def languages_of(study: Study) -> list[str]:
    """Return the languages of a study, the first one first; those from before there were several are English."""
    return study.languages or [settings.LANGUAGE_CODE]


def speak(request: HttpRequest, study: Study, participant: Participant | None = None) -> str:
    """Let everything that this request says be in the language in which the study is read here; return it.

    It is one of the study's own, never the browser's where the study lacks that: what was fixed with the consent; else
    what the address or the form names, what was chosen before, what the browser asks for, or the study's first.
    """
    language = _language(request, languages_of(study), participant)
    activate(language)
    return language


def _language(request: HttpRequest, languages: list[str], participant: Participant | None) -> str:
    if len(languages) == 1:
        return languages[0]
    kept = participant.language if participant else ""
    if participant and participant.consented_at:
        return kept if kept in languages else languages[0]
    asked = (request.POST.get(CHOSEN, ""), request.GET.get(CHOSEN, ""), kept)
    wanted = [language for language in asked if language in languages]
    return next(iter([*wanted, *_accepted(request, languages)]), languages[0])


def asked_language(request: HttpRequest, study: Study) -> str:
    """Return the language that the address or the form names; empty unless the study has it."""
    named = request.POST.get(CHOSEN) or request.GET.get(CHOSEN, "")
    return named if named in languages_of(study) else ""


def _accepted(request: HttpRequest, languages: list[str]) -> list[str]:
    """Return those languages that the browser asks for, the most wanted first: `de` for `de-AT`, `zh-hans` for `zh`."""
    wanted = parse_accept_lang_header(request.headers.get("Accept-Language", ""))
    found = []
    for tag, _ in wanted:
        found += [language for language in languages if language == tag]
        found += [language for language in languages if language.split("-")[0] == tag.split("-")[0]]
    return found


def page_language(request: HttpRequest) -> dict[str, Any]:
    """Give every template the page's language and direction, and where its scripts find their words.

    English scripts need none: they fall back to what stands in them.
    """
    language = get_language() or settings.LANGUAGE_CODE
    is_source = language == settings.LANGUAGE_CODE
    words = "" if is_source else f"{reverse('words', args=[language])}?v={catalogue_version(language)}"
    return {
        "LANGUAGE_CODE": language,
        "LANGUAGE_BIDI": get_language_bidi(),
        "LANGUAGES": settings.LANGUAGES,
        "words_url": words,
    }


def language_choices(languages: list[str]) -> list[dict[str, str]]:
    """Return what a switch offers: each language's code, and its name in itself; nothing where there is no choice."""
    if len(languages) < 2:
        return []
    names = dict(settings.LANGUAGES)
    return [{"code": code, "name": names[code]} for code in languages]
