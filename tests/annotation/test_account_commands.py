"""Signing in, passwords, and the commands that make accounts and participants."""

import csv
import io
import json

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from annotation.models import AuditLog, Participant, User
from tests.annotation.study_rows import make_frozen_study
from tests.factories import make_user

pytestmark = pytest.mark.django_db


def test_signing_in_leads_to_the_studies_and_a_wrong_password_says_so(client: Client) -> None:
    make_user("ada")
    login = reverse("login")
    wrong = client.post(login, {"username": "ada", "password": "wrong"})
    assert "correct username and password" in wrong.content.decode()
    right = client.post(login, {"username": "ada", "password": "correct horse"})
    assert right["Location"] == reverse("annotation:study_list")


def test_a_password_can_be_changed(client: Client) -> None:
    user = make_user("ada")
    client.force_login(user)
    assert client.get(reverse("password_change")).status_code == 200
    new = {"old_password": "correct horse", "new_password1": "battery staple", "new_password2": "battery staple"}
    assert "works from now on" in client.post(reverse("password_change"), new, follow=True).content.decode()
    user.refresh_from_db()
    assert user.check_password("battery staple")


def test_create_researcher_prints_a_password_that_works() -> None:
    out = io.StringIO()
    call_command("create_researcher", "ada", "--analyst", stdout=out)
    user, password = User.objects.get(username="ada"), out.getvalue().split()[-1]
    assert user.check_password(password) and user.has_perm("modelhub.unblind") and not user.is_superuser
    assert password not in json.dumps(AuditLog.objects.get().data)


@pytest.mark.parametrize(
    ("username", "says"), [("ada", "changepassword ada"), ("ada lovelace", "cannot be a username")]
)
def test_create_researcher_refuses_taken_and_unusable_names(username: str, says: str) -> None:
    make_user("ada")
    with pytest.raises(CommandError, match=says):
        call_command("create_researcher", username)
    assert User.objects.count() == 1


def test_create_participants_prints_code_and_link() -> None:
    study, out = make_frozen_study(), io.StringIO()
    call_command("create_participants", "study", "--count", "2", "--url", "https://study.example/", stdout=out)
    tokens = study.participants.order_by("number").values_list("token", flat=True)
    assert list(csv.reader(io.StringIO(out.getvalue()))) == [
        ["code", "link"],
        *([f"P-{n:03d}", f"https://study.example/p/{token}/"] for n, token in enumerate(tokens, start=1)),
    ]


def test_create_participants_makes_previews() -> None:
    study = make_frozen_study()
    call_command("create_participants", "study", "--preview", stdout=io.StringIO())
    assert study.participants.get().kind == Participant.Kind.PREVIEW


@pytest.mark.parametrize("arguments", [["--count", "0"], ["--count", "501"], ["--count", "0", "--preview"]])
def test_create_participants_refuses_a_wrong_count(arguments: list[str]) -> None:
    study = make_frozen_study()
    with pytest.raises(CommandError, match="asked for|at least 1"):
        call_command("create_participants", "study", *arguments)
    assert not study.participants.exists()
