"""The front door, for people who arrive without a link."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe


@login_not_required
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Send researchers to their studies; tell everybody else that they need a link."""
    if request.user.is_authenticated:
        return redirect("annotation:study_list")
    return render(request, "home.html")
