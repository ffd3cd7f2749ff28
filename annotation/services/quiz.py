"""Take attempts at the comprehension quiz."""

from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from annotation.controls.quiz import is_passed
from annotation.errors import ServiceError, ValueOutOfScale
from annotation.models import Event, Participant, QuestionnaireAnswer
from annotation.recruitment import RecruitmentEvent
from annotation.services.log import event_log
from annotation.services.platform import platform_move


def quiz_answer(*, participant: Participant, attempt: int, answers: Sequence[int]) -> None:
    """Take the answers to all questions, as numbers of options from 1; passed, failed, or failed once too often.

    `attempt` counts the attempts used up when the page was made: sent again, or from a second tab, the form changes
    nothing.

    Raises:
        ServiceError: not every question is answered.
        ValueOutOfScale: a question has no such option.
    """
    quiz = participant.study.quiz
    _check(quiz["questions"], answers)
    passed = is_passed(quiz, answers)
    screened_out = not passed and attempt + 1 >= quiz["attempts"]
    now = timezone.now()
    with transaction.atomic():
        here = Participant.objects.filter(
            pk=participant.pk, quiz_attempts=attempt, quiz_passed_at__isnull=True, screened_out_at__isnull=True,
            withdrawn_at__isnull=True,
        )  # fmt: skip
        values = {"quiz_passed_at": now if passed else None, "screened_out_at": now if screened_out else None}
        if not here.update(quiz_attempts=attempt + 1, **values):
            return
        _keep(participant, attempt, answers)
        event_log(participant=participant, kind=Event.Kind.QUIZ_PASSED if passed else Event.Kind.QUIZ_FAILED)
        if screened_out:
            event_log(participant=participant, kind=Event.Kind.SCREENED_OUT)
            platform_move(participant=participant, event=RecruitmentEvent.SCREENED_OUT)


def quiz_last_answers(participant: Participant) -> list[int]:
    """Return the answers of the participant's latest attempt; none before the first."""
    prefix = f"{participant.quiz_attempts}."
    kept = participant.questionnaire_answers.filter(
        page=QuestionnaireAnswer.Page.QUIZ, key__startswith=prefix
    ).values_list("key", "value")
    return [int(value) for _, value in sorted(kept, key=lambda row: int(row[0].removeprefix(prefix)))]


def _check(questions: list[dict[str, list[str]]], answers: Sequence[int]) -> None:
    if len(answers) != len(questions):
        count = len(questions) - len(answers)
        raise ServiceError(
            ngettext(
                "%(count)s question of the quiz is not answered yet.",
                "%(count)s questions of the quiz are not answered yet.",
                count,
            )
            % {"count": count}
        )
    for number, (question, answer) in enumerate(zip(questions, answers, strict=True), start=1):
        if not 1 <= answer <= len(question["options"]):
            raise ValueOutOfScale(
                _("Question %(number)s has %(options)s options, and no %(answer)s.")
                % {"number": number, "options": len(question["options"]), "answer": answer}
            )


def _keep(participant: Participant, attempt: int, answers: Sequence[int]) -> None:
    QuestionnaireAnswer.objects.bulk_create(
        QuestionnaireAnswer(
            participant=participant,
            page=QuestionnaireAnswer.Page.QUIZ,
            key=f"{attempt + 1}.{number}",
            value=str(answer),
        )
        for number, answer in enumerate(answers, start=1)
    )
