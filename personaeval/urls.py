"""All addresses: for machines in operations, participants and researchers in annotation, unblinded in modelhub."""

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LogoutView, PasswordChangeDoneView, PasswordChangeView
from django.urls import include, path
from django.views.decorators.http import require_POST
from django.views.i18n import set_language

from personaeval.accounts.views import SignIn, second_factor
from personaeval.words import words

urlpatterns = [
    path("", include("personaeval.operations.urls")),
    path("accounts/login/", SignIn.as_view(), name="login"),
    path("accounts/second-factor/", second_factor, name="second_factor"),
    path("accounts/logout/", LogoutView.as_view(), name="logout"),
    path("accounts/password/", PasswordChangeView.as_view(), name="password_change"),
    path("accounts/password/done/", PasswordChangeDoneView.as_view(), name="password_change_done"),
    path("language/", login_not_required(require_POST(set_language)), name="set_language"),
    path("words/<slug:language>.js", words, name="words"),
    path("", include("annotation.urls")),
    path("hub/", include("modelhub.urls")),
]

handler400 = "annotation.views.errors.bad_request"
handler403 = "annotation.views.errors.permission_denied"
handler404 = "annotation.views.errors.not_found"
handler500 = "annotation.views.errors.server_error"
