"""What holds for every page there is: accessible, light, self-contained, and readable on a phone."""

import json

import pytest
from django.urls import reverse
from playwright.sync_api import Browser

from annotation.services.participants import participant_consent, participant_create, participant_instructed
from modelhub.demo import Demo
from tests.browser.visits import EVERY_SIZE, faults_of, visit
from tests.factories import make_study
from tests.tools.gallery import gallery, people_take_the_demonstration, session_of
from tests.tools.processes import Server
from tests.tools.spots import Spot

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("size", EVERY_SIZE)
def test_every_page_is_accessible_light_and_asks_nobody_else_and_carries_the_policies_that_protect_links(
    browser: Browser, server: Server, demo: Demo, size: str
) -> None:
    people_take_the_demonstration(demo, server.base_url, 2)
    spots = gallery(demo)
    found = faults_of(browser, server.base_url, spots, session_of(), size)
    assert not found, json.dumps(found, indent=2)


def test_static_files_arrive_compressed_and_may_be_kept(browser: Browser, server: Server) -> None:
    participant = participant_create(study=make_study())
    participant_consent(participant=participant)
    participant_instructed(participant=participant)
    address = reverse("annotation:participant", args=[participant.token])
    with visit(browser, server.base_url, Spot("rate", address), "") as seen:
        answers = [request.response() for request in seen.finished]
        static = [
            answer for answer in answers if answer and "/static/" in answer.url and not answer.url.endswith(".svg")
        ]
        assert len(static) >= 4
        assert {answer.headers.get("content-encoding") for answer in static} == {"gzip"}
        assert all("immutable" in answer.headers["cache-control"] for answer in static)
        page = seen.document().headers
        assert (page["content-encoding"], page["cache-control"]) == ("gzip", "no-store")
