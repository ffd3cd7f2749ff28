"""Error pages. They say what happened and what to do, and nothing about how the application works inside."""

import logging

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from annotation.permissions import AccessRefused

logger = logging.getLogger(__name__)


def _error(request: HttpRequest, *, status: int, title: str, text: str) -> HttpResponse:
    return render(request, "error.html", {"title": title, "text": text}, status=status)


@login_not_required
def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _error(
        request,
        status=400,
        title=_("That request could not be read"),
        text=_("Go back, reload the page and try again. Nothing that was saved before is lost."),
    )


@login_not_required
def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _error(
        request,
        status=403,
        title=_("Not allowed"),
        text=str(exception)
        if isinstance(exception, AccessRefused)
        else _("Your account may not do this. Ask the person who runs this site for the permission."),
    )


@login_not_required
def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _error(
        request,
        status=404,
        title=_("There is nothing at this address"),
        text=_(
            "Check that you copied the whole link, up to its last character. If it still fails, ask whoever sent it."
        ),
    )


@login_not_required
def server_error(request: HttpRequest) -> HttpResponse:
    return _error(
        request,
        status=500,
        title=_("Something went wrong on our side"),
        text=_("Reload the page in a moment. Everything that was marked as saved is kept."),
    )


@login_not_required
def nothing_stored(request: HttpRequest) -> HttpResponse:
    return _error(
        request,
        status=507,
        title="Nothing can be saved at the moment",
        text="The disk of this site is full, or its database takes nothing. What you have just sent was not saved: go "
        "back, leave the page open and send it again later. All that was saved before is kept and can be read. Please "
        "tell the person who runs this site.",
    )


@login_not_required
def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Say that a form cannot be taken; where no form can be, because of a setting, say who has to change it."""
    if request.headers.get("X-Forwarded-Proto") == "https" and not settings.HTTPS:
        logger.error("a form was refused: the proxy speaks HTTPS and HTTPS is not set; set HTTPS=1 (docs/settings.md)")
        return _error(
            request,
            status=403,
            title="This site is not set up completely",
            text="Nothing can be sent here until the person who runs this site has set HTTPS=1, since it is reached by "
            "HTTPS. Please tell them. Nothing that was saved before is lost.",
        )
    return _error(
        request,
        status=403,
        title=_("This page has expired"),
        text=_(
            "Reload the page and send it again. This happens when cookies are blocked or the page was open for long."
        ),
    )
