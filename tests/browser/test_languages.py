"""A study in several languages is taken to its end in Arabic, from right to left, and in German."""

import io
import re

import pytest
from django.conf import settings
from django.core.management import call_command
from playwright.sync_api import Browser, Page, expect

from annotation.models import OpenLink, Participant, Rating, Study
from annotation.services.studies import study_open, study_save
from annotation.studyfile import read_study_file
from tests.browser.visits import faults_of
from tests.browser.walk import leave, sideways_scroll, step_of, turn_to
from tests.factories import make_user
from tests.tools.gallery_languages import language_spots
from tests.tools.processes import Server

pytestmark = pytest.mark.browser
EXAMPLE = settings.BASE_DIR / "examples" / "languages"
PHONE = {"width": 390, "height": 844}
WORDS = {
    "ar": {
        "saved": r"حُفظ في \d\d:\d\d",
        "left": "بقي سؤالان بلا إجابة:",
        "lost": "لم تُحفظ بعد. إجابتك محفوظة هنا مؤقتًا",
    },
    "de": {
        "saved": r"Gespeichert um \d\d:\d\d",
        "left": "2 Angaben fehlen noch:",
        "lost": "Noch nicht gespeichert. Ihre",
    },
}
END = {"ar": "شكرًا لك، لقد انتهيت", "de": "Vielen Dank, Sie sind fertig"}


@pytest.fixture
def link(db: None) -> OpenLink:
    """A link to the example study, open."""
    study = study_save(definition=read_study_file(EXAMPLE / "study.yaml"), owner=make_user())
    for name in ("general", "tailored"):
        call_command("import_outputs", "languages", str(EXAMPLE / f"{name}.jsonl"), system=name, stdout=io.StringIO())
    study_open(study=Study.objects.get(pk=study.pk), user=None)
    return OpenLink.objects.create(study=study, cap=3)


class Walk:
    """Somebody who knows the buttons by their place, in whatever language they are."""

    def __init__(self, page: Page, language: str) -> None:
        self.page = page
        self.language = language

    def go_on(self) -> None:
        leave(self.page, self.page.locator(":is(.actions, .row) button[type=submit]").first.click)

    consent = instructions = warning = go_on

    def survey(self) -> None:
        self.page.locator("input[type=radio]").first.check()
        self.go_on()

    def practice(self) -> None:
        self.answer_all()
        leave(self.page, self.page.locator("[data-continue]").click)

    def rate(self) -> None:
        words = WORDS[self.language]
        scales = self.page.locator("[data-scale]")
        turn_to(self.page, scales.first)
        scales.first.locator("label.option").first.click()
        expect(self.page.locator("[data-missing-title]")).to_have_text(words["left"])
        self.answer_all()
        for scale in scales.all():
            expect(scale.locator("[data-save-state]")).to_have_text(re.compile(words["saved"]))
        leave(self.page, self.page.locator("[data-continue]").click)

    def answer_all(self) -> None:
        for scale in self.page.locator("[data-scale]").all():
            turn_to(self.page, scale)
            scale.locator("label.option").nth(1).click()


@pytest.mark.parametrize("language", ["ar", "de"])
@pytest.mark.browser_context_args(viewport=PHONE, has_touch=True, is_mobile=True)
def test_the_study_is_taken_to_its_end(page: Page, link: OpenLink, language: str) -> None:
    page.goto(f"/join/{link.token}/")
    leave(page, page.locator(f"a[lang={language}]").click)
    walk = Walk(page, language)
    walk.go_on()
    steps = []
    while (step := step_of(page)) != "done":
        steps.append(step)
        assert len(steps) < 20, steps
        assert page.locator("html").get_attribute("lang") == language
        assert page.evaluate("getComputedStyle(document.body).direction") == ("rtl" if language == "ar" else "ltr")
        assert sideways_scroll(page) == 0
        getattr(walk, step)()
    assert {"consent", "survey", "instructions", "practice", "warning", "rate"} == set(steps)
    expect(page.get_by_role("heading", level=1)).to_have_text(END[language])
    participant = Participant.objects.get(open_link=link)
    assert participant.language == language
    current = Rating.objects.filter(slot__assignment__participant=participant, superseded_by__isnull=True)
    assert current.count() == 6


def test_what_scripts_say_is_in_the_language_too(page: Page, link: OpenLink) -> None:
    page.goto(f"/join/{link.token}/?lang=ar")
    walk = Walk(page, "ar")
    walk.go_on()
    while (step := step_of(page)) != "rate":
        getattr(walk, step)()
    page.route("**/answers/**", lambda route: route.abort())
    page.locator("[data-scale]").first.locator("label.option").first.click()
    expect(page.locator("[data-save-state].failed").first).to_contain_text(WORDS["ar"]["lost"])


def test_responses_stand_from_left_to_right_on_a_page_from_right_to_left(page: Page, link: OpenLink) -> None:
    page.goto(f"/join/{link.token}/?lang=ar")
    walk = Walk(page, "ar")
    walk.go_on()
    while (step := step_of(page)) != "rate":
        getattr(walk, step)()
    first, second = (page.locator(".response").nth(number).bounding_box() for number in (0, 1))
    assert first and second
    assert first["x"] > second["x"], "response A stands where reading begins"
    text = page.locator(".response-text").first
    assert text.evaluate("element => getComputedStyle(element).direction") == "ltr"
    assert (text.get_attribute("lang"), text.get_attribute("translate")) == ("en", "no")


@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_its_pages_are_accessible_light_and_as_wide_as_the_window(browser: Browser, server: Server, size: str) -> None:
    found = faults_of(browser, server.base_url, language_spots(), "", size)
    assert found == {}
