"""Pages of an account: sign-in and the second factor."""

import logging
from base64 import b32encode
from datetime import timedelta

import segno
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from annotation.errors import ServiceError
from annotation.http import request_user
from annotation.models import User
from personaeval.accounts.browsers import browser_remember
from personaeval.accounts.factor import (
    factor_check,
    factor_confirm,
    factor_of,
    factor_offer,
    factor_offered,
    factor_remove,
)
from personaeval.accounts.forms import CodeForm, SignInForm

logger = logging.getLogger(__name__)


class SignIn(LoginView):
    """Sign in with a password and, where the account has one, a second factor."""

    form_class = SignInForm
    redirect_authenticated_user = True

    def form_valid(self, form: SignInForm) -> HttpResponse:  # type: ignore[override]
        """Let somebody in, and know the browser from now on."""
        response = super().form_valid(form)
        name = form.get_user().get_username()
        logger.info("sign-in of %s", name)
        browser_remember(response, name)
        return response

    def form_invalid(self, form: SignInForm) -> HttpResponse:  # type: ignore[override]
        """Say what is wrong, also in the log."""
        logger.warning("sign-in refused for %s", _name_for_the_log(form.cleaned_data.get("username", "")))
        return super().form_invalid(form)


@login_not_required
def locked_out(request: HttpRequest, original: HttpResponse, credentials: dict[str, str]) -> HttpResponse:
    """Answer what is tried while guesses are locked: by this name, from this address, by browsers not known."""
    logger.warning("sign-in locked for %s", _name_for_the_log(credentials.get("username", "")))
    wait: timedelta = settings.AXES_COOLOFF_TIME
    minutes = round(wait.total_seconds() / 60)
    response = render(request, "registration/locked.html", {"minutes": minutes}, status=429)
    response["Retry-After"] = str(round(wait.total_seconds()))
    return response


@require_http_methods(["GET", "HEAD", "POST"])
def second_factor(request: HttpRequest) -> HttpResponse:
    """Show how to set up a second factor, or that there is one; take the code that sets it up or takes it away."""
    user = request_user(request)
    if request.method != "POST":
        return _page(request, user, CodeForm())
    if "begin" in request.POST:
        factor_offer(user=user)
        return redirect("second_factor")
    form = CodeForm(request.POST)
    if not form.is_valid():
        return _page(request, user, form, status=422)
    try:
        return _take(request, user, form.cleaned_data["code"])
    except ServiceError as error:
        form.add_error("code", str(error))
        return _page(request, user, form, status=422)


def _take(request: HttpRequest, user: User, code: str) -> HttpResponse:
    if factor_of(user) is None:
        spare = factor_confirm(user=user, code=code)
        return render(request, "registration/second_factor.html", {"spare": spare, "has_factor": True})
    factor_check(user=user, code=code)
    factor_remove(user=user, by=user)
    return redirect("second_factor")


def _page(request: HttpRequest, user: User, form: CodeForm, *, status: int = 200) -> HttpResponse:
    context: dict[str, object] = {"form": form, "has_factor": factor_of(user) is not None}
    offered = factor_offered(user)
    if offered:
        picture = segno.make(offered.config_url).svg_inline(scale=5, border=4, omitsize=False)
        context |= {"picture": picture, "secret": b32encode(offered.bin_key).decode()}
    return render(request, "registration/second_factor.html", context, status=status)


def _name_for_the_log(name: str) -> str:
    """Return a name that an account has; what else is typed there may be a password."""
    return name if User.objects.filter(username=name).exists() else "a name that no account has"
