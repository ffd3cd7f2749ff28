"""Pages of a study in several languages, as somebody reads them who chose Arabic or German."""

import io

from django.conf import settings
from django.core.management import call_command
from django.urls import reverse
from playwright.sync_api import Page, expect

from annotation.models import OpenLink, Participant, Study
from annotation.services import participants as services
from annotation.services.places import participant_place
from annotation.services.skips import assignment_warned
from annotation.services.studies import study_open, study_save
from annotation.studyfile import read_study_file
from tests.factories import make_user
from tests.tools.spots import Spot, path_of

EXAMPLE = settings.BASE_DIR / "examples" / "languages"
# The part with a warning before it, which is shown.
WARNED = "running"


def open_languages() -> Study:
    """Return the example study in German, Arabic and English, with its responses, open."""
    study = study_save(definition=read_study_file(EXAMPLE / "study.yaml"), owner=make_user())
    for name in ("general", "tailored"):
        call_command("import_outputs", study.slug, str(EXAMPLE / f"{name}.jsonl"), system=name, stdout=io.StringIO())
    study_open(study=Study.objects.get(pk=study.pk), user=None)
    return Study.objects.get(pk=study.pk)


def language_spots() -> list[Spot]:
    """Return pages around the work and the work itself, in Arabic and in German."""
    study = open_languages()
    link = OpenLink.objects.create(study=study, cap=5)
    join = reverse("annotation:join", args=[link.token])
    return [spot for language in ("ar", "de") for spot in _spots_in(study, f"{join}?lang={language}", language)]


def _spots_in(study: Study, join: str, language: str) -> list[Spot]:
    chosen = services.participant_create(study=study)
    services.participant_language_choose(participant=chosen, language=language)
    rating = _at_work(study, language)
    done = _at_work(study, language)
    services.participant_complete(participant=done)
    return [
        Spot(f"{language}-join", join),
        Spot(f"{language}-consent", path_of(chosen)),
        Spot(f"{language}-rate", path_of(rating), act=_answer_one),
        Spot(f"{language}-rate-missing", path_of(rating), act=_continue_unanswered),
        Spot(f"{language}-leave", f"{path_of(rating)}leave/"),
        Spot(f"{language}-done", path_of(done)),
    ]


def _at_work(study: Study, language: str) -> Participant:
    """Return somebody who has come to the first part."""
    participant = services.participant_create(study=study)
    services.participant_consent(participant=participant, language=language)
    Participant.objects.filter(pk=participant.pk).update(surveyed_before_at=study.opened_at)
    services.participant_instructed(participant=participant)
    services.participant_practised(participant=participant, index=0)
    participant.refresh_from_db()
    place = participant_place(participant=participant)
    if place.assignment and place.assignment.persona.item.key == WARNED:
        assignment_warned(assignment=place.assignment)
    return participant


def _answer_one(page: Page) -> None:
    scale = page.locator("[data-scale]").first
    scale.locator("label.option").nth(2).click()
    expect(scale.locator("[data-save-state] time")).to_be_visible()


def _continue_unanswered(page: Page) -> None:
    page.locator("[data-continue]").click()
    expect(page.locator("fieldset.is-missing").first).to_be_visible()
