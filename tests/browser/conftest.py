"""A real browser in front of a real server, watched: it must ask nobody else, and its console must stay clean."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, ConsoleMessage, Request

from annotation.models import Participant
from annotation.services.participants import participant_create
from modelhub.demo import Demo, demo_prepare
from tests.tools.processes import Server

# A server that is down, or answers 409 and the like, makes lines in the console too.
NO_MISTAKE_OF_OURS = ("Failed to load resource", "htmx:afterRequest", "htmx:sendError", "Response Status Error")
DESKTOP = {"width": 1280, "height": 900}


@pytest.fixture
def browser_context_args(server: Server) -> dict[str, Any]:
    """Every context starts at the server, with English formats."""
    return {"base_url": server.base_url, "locale": "en-GB", "timezone_id": "Europe/Berlin", "viewport": DESKTOP}


@pytest.fixture(autouse=True)
def watch(context: BrowserContext, server: Server) -> Iterator[None]:
    """Fail a test whose pages asked another host for anything, or broke the content security policy."""
    foreign: list[str] = []
    complaints: list[str] = []

    def on_request(request: Request) -> None:
        if not request.url.startswith((server.base_url, "data:", "about:")):
            foreign.append(request.url)

    def on_console(message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith(NO_MISTAKE_OF_OURS):
            complaints.append(message.text)

    context.on("request", on_request)
    context.on("console", on_console)
    context.on("weberror", lambda error: complaints.append(str(error.error)))
    yield
    assert foreign == []
    assert complaints == []


@pytest.fixture
def demo(server: Server) -> Demo:
    """The demonstration, ready to be taken."""
    return demo_prepare()


@pytest.fixture
def participant(demo: Demo) -> Participant:
    """Somebody with a personal link to the demonstration."""
    return participant_create(study=demo.study)
