"""The comprehension quiz."""

from django.http import HttpRequest, HttpResponse

from annotation.controls.quiz import question_name
from annotation.errors import ServiceError
from annotation.flow import Step
from annotation.http import parse_int, participant_view, to_page
from annotation.models import Participant
from annotation.services.places import participant_place
from annotation.services.quiz import quiz_answer
from annotation.views.pages import quiz_context, render_place


@participant_view("POST")
def answer(request: HttpRequest, participant: Participant) -> HttpResponse:
    """Take an attempt. The page then says what was wrong, or the study goes on."""
    place = participant_place(participant=participant)
    attempt = parse_int(request.POST.get("attempt", ""), "attempt")
    if place.step != Step.QUIZ or attempt != participant.quiz_attempts:
        return to_page(participant)
    sent = _sent(request, participant)
    if None in sent:
        return render_place(request, participant, place, status=422, **quiz_context(participant, sent))
    try:
        quiz_answer(participant=participant, attempt=attempt, answers=[value for value in sent if value is not None])
    except ServiceError as error:
        return render_place(request, participant, place, status=422, error=str(error))
    return to_page(participant)


def _sent(request: HttpRequest, participant: Participant) -> list[int | None]:
    names = [question_name(index) for index in range(len(participant.study.quiz["questions"]))]
    return [parse_int(request.POST[name], name) if request.POST.get(name) else None for name in names]
