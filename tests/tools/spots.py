"""A page of the gallery, how it is opened, and the people who are on it."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from playwright.sync_api import Browser, Page

from annotation.models import Participant, Study
from annotation.services import participants as services
from annotation.services.personas import persona_submit
from annotation.services.places import Place, participant_place

PERSONA = "The user is a nurse on night shifts and prefers short answers that can be used at once."


@dataclass(frozen=True)
class Spot:
    """A page: its address, who looks, and what is done on it before it is looked at. `status` is that of the answer;
    `body` replaces what the server would answer, for errors that cannot be provoked from outside."""

    name: str
    path: str
    signed_in: bool = False
    act: Callable[[Page], None] | None = None
    body: bytes | None = None
    status: int = 200


@contextmanager
def open_spot(
    browser: Browser,
    base_url: str,
    spot: Spot,
    session: str,
    *,
    watch: Callable[[Page], None] | None = None,
    **args: Any,
) -> Iterator[Page]:
    """Open a page in a browser context that has never been there, before anything is done on it."""
    context = browser.new_context(base_url=base_url, **args)
    if spot.signed_in:
        context.add_cookies([{"name": "sessionid", "value": session, "url": base_url}])
    page = context.new_page()
    if watch:
        watch(page)
    if spot.body is not None:
        page.route(f"**{spot.path}", lambda route: route.fulfill(body=spot.body, content_type="text/html"))
    page.goto(spot.path, wait_until="load")
    yield page
    context.close()


def path_of(participant: Participant) -> str:
    """Return the address of a participant's page."""
    return reverse("annotation:participant", args=[participant.token])


def participant_at_work(
    study: Study, *, consented: bool = True, instructed: bool = True, practised: bool = True
) -> Participant:
    """Return a new participant who has come so far."""
    participant = services.participant_create(study=study)
    if consented:
        services.participant_consent(participant=participant)
    if instructed:
        services.participant_instructed(participant=participant)
    if practised:
        for index in range(len(study.practice)):
            services.participant_practised(participant=participant, index=index)
    return Participant.objects.select_related("study").get(pk=participant.pk)


def writer_of(study: Study, *, submitted: bool = False) -> tuple[Participant, Place]:
    """Return a new participant who stands before the empty box, or has sent a persona."""
    participant = participant_at_work(study)
    place = participant_place(participant=participant)
    assert place.assignment
    if submitted:
        persona_submit(assignment=place.assignment, text=PERSONA, version=0, tab=uuid.uuid4())
    return participant, place
