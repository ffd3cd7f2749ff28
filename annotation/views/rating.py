"""Answers to scales: one by one as they are clicked, and all together with "Continue"."""

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse

from annotation.blinding import FollowupView, TaskView, with_sent
from annotation.errors import NotAllowedNow, OutOfStep, ServiceError, StaleVersion, UnknownQuestion
from annotation.flow import Step
from annotation.http import form_view, get_assignment, parse_int, parse_uuid, participant_view, to_page
from annotation.markings import markings_sent, row_of
from annotation.models import Assignment, PageVisit, Participant, Rating
from annotation.questions import is_on_a_page, markings_of, questions_of
from annotation.questionviews import answer_name, answer_sent
from annotation.services.finishing import Key, assignment_finish, persona_show
from annotation.services.places import Place, participant_place
from annotation.services.ratings import GivenAnswer, rating_save, visit_save
from annotation.study_texts import aspect_shown
from annotation.views.followups import Dispute, followups_save_all, followups_typed
from annotation.views.pages import rate_context, render_place


@login_not_required
@form_view("annotation:participant", "token")
def save(request: HttpRequest, token: str, slot_key: str, aspect_key: str) -> HttpResponse:
    """Save one answer. JSON out: 200 saved, 409 another one stands, 422 not on the scale, 403 over."""
    marked = markings_sent(answer_name(slot_key, aspect_key), request.POST)
    value = str(len(marked.rows)) if marked else request.POST.get("value", "")
    try:
        answer = _answer(request, value, value="value", version="version", key="client_key")
    except BadRequest:
        if not is_on_a_page(token=token, slot_key=slot_key, aspect_key=aspect_key):
            raise Http404 from None  # what strangers are told, whatever they send
        raise
    try:
        rating = rating_save(token=token, slot_key=slot_key, aspect_key=aspect_key, answer=replace(answer, sent=marked))
    except UnknownQuestion as error:
        raise Http404 from error
    except StaleVersion as error:
        return JsonResponse({"message": str(error), **_saved(error.current, is_marked=marked is not None)}, status=409)
    except OutOfStep as error:
        stands = _saved(error.current, is_marked=marked is not None)
        return JsonResponse({"message": str(error), "out_of_step": True, **stands}, status=409)
    except NotAllowedNow as error:
        return JsonResponse({"message": str(error)}, status=403)
    except ServiceError as error:
        return JsonResponse({"message": str(error)}, status=422)
    return JsonResponse(_saved(rating, is_marked=marked is not None))


@participant_view("POST")
def complete(request: HttpRequest, participant: Participant, key: str) -> HttpResponse:
    """Save every answer on the page that is not saved yet, and go on if none is missing."""
    return _take(request, participant, key, _finish)


@participant_view("POST")
def show(request: HttpRequest, participant: Participant, key: str) -> HttpResponse:
    """Save every answer of the first step, and show the persona if none is missing."""
    return _take(request, participant, key, _show)


def _take(
    request: HttpRequest,
    participant: Participant,
    key: str,
    end: Callable[[HttpRequest, Assignment], HttpResponse | None],
) -> HttpResponse:
    assignment = get_assignment(participant, key, with_outputs=False)
    place = participant_place(participant=participant, at_hand=assignment)
    if place.step == Step.PAUSED and assignment.shown_at:
        with suppress(ServiceError):  # without JavaScript the answers are on this form only
            assignment_finish(assignment=assignment, answers=_answers(request, assignment), hold=True)
            followups_save_all(request, assignment)
    if place.step != Step.RATE or place.assignment != assignment:
        return to_page(participant)
    try:
        return end(request, assignment) or to_page(participant)
    except NotAllowedNow:
        return to_page(participant)  # finished in another tab, or the study has closed: the page says which
    except ServiceError as error:
        status = 409 if isinstance(error, OutOfStep) else 422
        return _again(request, assignment, status=status, error=str(error))


def _show(request: HttpRequest, assignment: Assignment) -> HttpResponse | None:
    """Take the form of the first step; return the page again with what stands in the way, None if it is over."""
    shown = persona_show(assignment=assignment, answers=_answers(request, assignment))
    if shown.conflicts:
        return _again(request, assignment, status=409, conflicts=shown.conflicts)
    return _again(request, assignment, status=422, show_missing=True) if shown.is_missing else None


def _finish(request: HttpRequest, assignment: Assignment) -> HttpResponse | None:
    """Take the form; return the page again with what stands in the way, None if the part is finished."""
    answers = _answers(request, assignment)
    disputes: list[Dispute] = []
    stays = "stay" in request.POST  # one more passage is to be put in
    if assignment.participant.study.followup:
        # Whatever is wrong with a text, the answers beside it are kept.
        assignment_finish(assignment=assignment, answers=answers, hold=True)
        disputes = followups_save_all(request, assignment)
    finish = assignment_finish(assignment=assignment, answers=answers, hold=bool(disputes) or stays)
    if finish.conflicts or disputes:
        return _again(request, assignment, status=409, conflicts=finish.conflicts, disputes=disputes)
    if stays:
        return _again(request, assignment, status=200)
    if finish.is_missing:
        return _again(request, assignment, status=422, show_missing=True)
    if finish.read_again:
        again = aspect_shown(assignment.participant.study, finish.read_again)
        return _again(request, assignment, status=422, read_again=again.question)
    return None


def _again(
    request: HttpRequest,
    assignment: Assignment,
    *,
    status: int,
    conflicts: Collection[Key] = (),
    disputes: Sequence[Dispute] = (),
    **extra: Any,
) -> HttpResponse:
    """Show the page with the answers that are saved, and what this form holds beside them."""
    participant = assignment.participant
    assignment = get_assignment(participant, assignment.key)
    task: TaskView = rate_context(assignment, followups_typed(request, assignment))["task"]
    task = with_sent(task, request.POST, conflicts)
    disputed = [question for question in task.questions if (question.slot_key, question.aspect_key) in conflicts]
    context = {"task": task, "conflicts": disputed, "disputed": _named(task, disputes), **extra}
    return render_place(request, participant, Place(Step.RATE, assignment), status=status, **context)


@participant_view("POST")
def time(request: HttpRequest, participant: Participant, key: str) -> HttpResponse:
    """Keep the focused and idle time that the page has counted."""
    phase = request.POST.get("phase", "")
    if phase not in PageVisit.Phase.values:
        raise BadRequest(f"phase must be one of {', '.join(PageVisit.Phase.values)}")
    visit_save(
        assignment=get_assignment(participant, key),
        client_key=parse_uuid(request.POST.get("visit", ""), "visit"),
        phase=PageVisit.Phase(phase),
        focused_ms=parse_int(request.POST.get("focused_ms", ""), "focused_ms"),
        idle_ms=parse_int(request.POST.get("idle_ms", ""), "idle_ms"),
    )
    return HttpResponse(status=204)


def _named(task: TaskView, disputes: Sequence[Dispute]) -> list[tuple[FollowupView, str]]:
    """Return each disputed field as it stands on the page, with what is saved for it."""
    saved = {dispute.field: dispute.saved for dispute in disputes}
    return [(shown, saved[shown.text_name]) for shown in task.followups if shown.text_name in saved]


def _saved(rating: object, *, is_marked: bool) -> dict[str, Any]:
    assert rating is None or isinstance(rating, Rating)
    if rating is None:
        return {"value": None, "version": 0, "saved_at": None, **({"passages": []} if is_marked else {})}
    saved = {"value": rating.value, "version": rating.version, "saved_at": rating.saved_at.isoformat()}
    if is_marked:
        saved["passages"] = [asdict(row_of(marking)) for marking in markings_of([rating]).get(rating.pk, ())]
    return saved


def _answers(request: HttpRequest, assignment: Assignment) -> dict[Key, GivenAnswer]:
    """Return the answers that the rating page's form holds, by the keys of slot and aspect."""
    aspects = {aspect.key: aspect for aspect in assignment.participant.study.aspects.all()}
    names = {key: answer_name(*key) for key in questions_of(assignment, aspects.values(), ())}
    sent = {key: answer_sent(aspects[key[1]], name, request.POST) for key, name in names.items()}
    marked = {key: markings_sent(name, request.POST) for key, name in names.items() if aspects[key[1]].is_span}
    sent |= {key: str(len(passages.rows)) if passages else "" for key, passages in marked.items()}
    answers = {
        key: _answer(request, text, value=name, version=f"version-{name}", key=f"key-{name}")
        for key, name in names.items()
        if (text := sent[key])
    }
    return {key: replace(answer, sent=marked.get(key)) for key, answer in answers.items()}


def _answer(request: HttpRequest, text: str, *, value: str, version: str, key: str) -> GivenAnswer:
    """Return the answer of this text, with what stands in the form fields of these names. Raises BadRequest if none."""
    return GivenAnswer(
        value=parse_int(text, value),
        version=parse_int(request.POST.get(version, ""), version),
        client_key=parse_uuid(request.POST.get(key, ""), key),
    )
