"""Accounts made, renewed and switched off by an admin in the browser; and erasing one participant there."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from annotation.models import AuditLog, Study, User
from tests.annotation.study_rows import make_frozen_study
from tests.annotation.walking import Walker
from tests.factories import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(client: Client) -> User:
    user = make_user("admin", is_superuser=True)
    client.force_login(user)
    return user


def password_on(page: str) -> str:
    (password,) = re.findall(r'role="status">[^<]*<code>([^<]+)</code>', page)
    return password


def test_an_account_is_made_with_a_password_that_is_shown_once(client: Client, admin: User) -> None:
    form = {"username": "ada", "role": "analysts"}
    password = password_on(client.post(reverse("annotation:account_add"), form).content.decode())
    made = User.objects.get(username="ada")
    assert made.check_password(password) and made.has_perm("modelhub.unblind")
    assert password not in client.get(reverse("annotation:accounts")).content.decode()
    again = client.post(reverse("annotation:account_add"), form)
    assert again.status_code == 409
    assert "There is an account" in again.content.decode()


def test_another_password_takes_the_place_of_the_one_before(client: Client, admin: User) -> None:
    ada = make_user("ada")
    ada.set_password("the old password")
    ada.save()
    password = password_on(client.post(reverse("annotation:account_renew", args=[ada.pk])).content.decode())
    ada.refresh_from_db()
    assert ada.check_password(password) and not ada.check_password("the old password")


def test_an_account_that_is_switched_off_is_signed_out_and_its_studies_stay(client: Client, admin: User) -> None:
    study = make_frozen_study()
    own = Client()
    own.force_login(study.owner)
    client.post(reverse("annotation:account_switch", args=[study.owner.pk]))
    assert own.get(reverse("annotation:study_list")).status_code == 302
    assert Study.objects.filter(owner=study.owner).exists()
    client.post(reverse("annotation:account_switch", args=[study.owner.pk]), {"on": "on"})
    assert User.objects.get(pk=study.owner.pk).is_active
    assert client.post(reverse("annotation:account_switch", args=[admin.pk])).status_code == 409
    assert list(AuditLog.objects.filter(action__startswith="account").values_list("action", flat=True)) == [
        "account_activate", "account_deactivate",
    ]  # fmt: skip


def test_a_participant_is_erased_on_request_after_being_asked_about(client: Client) -> None:
    walker = Walker(make_frozen_study()).begin()
    walker.complete()
    study = walker.participant.study
    client.force_login(study.owner)
    address = reverse("annotation:participant_forget", args=[study.slug, study.version, walker.participant.number])
    assert "Erase for good" in client.post(address).content.decode()
    assert not study.participants.filter(erased_at__isnull=False).exists()
    page = client.post(address, {"confirmed": "on"}, follow=True).content.decode()
    erased = study.participants.get()
    assert erased.erased_at is not None and erased.receipt in page
    assert client.post(address, {"confirmed": "on"}).status_code == 409
