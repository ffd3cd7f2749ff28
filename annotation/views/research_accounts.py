"""Accounts of researchers, for the admins of the site."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from annotation.errors import ServiceError
from annotation.forms import AccountForm
from annotation.http import form_view, get_researcher, read_view
from annotation.models import User
from annotation.permissions import ADMIN_ONLY, AccessRefused, Role
from annotation.services.accounts import account_activate, account_create, account_password_renew


@read_view
def accounts(request: HttpRequest) -> HttpResponse:
    """List the accounts, with the form that makes another one."""
    _admin(request)
    return _page(request)


@form_view("annotation:accounts")
def account_add(request: HttpRequest) -> HttpResponse:
    """Make an account, and show its password once."""
    admin, form = _admin(request), AccountForm(request.POST)
    if not form.is_valid():
        return _page(request, form=form, status=422)
    try:
        made, password = account_create(
            username=form.cleaned_data["username"], role=Role(form.cleaned_data["role"]), by=admin
        )
    except ServiceError as error:
        form.add_error("username", str(error))
        return _page(request, form=form, status=409)
    return _page(request, shown=(made.username, password))


@form_view("annotation:accounts")
def account_renew(request: HttpRequest, pk: int) -> HttpResponse:
    """Give an account another password, and show it once."""
    admin = _admin(request)
    user = get_object_or_404(User, pk=pk)
    return _page(request, shown=(user.username, account_password_renew(user=user, by=admin)))


@form_view("annotation:accounts")
def account_switch(request: HttpRequest, pk: int) -> HttpResponse:
    """Switch an account off or on."""
    admin = _admin(request)
    user = get_object_or_404(User, pk=pk)
    try:
        account_activate(user=user, active="on" in request.POST, by=admin)
    except ServiceError as error:
        return _page(request, problem=str(error), status=409)
    return _page(request)


def _admin(request: HttpRequest) -> User:
    user = get_researcher(request)
    if not user.is_superuser:
        raise AccessRefused(ADMIN_ONLY)
    return user


def _page(
    request: HttpRequest,
    *,
    form: AccountForm | None = None,
    shown: tuple[str, str] | None = None,
    problem: str = "",
    status: int = 200,
) -> HttpResponse:
    context: dict[str, Any] = {
        "form": form or AccountForm(),
        "accounts": User.objects.order_by("username").prefetch_related("groups"),
        "shown": shown,
        "problem": problem,
        "analysts": Role.ANALYST.value,
    }
    return render(request, "annotation/research/accounts.html", context, status=status)
