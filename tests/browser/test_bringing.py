"""A researcher brings items and outputs, mends what is wrong, leaves a pair out and opens the study, in a browser."""

import json

import pytest
from playwright.sync_api import Page, expect

from annotation.models import Output, Study
from tests.factories import make_study

pytestmark = pytest.mark.browser

GOOD = "kennung;frage;persona;;\r\n007;Wie schlafe ich ein?;The user is a nurse.;;\r\n"
NEXT = "008;{};The user is a baker.;;\r\n009;Was koche ich?;The user is a pilot.;;\r\n;;;;\r\n"
BOUND = "Rest early, and dim the lights before you do so. "


def bring(page: Page, kind: str, name: str, content: str) -> None:
    page.get_by_role("link", name="Data", exact=True).first.click()
    page.get_by_role("link", name="Bring data", exact=True).first.click()
    page.get_by_label("What the file holds").select_option(kind)
    page.get_by_label("File", exact=True).set_input_files(
        {"name": name, "mimeType": "text/plain", "buffer": content.encode()}
    )
    page.get_by_role("button", name="Upload and look at it").click()


def sign_in(page: Page, study: Study) -> None:
    page.goto("/accounts/login/")
    page.get_by_label("Username").fill(study.owner.username)
    page.get_by_label("Password").fill("correct horse")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name=study.title).click()


def test_a_study_is_filled_from_files_and_opened(page: Page) -> None:
    study = make_study(slug="brought", state="draft", given_items=0, given_per_participant=2)
    study.arms.update(fingerprint="")
    sign_in(page, study)

    bring(page, "items", "fragen.csv", GOOD + NEXT.format(""))
    expect(page.get_by_text("The file is separated by semicolons.")).to_be_visible()
    page.get_by_label("Id", exact=True).select_option("kennung")
    page.get_by_label("Prompt", exact=True).select_option("frage")
    page.get_by_role("button", name="Look again").click()
    expect(page.get_by_text("fragen.csv line 3: prompt is empty; every item needs a prompt.")).to_be_visible()

    bring(page, "items", "fragen.csv", GOOD + NEXT.format("Was backe ich?"))
    page.get_by_label("Id", exact=True).select_option("kennung")
    page.get_by_label("Prompt", exact=True).select_option("frage")
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_text("New: 3; changed: 0; removed: 0; as before: 0.")).to_be_visible()

    keys = ["007", "008", "009"]
    for name, answer in (("short", "No."), ("long", BOUND * 100)):
        bring(page, "outputs", f"{name}.jsonl", "\n".join(json.dumps({"item": key, "text": answer}) for key in keys))
        expect(page.get_by_text("Responses: 3; rows that belong to no item: 0.")).to_be_visible()
        page.get_by_role("button", name="Import").click()
        expect(page.get_by_text("Responses imported: 3; as before: 0; rows skipped: 0.")).to_be_visible()

    page.get_by_role("link", name="Scan of the outputs").click()
    expect(page.get_by_role("heading", name="The arms can be told apart by their shape")).to_be_visible()
    expect(page.get_by_text("The shortest text has 1 words, the longest 1000.").first).to_be_visible()
    page.get_by_label("Reason for excluding 008").fill("Far too long")
    page.get_by_label("Reason for excluding 008").press("Enter")
    expect(page.get_by_text("Excluded 008, all arms together.")).to_be_visible()
    assert set(Output.objects.exclude(excluded_at=None).values_list("persona__item__key", flat=True)) == {"008"}

    page.get_by_role("link", name=study.title).first.click()
    page.get_by_role("button", name="Open").click()
    expect(page.locator(".badge.open").first).to_be_visible()
    assert Study.objects.get(pk=study.pk).state == Study.State.OPEN
