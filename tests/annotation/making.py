"""Pages that make a study, for tests: a researcher's browser, what is on a page, and what its form sends."""

import io
import zipfile
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from lxml import html

from annotation.models import Study
from tests.factories import make_user

NEW = "/research/new/"


@pytest.fixture
def researcher(client: Client) -> Client:
    client.force_login(make_user())
    return client


def draft(client: Client, starter: str = "own_personas", **changes: Any) -> Study:
    """Make a study from a starter by the page, as the researcher."""
    response = client.post(NEW, {"way": "starter", "starter": starter, "title": "Garden advice", **changes})
    assert response.status_code == 302, said(response)
    return Study.objects.latest("pk")


def page_of(response: Any) -> Any:
    return html.fromstring(response.content.decode())


def said(response: Any) -> str:
    return " ".join(page_of(response).text_content().split())


def at(name: str, study: Study, *more: Any) -> str:
    return reverse(f"annotation:{name}", args=[study.slug, study.version, *more])


def form_on(client: Client, address: str) -> dict[str, str]:
    """Return what a browser would send of the form for editing on a page."""
    return sent_by(page_of(client.get(address)))


def sent_by(page: Any) -> dict[str, str]:
    form = page.get_element_by_id("edit-form")
    for area in form.xpath(".//textarea"):
        area.value = area.value.removeprefix("\n")  # the first line end of a text area is none, as browsers read it
    return {name: value for name, value in form.form_values() if name != "csrfmiddlewaretoken"}


def upload(client: Client, name: str, content: bytes) -> Any:
    return client.post(NEW, {"way": "file", "file": SimpleUploadedFile(name, content)})


def zipped(files: dict[str, str | bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()
