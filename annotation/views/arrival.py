"""Where open links and a recruiting platform send people. Looking changes nothing; a click on "Start" does.

The address at which a platform's people arrive holds their id there; no page ever does.
"""

import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from annotation.errors import NotAllowedNow, NotProven, ServiceError, TooMany
from annotation.http import parse_uuid, to_page
from annotation.languages import asked_language, language_choices, languages_of, speak
from annotation.models import OpenLink
from annotation.prolific_tokens import KeysMissing, NotSigned, signed_ids
from annotation.recruitment import TOKEN_PARAMETER, wrong_parameters
from annotation.services.entrance import full_text, places_taken
from annotation.services.openlinks import joined_before, open_link_join
from annotation.services.recruitment import Asking, Proof, link_proof, participant_arrive, refuse_no_platform
from annotation.study_texts import study_shown
from annotation.views.browsers import HELD, VISIT, keep, kept_visit
from personaeval.clients import client_network

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sent:
    """Whom a platform sends, and whether it has signed that."""

    person: str
    session: str
    is_signed: bool


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def join(request: HttpRequest, token: str) -> HttpResponse:
    """Let somebody in through an open link, or back to the work that they have begun in this browser."""
    link = get_object_or_404(OpenLink.objects.select_related("study"), token=token)
    kept = None if request.POST.get("another") and link.shared_browsers else kept_visit(request)
    own = joined_before(open_link=link, visit=kept) if kept else None
    speak(request, link.study, own)
    context = {**_context(link), "own": own is not None}
    # What was begun in this browser has been erased, or has another link by now.
    has_left = kept is not None and own is None and not link.shared_browsers
    if request.method == "POST" and not has_left:
        # Without the field a click is a visit of its own.
        visit = kept if own and kept else parse_uuid(request.POST.get("visit", str(uuid.uuid4())), "visit")
        return _let_in(request, "annotation/join.html", context, lambda: _joined(request, link, visit))
    if has_left:
        context["refusal"] = _("Somebody has taken part in this browser and has left the study, or has a new link.")
    elif own is None and not (link.is_active and places_taken(link) < link.cap):
        context["refusal"] = full_text(link)
    return render(request, "annotation/join.html", context, status=409 if request.method == "POST" else 200)


def _context(link: OpenLink) -> dict[str, Any]:
    """Return what the pages before a start are given."""
    return {
        "study": study_shown(link.study),
        "link": link,
        "visit": uuid.uuid4(),
        "choices": language_choices(languages_of(link.study)),
    }


def _joined(request: HttpRequest, link: OpenLink, visit: uuid.UUID) -> HttpResponse:
    answer, network = request.POST.get("answer", ""), client_network(request)
    language = asked_language(request, link.study)
    joined = open_link_join(open_link=link, visit=visit, answer=answer, network=network, language=language)
    response = to_page(joined)
    return keep(response, request, VISIT, str(visit))


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def arrive(request: HttpRequest, token: str) -> HttpResponse:
    """Let somebody in whom a platform sends, and send the browser to their own link: no id stays in the address."""
    link = get_object_or_404(OpenLink.objects.select_related("study"), token=token)
    speak(request, link.study)
    context = _context(link)
    wants_token = TOKEN_PARAMETER in request.GET or link.study.recruitment.get("prolific", {}).get("signed")
    wrong = [] if wants_token else wrong_parameters(dict(request.GET.lists()))
    if wrong:
        return render(request, "annotation/arrive.html", {**context, "wrong": wrong}, status=400)
    try:
        refuse_no_platform(link.study)
        sent = _sent(request, is_signed=bool(wants_token))
    except KeysMissing as error:
        logger.error("a signed arrival cannot be checked: %s", error)
        return render(request, "annotation/arrive.html", {**context, "unchecked": True}, status=503)
    except NotSigned as error:
        return render(request, "annotation/arrive.html", {**context, "unsigned": str(error)}, status=403)
    except NotAllowedNow as error:
        return render(request, "annotation/arrive.html", {**context, "refusal": str(error)}, status=409)
    if request.method == "POST":
        return _let_in(request, "annotation/arrive.html", context, lambda: _arrived(request, link, sent))
    return render(request, "annotation/arrive.html", context)


def _sent(request: HttpRequest, *, is_signed: bool) -> Sent:
    ids = (
        signed_ids(request.GET.get(TOKEN_PARAMETER, ""), hosts=[request.get_host()])
        if is_signed
        else request.GET.dict()
    )
    return Sent(str(ids["PROLIFIC_PID"]), str(ids["SESSION_ID"]), is_signed)


def _arrived(request: HttpRequest, link: OpenLink, sent: Sent) -> HttpResponse:
    kept = kept_visit(request)
    given = parse_uuid(request.POST.get("visit", str(uuid.uuid4())), "visit")
    held = _token_in(request.POST.get("own_link", "")) or request.COOKIES.get(HELD, "")
    visits = (kept, given) if kept and not link.shared_browsers else (given,)
    participant = participant_arrive(
        open_link=link,
        person=sent.person,
        session=sent.session,
        proof=Proof(is_signed=sent.is_signed, visits=tuple(filter(None, (kept, given))), link=held),
        asking=Asking(
            request.POST.get("answer", ""),
            client_network(request),
            is_new_browser=len(visits) == 1,
            language=asked_language(request, link.study),
        ),
    )
    keep(to := to_page(participant), request, HELD, link_proof(participant))
    return keep(to, request, VISIT, str(kept or given))


def _token_in(own_link: str) -> str:
    """Return the secret part of a personal link that somebody has pasted."""
    _, found, rest = own_link.strip().partition("/p/")
    return rest.partition("/")[0] if found else ""


def _let_in(
    request: HttpRequest, template: str, context: dict[str, Any], act: Callable[[], HttpResponse]
) -> HttpResponse:
    """Answer a click on "Start"; where it is refused, the same page says why, and can be asked for again."""
    try:
        return act()
    except TooMany as error:
        minutes = max(1, round(error.wait.total_seconds() / 60))
        again = ngettext("Please try again in %(count)s minute.", "Please try again in %(count)s minutes.", minutes)
        refusal = f"{error} {again % {'count': minutes}}"
        response = render(request, template, {**context, "refusal": refusal, "is_early": True}, status=429)
        response["Retry-After"] = str(max(1, round(error.wait.total_seconds())))
        return response
    except NotProven as error:
        return render(request, template, {**context, "unproven": str(error)}, status=403)
    except NotAllowedNow as error:
        return render(request, template, {**context, "refusal": str(error)}, status=409)
    except ServiceError as error:
        return render(request, template, {**context, "wrong_answer": str(error)}, status=422)
