"""The participant's one page, and the steps around the work: consent, instructions, practice."""

from contextlib import suppress

from django.http import HttpRequest, HttpResponse
from django.utils.translation import get_language

from annotation.blinding import TaskView, practice_view, with_sent
from annotation.errors import ServiceError
from annotation.flow import Step
from annotation.http import parse_int, participant_view, to_page
from annotation.languages import CHOSEN
from annotation.models import Participant, Study
from annotation.questionviews import answer_sent
from annotation.services import participants as services
from annotation.services.assignments import assignment_mark_shown
from annotation.services.markings import practice_markings
from annotation.services.places import participant_place
from annotation.views.pages import render_place
from personaeval.storage import reading_goes_on


@participant_view("GET", "HEAD")
def page(request: HttpRequest, participant: Participant) -> HttpResponse:
    """Show where the participant belongs."""
    place = participant_place(participant=participant, shows=True)
    if place.step == Step.RATE and place.assignment and place.assignment.shown_at is None:
        with reading_goes_on("when responses were first shown"):
            assignment_mark_shown(assignment=place.assignment)
    return render_place(request, participant, place)


@participant_view("POST")
def consent(request: HttpRequest, participant: Participant) -> HttpResponse:
    """Take the answer to the consent form."""
    answer = request.POST.get("answer")
    if answer == "agree":
        services.participant_consent(participant=participant, language=get_language() or "")
    elif answer == "decline":
        services.participant_decline(participant=participant)
    elif answer == "reconsider":
        services.participant_reconsider(participant=participant)
    return to_page(participant)


@participant_view("POST")
def language(request: HttpRequest, participant: Participant) -> HttpResponse:
    """Keep the language that was chosen, and show the page in it."""
    with suppress(ServiceError):  # none of the study's: the page stays as it is
        services.participant_language_choose(participant=participant, language=request.POST.get(CHOSEN, ""))
    return to_page(participant)


@participant_view("POST")
def instructions(request: HttpRequest, participant: Participant) -> HttpResponse:
    """Note that the instructions have been read."""
    if participant_place(participant=participant).step == Step.INSTRUCTIONS:
        services.participant_instructed(participant=participant)
    return to_page(participant)


@participant_view("POST")
def practice(request: HttpRequest, participant: Participant) -> HttpResponse:
    """Check that a practice item is answered. Its answers are looked at here and stored nowhere."""
    place = participant_place(participant=participant)
    index = participant.practice_done
    if place.step != Step.PRACTICE or request.POST.get("index") != str(index):
        return to_page(participant)
    marked, refused = practice_markings(participant.study, index, request.POST)
    task = _practised(request, participant.study, index, marked)
    if task.step and not task.missing:
        task = _practised(request, participant.study, index, marked, first=task)
        if "persona_shown" not in request.POST:
            return render_place(request, participant, place, task=task)
    task = with_sent(task, request.POST)
    error = next((refused[one.name] for one in task.questions if one.is_asked and one.name in refused), "")
    if error:
        return render_place(request, participant, place, status=422, task=task, error=error)
    if "stay" in request.POST:  # one more passage is to be put in
        return render_place(request, participant, place, task=task)
    if task.missing:
        return render_place(request, participant, place, status=422, task=task, show_missing=True)
    services.participant_practised(participant=participant, index=index)
    return to_page(participant)


def _practised(
    request: HttpRequest, study: Study, index: int, marked: dict[str, int], first: TaskView | None = None
) -> TaskView:
    """Return the practice page with the answers that were sent; after the `first` of two steps, the second."""
    is_shown = first is not None
    known = {one.name: one.value for one in first.questions if one.value is not None} if first else {}
    aspects = {aspect.key: aspect for aspect in study.aspects.all()}
    asked = practice_view(study, index, known, is_shown=is_shown).questions
    sent = {one.name: answer_sent(aspects[one.aspect_key], one.name, request.POST) for one in asked}
    answers = {name: parse_int(text, name) for name, text in sent.items() if text}
    return practice_view(study, index, {**answers, **marked}, is_shown=is_shown)
