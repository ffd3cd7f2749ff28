"""A study in a browser alone, from its beginning to its results: filled, rehearsed, opened, taken, watched, read."""

import io
import json
import re

import pytest
from django.urls import reverse
from playwright.sync_api import Browser, Page, expect

from annotation.models import Participant, Study
from annotation.protocol import definition_of
from annotation.studyfile.uploads import read_upload
from tests.browser.walk import Pointer, walk
from tests.factories import make_user
from tests.tools.gallery import session_of
from tests.tools.processes import ProjectProcess, Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]
KEYS = ("sleep", "dinner", "guitar", "inflation", "saturday", "saving")
JOB_MS = 60_000


@pytest.fixture
def researcher(page: Page, server: Server) -> Page:
    make_user("ada")
    page.context.add_cookies([{"name": "sessionid", "value": session_of("ada"), "url": server.base_url}])
    return page


def to(page: Page, name: str, *more: str) -> None:
    page.goto(reverse(name, args=["my-first", 1, *more]))


def make(page: Page) -> None:
    """Make the study from one to start from, and fill in what it asks for."""
    page.goto("/research/")
    page.get_by_role("link", name="New study").click()
    page.get_by_text("Given personas").click()
    page.get_by_label("Title").first.fill("My first")
    page.get_by_role("button", name="Make the study").click()
    page.get_by_label("Contact").fill("Ada Example, ada@example.org")
    consent = page.get_by_label("Consent")
    consent.fill(re.sub(r"(?i)\[put here:[^]]*\]", "Nobody is paid.", consent.input_value()))
    page.locator(".actions").get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").get_by_text("Saved.")).to_be_visible()


def bring_outputs(page: Page, name: str, text: str) -> None:
    to(page, "modelhub:data")
    page.get_by_label("What the file holds").select_option("outputs")
    rows = "\n".join(json.dumps({"item": key, "text": f"{text} {key}."}) for key in KEYS)
    page.get_by_label("File", exact=True).set_input_files(
        {"name": name, "mimeType": "text/plain", "buffer": rows.encode()}
    )
    page.get_by_role("button", name="Upload and look at it").click()
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_text("Responses imported: 6")).to_be_visible()


def rehearse(page: Page) -> None:
    to(page, "modelhub:rehearsal")
    page.get_by_label("Bots", exact=True).fill("2")
    page.get_by_role("button", name="Send bots").click()
    expect(page.get_by_text("Every bot came to an end")).to_be_visible(timeout=JOB_MS)


def open_it(page: Page) -> None:
    to(page, "annotation:study")
    page.get_by_role("button", name="Open the study").click()
    expect(page.locator(".badge.open").first).to_be_visible()


def invite(page: Page) -> str:
    """Make a personal link, and return its path."""
    to(page, "annotation:participant_links")
    page.get_by_label("How many people").fill("1")
    page.get_by_role("button", name="Make").first.click()
    (link,) = re.findall(r"/p/[\w-]+/", page.content())[:1]
    return str(link)


def test_a_study_needs_no_command_line_from_its_beginning_to_its_results(
    researcher: Page, browser: Browser, server: Server, worker: ProjectProcess
) -> None:
    page = researcher
    make(page)
    bring_outputs(page, "baseline.jsonl", "A general answer about")
    bring_outputs(page, "tailored.jsonl", "An answer for you about")
    rehearse(page)
    open_it(page)

    person = browser.new_context(base_url=server.base_url).new_page()
    person.goto(invite(page))
    steps = walk(Pointer(person))
    assert steps.count("rate") == len(KEYS) and "consent" in steps

    to(page, "annotation:study")
    expect(page.locator("main")).to_contain_text("1")
    done = Study.objects.get().participants.get(kind=Participant.Kind.PERSON)
    assert done.completed_at is not None
    to(page, "modelhub:results")
    expect(page.get_by_role("heading", name="The answer", exact=True)).to_be_visible()
    page.get_by_role("button", name="Make the files").click()
    with page.expect_download(timeout=JOB_MS) as download:
        page.get_by_role("link", name="Download the report (ZIP)").click(timeout=JOB_MS)
    assert download.value.suggested_filename == "my-first-v1-report-blinded.zip"

    study = Study.objects.get()
    with page.expect_download() as taken:
        page.evaluate("address => location.assign(address)", reverse("annotation:make_file", args=["my-first", 1]))
    content = taken.value.path().read_bytes()
    assert read_upload("study.yaml", io.BytesIO(content)).document() == definition_of(study).document()
