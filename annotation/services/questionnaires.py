"""Keep answers to the questionnaires before and after the work."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from annotation.errors import NotAllowedNow, ServiceError
from annotation.models import Participant, QuestionnaireAnswer
from annotation.services.text import answer_text

Page = QuestionnaireAnswer.Page
_SENT_AT = {Page.BEFORE: "surveyed_before_at", Page.AFTER: "surveyed_after_at"}


def questionnaire_save(*, participant: Participant, page: Page, answers: Mapping[str, str]) -> list[str]:
    """Keep the answers, by question; a blank one takes back what was there. Return the required ones still missing.

    Choices are stored as the option's words, scales as the number of the label from 1, texts as typed.

    Raises:
        ServiceError: an answer is not among its question's options, or a text cannot be stored.
        NotAllowedNow: the page has been sent already, or the participant has left the study.
    """
    questions = participant.study.questionnaires.get(page, [])
    values = {question["key"]: _checked(question, answers.get(question["key"], "")) for question in questions}
    with transaction.atomic():
        unsent = Participant.objects.filter(
            pk=participant.pk, withdrawn_at__isnull=True, **{f"{_SENT_AT[page]}__isnull": True}
        )
        # Written as it is: requests for one page take turns, as on every assignment.
        if not unsent.update(number=participant.number):
            raise NotAllowedNow(_("These questions have been answered already."))
        kept = QuestionnaireAnswer.objects.filter(participant=participant, page=page)
        kept.filter(key__in=[key for key, value in values.items() if not value]).delete()
        for key, value in values.items():
            if value:
                kept.update_or_create(defaults={"value": value}, participant=participant, page=page, key=key)
    return [question["key"] for question in questions if question["required"] and not values[question["key"]]]


def questionnaire_send(*, participant: Participant, page: Page) -> None:
    """Finish a page whose required questions are answered; once, and not after leaving the study."""
    unsent = Participant.objects.filter(
        pk=participant.pk, withdrawn_at__isnull=True, **{f"{_SENT_AT[page]}__isnull": True}
    )
    unsent.update(**{_SENT_AT[page]: timezone.now()})


def questionnaire_answers(participant: Participant, page: Page) -> dict[str, str]:
    """Return the kept answers by question."""
    kept = QuestionnaireAnswer.objects.filter(participant=participant, page=page)
    return dict(kept.values_list("key", "value"))


def _checked(question: Mapping[str, Any], value: str) -> str:
    if question["type"] == "text":
        return answer_text(value)
    numbers = [str(number) for number in range(1, len(question["labels"]) + 1)]
    allowed = question["options"] if question["type"] == "choice" else numbers
    if value and value not in allowed:
        raise ServiceError(
            _("“%(question)s” has no answer “%(answer)s”; choose one of those on the page.")
            % {"question": question["question"], "answer": value[:80]}
        )
    return value
