"""The pages on which studies are made: a new one, the form's sections, items, versions."""

from dataclasses import replace

from django.conf import settings
from django.urls import reverse
from playwright.sync_api import Page, expect

from annotation.models import Study, User
from annotation.protocol import definition_of
from annotation.services.studies import study_save
from annotation.services.studymaking import study_make_named
from annotation.studyfile import read_study_file
from annotation.studyfile.starters import FOLDER
from tests.factories import make_study
from tests.tools.spots import Spot

SECTIONS = ("questions", "design", "practice", "quiz", "checks", "questionnaires", "analysis", "recruitment")


def making_spots(owner: User) -> list[Spot]:
    """Return the pages."""
    starter = read_study_file(FOLDER / "own_personas.yaml")
    draft = study_make_named(definition=starter, slug="gallery-made", title="What to do on a free evening", owner=owner)
    controls, languages = (_example(name, owner) for name in ("controls", "languages"))
    frozen = make_study(slug="gallery-frozen", owner=owner)
    study_save(
        definition=replace(definition_of(frozen), debrief="Thank you very much.", raters_per_item=7),
        owner=owner, new_version=True,
    )  # fmt: skip
    here = [draft.slug, draft.version]
    return [
        Spot("make-new", reverse("annotation:make_new"), signed_in=True),
        Spot("make-new-refused", reverse("annotation:make_new"), signed_in=True, act=_make_without_a_title),
        Spot("make-texts", reverse("annotation:make_edit", args=[*here, "texts"]), signed_in=True),
        Spot("make-refused", reverse("annotation:make_edit", args=[*here, "questions"]), signed_in=True, act=_spoil),
        *(_section(controls, name) for name in SECTIONS),
        Spot("make-languages", reverse("annotation:make_edit", args=[languages.slug, 1, "questions"]), signed_in=True),
        Spot("make-items", reverse("annotation:make_items", args=here), signed_in=True),
        Spot("make-item", reverse("annotation:make_item", args=[*here, 2]), signed_in=True),
        Spot("make-frozen", reverse("annotation:make_edit", args=[frozen.slug, 1, "texts"]), signed_in=True),
        Spot("make-differences", reverse("annotation:make_differences", args=[frozen.slug, 2]), signed_in=True),
    ]


def _example(name: str, owner: User) -> Study:
    read = read_study_file(settings.BASE_DIR / "examples" / name / "study.yaml")
    return study_save(definition=replace(read, slug=f"gallery-form-{name}"), owner=owner)


def _section(study: Study, name: str) -> Spot:
    return Spot(f"make-{name}", reverse("annotation:make_edit", args=[study.slug, study.version, name]), signed_in=True)


def _make_without_a_title(page: Page) -> None:
    page.evaluate("document.querySelectorAll('form').forEach(form => { form.noValidate = true; })")
    page.get_by_role("button", name="Make the study").click()
    expect(page.locator(".errorlist").first).to_be_visible()


def _spoil(page: Page) -> None:
    page.get_by_label("Heading").first.fill("")
    page.locator(".save-bar").get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_be_visible()
