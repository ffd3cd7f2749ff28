"""A form that is refused stands at an address that can be reloaded, opened in another window, or come back to."""

from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse

from annotation.models import Study
from tests.matrix import MATRIX
from tests.test_permissions import client_of, values_of
from tests.test_permissions import world as world  # a fixture
from tests.tools.state import database_state

pytestmark = pytest.mark.django_db
# Signing out and another language are buttons of every page, and no forms that can be refused. An arrival needs what
# the platform adds to its address; without that there is no form to send, and the page says so.
WITHOUT_A_PAGE = {"logout", "set_language", "annotation:arrive"}
FORMS = [name for name, row in MATRIX.items() if row.post and name not in WITHOUT_A_PAGE]
# What each of them refuses.
ODD: dict[str, str] = {
    "version": "-1", "count": "0", "cap": "0", "reason": "", "username": "nobody at all", "role": "king", "action": "x",
}  # fmt: skip


@pytest.mark.parametrize("role", ["participant", "admin"])
def test_every_address_of_a_form_can_be_reloaded_and_that_changes_nothing(role: str, world: Study) -> None:
    values, client, wrong = values_of(world), client_of(role, world), {}
    for name in FORMS:
        if MATRIX[name].expected("GET")[role] == 404:
            continue  # it is somebody else's alone
        address = reverse(name, args=[values[part] for part in MATRIX[name].path])
        with transaction.atomic():  # what one form removes, another is about
            client.post(address, ODD)
            before = database_state()
            reloaded = client.get(address)
            if database_state() != before:
                wrong[name] = "changes something"
            page = client.get(address, follow=True)
            if reloaded.status_code not in (200, 302) or page.status_code != 200:
                wrong[name] = f"{reloaded.status_code}, then {page.status_code}"
            transaction.set_rollback(True)
    assert not wrong


def test_a_refused_form_keeps_its_status_and_its_words(world: Study) -> None:
    client = client_of("admin", world)
    address = reverse("annotation:participants_create", args=[world.slug, world.version])
    refused: Any = client.post(address, {"count": "501"})
    assert refused.status_code == 422 and "500" in refused.content.decode()
    assert client.get(address, follow=True).redirect_chain[-1][0] == reverse(
        "annotation:participant_links", args=[world.slug, world.version]
    )


def test_a_participant_who_reloads_a_refused_page_is_where_they_were(world: Study) -> None:
    values = values_of(world)
    address = reverse("annotation:complete", args=[values["token"], values["key"]])
    client = Client()
    assert client.post(address).status_code == 422
    page = client.get(address, follow=True)
    assert page.status_code == 200 and 'data-step="rate"' in page.content.decode()


def test_what_is_at_no_address_is_found_nowhere_by_a_reload(world: Study) -> None:
    client = client_of("stranger", world)
    address = reverse("annotation:open_link_create", args=[world.slug, world.version])
    assert client.get(address, follow=True).status_code == 404
