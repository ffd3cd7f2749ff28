"""Passages that are marked in a response, held to its text and to what the question asks for with them."""

from dataclasses import replace
from string import ascii_uppercase

from django.http import QueryDict
from django.utils.translation import gettext as _

from annotation.errors import ServiceError
from annotation.markdown import response_pieces
from annotation.markings import Marking, MarkingRules, MarkingsSent, markings_placed, markings_sent
from annotation.models import Aspect, Slot, Study
from annotation.questions import QuestionState
from annotation.questionviews import answer_name
from annotation.services.text import answer_text
from annotation.study_texts import aspects_shown, study_shown


def marking_rules(aspect: Aspect, study: Study, text: str) -> MarkingRules:
    """Return what passages of this response are held to."""
    pieces = response_pieces(text, is_markdown=study.formats.get("responses") == "markdown")
    marking = aspect.marking
    return MarkingRules(text, tuple(pieces), marking["reason"], tuple(marking["labels"]), aspect.maximum)


def markings_checked(question: QuestionState, sent: MarkingsSent) -> tuple[Marking, ...]:
    """Return the passages that are sent for a question in their places. Raises ServiceError as `markings_in` does."""
    slot = Slot.objects.select_related("output", "assignment__participant__study").get(pk=question.slot_id)
    rules = marking_rules(
        Aspect.objects.get(pk=question.aspect_id),
        slot.assignment.participant.study,
        slot.output.text if slot.output else "",
    )
    return markings_in(sent, rules, name=question.name, position=question.position)


def markings_in(sent: MarkingsSent, rules: MarkingRules, *, name: str, position: int) -> tuple[Marking, ...]:
    """Return the passages in their places.

    Raises:
        ServiceError: one is not in the response, lacks its label or reason, or cannot be stored; it says where.
    """
    try:
        rows = tuple(replace(row, reason=answer_text(row.reason)) for row in sent.rows)
        return markings_placed(replace(sent, rows=rows), rules)
    except ServiceError as error:
        where = {"question": name, "letter": ascii_uppercase[position - 1], "fault": error}
        raise ServiceError(_("%(question)s, response %(letter)s: %(fault)s") % where) from error


def practice_markings(study: Study, index: int, data: QueryDict) -> tuple[dict[str, int], dict[str, str]]:
    """Return how many passages a practice form marks, and why some are refused, by field; nothing is kept."""
    marked, refused = dict[str, int](), dict[str, str]()
    shown = list(zip(ascii_uppercase, study_shown(study).practice[index]["responses"], strict=False))
    for aspect in (aspect for aspect in aspects_shown(study) if aspect.is_span):
        for position, (letter, text) in enumerate(shown, start=1):
            name = answer_name(f"practice{letter}", aspect.key)
            if sent := markings_sent(name, data):
                try:
                    placed = markings_in(sent, marking_rules(aspect, study, text), name=aspect.name, position=position)
                    marked[name] = len(placed)
                except ServiceError as error:
                    refused[name] = str(error)
    return marked, refused
