"""The pages of questions before and after the work."""

from django.http import Http404, HttpRequest, HttpResponse

from annotation.errors import NotAllowedNow, ServiceError
from annotation.flow import Step
from annotation.http import participant_view, posted_text, to_page
from annotation.models import Participant, QuestionnaireAnswer
from annotation.questionnaires import field_name
from annotation.services.places import participant_place
from annotation.services.questionnaires import questionnaire_save, questionnaire_send
from annotation.views.pages import questionnaire_context, render_place

Page = QuestionnaireAnswer.Page
_STEPS = {Page.BEFORE.value: Step.SURVEY_BEFORE, Page.AFTER.value: Step.SURVEY_AFTER}


@participant_view("POST")
def send(request: HttpRequest, participant: Participant, page: str) -> HttpResponse:
    """Keep what is answered, and go on if nothing that is required is missing."""
    if page not in _STEPS:
        raise Http404
    sent = _sent(request, participant, page)
    place = participant_place(participant=participant)
    try:
        missing = questionnaire_save(participant=participant, page=Page(page), answers=sent)
    except NotAllowedNow:
        return to_page(participant)
    except ServiceError as error:
        if place.step != _STEPS[page]:
            return to_page(participant)
        context = questionnaire_context(participant, Page(page), answers=sent)
        return render_place(request, participant, place, status=422, error=str(error), **context)
    if place.step != _STEPS[page]:
        return to_page(participant)
    if missing:
        context = questionnaire_context(participant, Page(page), missing=missing)
        return render_place(request, participant, place, status=422, **context)
    questionnaire_send(participant=participant, page=Page(page))
    return to_page(participant)


def _sent(request: HttpRequest, participant: Participant, page: str) -> dict[str, str]:
    questions = participant.study.questionnaires.get(page, [])
    return {question["key"]: posted_text(request, field_name(question["key"])) for question in questions}
