"""Guards for views, and the shapes of answers they share. A guard answers 404 to strangers."""

import uuid
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import BadRequest
from django.db import transaction
from django.db.models import F
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from annotation.fields import plain_lines, whole_number
from annotation.frozen import study_as_it_stands
from annotation.languages import speak
from annotation.models import Assignment, Participant, Study, StudyMember, User
from annotation.permissions import (
    KEY_ONLY,
    NO_ROLE,
    READS_ONLY,
    AccessRefused,
    attached_role,
    has_role,
    may_have_key,
    visible_studies,
)
from annotation.prepared import KeptQuery
from annotation.services.places import assignment_by_key

ParticipantView = Callable[..., HttpResponse]
P = ParamSpec("P")
Answer = TypeVar("Answer", bound=HttpResponseBase)


def read_view(view: Callable[Concatenate[HttpRequest, P], Answer]) -> Callable[Concatenate[HttpRequest, P], Answer]:
    """Turn a view into one for GET and HEAD. HEAD gets the headers that GET gets, and changes nothing."""
    return require_safe(head_changes_nothing(view))


def form_view(
    page: str, *names: str
) -> Callable[[Callable[Concatenate[HttpRequest, P], Answer]], Callable[..., HttpResponseBase]]:
    """Turn a view into one that takes a form which stands on `page`.

    A form that is refused is answered at this address, which a browser may reload, keep or come back to: then it leads
    to the page. `names` are the parts of the address that the page has too: those of a study, if it is of one.
    """

    def decorate(view: Callable[Concatenate[HttpRequest, P], Answer]) -> Callable[..., HttpResponseBase]:
        @wraps(view)
        def answer(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            if request.method == "POST":
                return view(request, *args, **kwargs)
            shared = {name: kwargs[name] for name in names or ("slug", "version") if name in kwargs}
            return HttpResponseRedirect(reverse(page, kwargs=shared))

        return require_http_methods(["GET", "HEAD", "POST"])(answer)

    return decorate


def head_changes_nothing(
    view: Callable[Concatenate[HttpRequest, P], Answer],
) -> Callable[Concatenate[HttpRequest, P], Answer]:
    """Take back what the view has written where only the headers were asked for, as mail scanners do with links.

    The web server leaves the body out; one that would be made while it is sent is not even begun.
    """

    @wraps(view)
    def answer(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> Answer:
        if request.method != "HEAD":
            return view(request, *args, **kwargs)
        with transaction.atomic():
            response = view(request, *args, **kwargs)
            transaction.set_rollback(True)
        if isinstance(response, StreamingHttpResponse):
            response.streaming_content = ()
        return response

    return answer


def request_user(request: HttpRequest) -> User:
    """Return the signed-in user. Only for views that LoginRequiredMiddleware protects."""
    assert isinstance(request.user, User)
    return request.user


def get_researcher(request: HttpRequest) -> User:
    """Return the signed-in user, who must be a researcher, an analyst or an admin.

    Raises:
        AccessRefused: the account has no role.
    """
    user = request_user(request)
    if not has_role(user):
        raise AccessRefused(NO_ROLE)
    return user


def get_study_for_researcher(request: HttpRequest, slug: str, version: int, *, leaves_it: bool = False) -> Study:
    """Return the study if the signed-in user owns it, was attached to it, or is an admin.

    Every method but GET and HEAD is taken to change the study, unless it `leaves_it` as it is.

    Raises:
        AccessRefused: the account has no role, or would change a study that it may only read.
        Http404: the study does not exist or belongs to somebody else; both look the same from outside.
    """
    user = get_researcher(request)
    study = get_object_or_404(visible_studies(user), slug=slug, version=version)
    changes = request.method not in ("GET", "HEAD") and not leaves_it
    if changes and attached_role(user, study) == StudyMember.Role.ANALYST:
        raise AccessRefused(READS_ONLY)
    return study


def get_study_to_run(request: HttpRequest, slug: str, version: int) -> Study:
    """Return the study as `get_study_for_researcher` does, to those who run it: links are no analyst's business.

    Raises:
        AccessRefused, Http404: as there; AccessRefused also for who was attached as an analyst.
    """
    study = get_study_for_researcher(request, slug, version)
    if attached_role(request_user(request), study) == StudyMember.Role.ANALYST:
        raise AccessRefused(READS_ONLY)
    return study


def get_study_with_key(request: HttpRequest, slug: str, version: int) -> Study:
    """Return the study to those who may have the key that says which participant is whom.

    Raises:
        AccessRefused, Http404: as `get_study_for_researcher`; AccessRefused also for whoever is attached to the study.
    """
    study = get_study_for_researcher(request, slug, version)
    if not may_have_key(request_user(request), study):
        raise AccessRefused(KEY_ONLY)
    return study


_BY_TOKEN = KeptQuery(
    lambda token: Participant.objects.filter(token=token, erased_at__isnull=True).annotate(
        study_state=F("study__state"), study_hash=F("study__protocol_hash"), study_opened_at=F("study__opened_at")
    ),
    texts=("token",),
)


def get_participant(token: str) -> Participant:
    """Return the participant whose link this is, with the study.

    Raises:
        Http404: no such link, or the person's data has been erased.
    """
    found: Any = _BY_TOKEN.first(token=token)
    if found is None:
        raise Http404("No participant has this link.")
    participant: Participant = found
    participant.study = study_as_it_stands(
        pk=found.study_id, state=found.study_state, protocol_hash=found.study_hash, opened_at=found.study_opened_at
    )
    return participant


def participant_view(*methods: str) -> Callable[[ParticipantView], Callable[..., HttpResponse]]:
    """Turn `view(request, participant, …)` into a public view under a participant's link.

    No session is looked at: the link alone says who it is, so two people's links never mix in one browser.
    """

    takes = require_http_methods(list(methods)) if "GET" in methods else form_view("annotation:participant", "token")

    def decorate(view: ParticipantView) -> Callable[..., HttpResponse]:
        @head_changes_nothing
        @wraps(view)
        def guarded(request: HttpRequest, token: str, **kwargs: Any) -> HttpResponse:
            participant = get_participant(token)
            speak(request, participant.study, participant)
            return view(request, participant, **kwargs)

        return cast("Callable[..., HttpResponse]", login_not_required(takes(guarded)))

    return decorate


def get_assignment(participant: Participant, key: str, *, with_outputs: bool = True) -> Assignment:
    """Return this participant's assignment with that key, with all its pages need.

    Raises:
        Http404: no such assignment, or somebody else's.
    """
    assignment = assignment_by_key(participant, key, with_outputs=with_outputs)
    if assignment is None:
        raise Http404("This participant has no such part.")
    return assignment


def to_page(participant: Participant) -> HttpResponseRedirect:
    """Send the browser to the participant's one page, where the server decides what comes."""
    return redirect("annotation:participant", token=participant.token)


def parse_uuid(text: str, field: str) -> uuid.UUID:
    """Return the UUID in a form field.

    Raises:
        BadRequest: it is none; only a broken client sends such a thing.
    """
    try:
        return uuid.UUID(text)
    except ValueError as error:
        raise BadRequest(f"{field} must be a UUID") from error


def parse_int(text: str, field: str) -> int:
    """Return the non-negative integer in a form field.

    Raises:
        BadRequest: it is none, or has more than nine digits.
    """
    try:
        return whole_number(text)
    except ValueError as error:
        raise BadRequest(f"{field} {error}") from error


def posted_text(request: HttpRequest, field: str) -> str:
    """Return what was typed into a form field, with plain line ends; "" where the form lacks it."""
    return plain_lines(request.POST.get(field, ""))
