"""A study made in a real browser: from a starter to a file that another site loads as the same study."""

import io
import json
from pathlib import Path

import pytest
from django.core.management import call_command
from playwright.sync_api import Browser, Page, expect

from annotation.models import Study, User
from annotation.protocol import definition_of
from annotation.studyfile import read_study_file
from tests.browser.visits import EVERY_SIZE, faults_of
from tests.factories import make_user
from tests.tools.gallery import session_of
from tests.tools.gallery_making import making_spots
from tests.tools.processes import Server

pytestmark = pytest.mark.browser


@pytest.fixture
def owner(server: Server) -> User:
    return make_user()


@pytest.fixture
def signed_in(page: Page, server: Server, owner: User) -> Page:
    session = {"name": "sessionid", "value": session_of(owner.username), "url": server.base_url}
    page.context.add_cookies([session])  # type: ignore[list-item]
    page.goto(f"{server.base_url}/research/")
    return page


@pytest.mark.parametrize("size", EVERY_SIZE)
def test_the_pages_that_make_a_study_are_accessible_and_light(
    browser: Browser, server: Server, owner: User, size: str
) -> None:
    found = faults_of(browser, server.base_url, making_spots(owner), session_of(owner.username), size)
    assert not found, json.dumps(found, indent=2)


def make(page: Page, title: str) -> None:
    page.get_by_role("link", name="New study").click()
    page.get_by_text("Given personas").click()
    page.get_by_label("Title").first.fill(title)
    page.get_by_role("button", name="Make the study").click()


def save(page: Page) -> None:
    page.locator(".actions").get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").get_by_text("Saved.")).to_be_visible()


def test_a_study_is_made_edited_seen_and_taken_elsewhere_as_a_file(signed_in: Page, tmp_path: Path) -> None:
    page, preview = signed_in, signed_in.frame_locator("iframe.preview-frame")
    make(page, "Kites for beginners")
    expect(page.get_by_role("link", name="Kites for beginners")).to_be_visible()

    page.get_by_label("Contact").fill("Ada Example, ada@example.org")
    page.get_by_label("Consent").fill("Flying kites is **voluntary**.")
    expect(preview.locator("strong", has_text="voluntary")).to_be_visible()
    assert "kites" not in Study.objects.get().consent
    save(page)

    page.get_by_role("link", name="Questions", exact=True).click()
    page.locator("[id='f-aspects.0.question']").fill("How high does it fly?")
    expect(preview.get_by_text("How high does it fly?").first).to_be_visible()
    page.locator("[id='f-aspects.0.key']").press("Enter")  # saves, and presses no button of a row
    expect(page.get_by_role("status").get_by_text("Saved.")).to_be_visible()

    page.get_by_role("link", name="Items", exact=True).click()
    page.get_by_role("link", name="Add an item").click()
    page.get_by_label("Prompt").fill("Which kite should I buy?")
    page.get_by_label("Persona").fill("The user lives by the sea and prefers strong cloth.")
    save(page)
    page.get_by_role("link", name="Texts", exact=True).click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as study file").click()
    file = tmp_path / "elsewhere.yaml"
    download.value.save_as(file)

    study = Study.objects.get()
    assert study.items.filter(prompt="Which kite should I buy?").exists() and study.aspects.count() == 2
    assert read_study_file(file).document() == definition_of(study).document()
    file.write_text(file.read_text(encoding="utf-8").replace("slug: kites-", "slug: more-kites-"), encoding="utf-8")
    call_command("load_study", file, owner=study.owner.username, stdout=io.StringIO())
    loaded = definition_of(Study.objects.get(slug="more-kites-for-beginners")).document()
    assert {**loaded, "slug": study.slug} == definition_of(study).document()


def test_the_form_works_without_scripts(browser: Browser, server: Server, owner: User) -> None:
    context = browser.new_context(base_url=server.base_url, java_script_enabled=False)
    session = session_of(owner.username)
    context.add_cookies([{"name": "sessionid", "value": session, "url": server.base_url}])
    page = context.new_page()
    page.goto("/research/")
    make(page, "Without scripts")
    page.get_by_role("link", name="Questions", exact=True).click()
    page.get_by_role("button", name="Add to: What is asked").click()
    page.locator("[id='f-aspects.2.key']").fill("clarity")
    page.locator("[id='f-aspects.2.name']").fill("Clarity")
    page.locator("[id='f-aspects.2.question']").fill("Is it clear?")
    for point, label in enumerate(("No", "Partly", "Yes")):
        page.locator(f"[id='f-aspects.2.scale.{point}.value']").fill(label)
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.frame_locator("iframe.preview-frame").get_by_text("Is it clear?").first).to_be_visible()
    assert Study.objects.get().aspects.count() == 2
    page.get_by_role("button", name="What is asked, Question 3: move up").click()
    save(page)
    keys = list(Study.objects.get().aspects.order_by("ordinal").values_list("key", flat=True))
    assert keys == ["answerability", "clarity", "personalization"]
    assert Study.objects.get().aspects.get(key="clarity").labels == ["No", "Partly", "Yes"]
    context.close()
