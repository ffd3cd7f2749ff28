"""What a page is given of one question: its words, its answers, and the one that stands."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from string import ascii_uppercase

from django.http import QueryDict

from annotation.markings import Marking, MarkingSent, markings_sent, row_of
from annotation.models import Aspect, Rating
from annotation.orders import Order


@dataclass(frozen=True)
class SliderView:
    """A slider: how far it goes, and what stands at its low end, in its middle and at its high end."""

    minimum: int
    maximum: int
    low: str
    middle: str
    high: str


@dataclass(frozen=True)
class PlaceView:
    """One place of an order: its field, its number where it has one, what it is called, and who has it."""

    name: str
    number: str
    words: str
    chosen: int | None


@dataclass(frozen=True)
class OrderView:
    """Places to be given to responses, by position and letter. `orders` lists all there can be, as the values count."""

    places: tuple[PlaceView, ...]
    letters: tuple[tuple[int, str], ...]
    orders: str


@dataclass(frozen=True)
class MarkingView:
    """Passages of a response: those in the fields, one field that is empty, and what each can be said to be."""

    rows: tuple[MarkingSent, ...]
    nothing: bool
    labels: tuple[tuple[str, str], ...]
    reason: str
    most: int

    @property
    def shown(self) -> tuple[MarkingSent, ...]:
        """The rows on the page, the last of them to fill in."""
        return (*self.rows, MarkingSent()) if len(self.rows) < self.most else self.rows


@dataclass(frozen=True)
class QuestionView:
    """One scale on the page. `name` is the form field; `about` names the response in the list of what is missing."""

    name: str
    slot_key: str
    aspect_key: str
    title: str
    about: str
    text: str
    options: tuple[tuple[int, str], ...]
    value: int | None
    version: int
    saved_at: datetime | None
    client_key: uuid.UUID
    slider: SliderView | None = None
    order: OrderView | None = None
    marking: MarkingView | None = None
    asked_if: str = ""
    asked_if_values: tuple[int, ...] = ()
    is_asked: bool = True
    before_persona: bool = False
    is_fixed: bool = False

    @property
    def answer(self) -> str:
        """The answer that stands, in the words of the page; empty without one."""
        if self.value is None:
            return ""
        if self.order:
            letters = dict(self.order.letters)
            return " > ".join(letters[place.chosen] for place in self.order.places if place.chosen)
        return dict(self.options).get(self.value, str(self.value))

    @property
    def is_answered(self) -> bool:
        """Whether nothing is missing here: a question that is not asked needs no answer."""
        return self.value is not None or not self.is_asked


def question_view(
    aspect: Aspect,
    slot_key: str,
    about: str,
    is_author: bool,
    rating: Rating | None,
    answers: Mapping[str, int] | None = None,
    markings: Sequence[Marking] = (),
) -> QuestionView:
    """Return a question about a slot with the answer that stands, or else with the one among `answers`, by field.

    `markings` are the passages that this answer marks.
    """
    name = answer_name(slot_key, aspect.key)
    value = rating.value if rating else (answers or {}).get(name)
    return QuestionView(
        name=name,
        slot_key=slot_key,
        aspect_key=aspect.key,
        title=aspect.name,
        about=about,
        text=aspect.question if is_author else aspect.question_for_others,
        options=() if aspect.is_slider or aspect.orders else tuple(aspect.options),
        value=value,
        version=rating.version if rating else 0,
        saved_at=rating.saved_at if rating else None,
        client_key=uuid.uuid4(),
        slider=_slider(aspect) if aspect.is_slider else None,
        order=_order(aspect, name, value) if aspect.orders else None,
        marking=_marking(aspect, value, markings) if aspect.is_span else None,
        asked_if=answer_name(slot_key, aspect.asked_if) if aspect.asked_if else "",
        asked_if_values=tuple(aspect.asked_if_values),
        before_persona=aspect.before_persona,
    )


def asked_among(questions: Iterable[QuestionView]) -> tuple[QuestionView, ...]:
    """Return the questions about one thing, each knowing whether it is asked after the answers to the others."""
    listed = tuple(questions)
    values = {question.name: question.value for question in listed}
    return tuple(
        replace(one, is_asked=values.get(one.asked_if) in one.asked_if_values) if one.asked_if else one
        for one in listed
    )


def in_step(questions: Iterable[QuestionView], *, before_persona: bool) -> tuple[QuestionView, ...]:
    """Return the questions about one thing that a step shows: those of the first are fixed in the second.

    Whether a question is asked that a fixed answer decides is known: the page need not watch for it.
    """
    listed = tuple(questions)
    if before_persona:
        return tuple(question for question in listed if question.before_persona)
    fixed = {question.name for question in listed if question.before_persona}
    known = (replace(one, asked_if="", is_fixed=one.before_persona) if one.asked_if in fixed else one for one in listed)
    return tuple(replace(one, is_fixed=one.before_persona) for one in known if one.is_asked or one.asked_if)


def answer_name(slot_key: str, aspect_key: str) -> str:
    """Return the form field of a question."""
    return f"answer-{slot_key}-{aspect_key}"


def answer_sent(aspect: Aspect, name: str, sent: Mapping[str, str]) -> str:
    """Return the answer to a question in a form; empty where there is none, or where two responses share a place."""
    if not aspect.orders:
        return sent.get(name, "")
    order = tuple(order_sent(aspect, name, sent))
    return str(aspect.orders.index(order) + 1) if order in aspect.orders else ""


def order_sent(aspect: Aspect, name: str, sent: Mapping[str, str]) -> list[int | None]:
    """Return who was given each place in a form, None for nobody."""
    texts = [sent.get(place_name(name, place), "") for place in range(1, len(aspect.orders[0]) + 1)]
    return [int(text) if text.isascii() and text.isdigit() and len(text) == 1 else None for text in texts]


def place_name(name: str, place: int) -> str:
    """Return the form field of one place of an order; a dot parts them, which no key holds."""
    return f"{name}.{place}"


def with_places(question: QuestionView, sent: Mapping[str, str]) -> QuestionView:
    """Return an unanswered question with the places that a form has given so far."""
    if question.order is None or question.is_answered:
        return question
    known = {str(position): position for position, _ in question.order.letters}
    places = tuple(replace(place, chosen=known.get(sent.get(place.name, ""))) for place in question.order.places)
    return replace(question, order=replace(question.order, places=places))


def with_markings(question: QuestionView, data: QueryDict, *, is_disputed: bool = False) -> QuestionView:
    """Return a question with the passages that a form holds; where others are saved meanwhile, behind those."""
    sent = markings_sent(question.name, data)
    if question.marking is None or sent is None:
        return question
    rows, nothing = sent.rows, sent.nothing
    if is_disputed:
        saved, nothing = question.marking.rows, question.marking.nothing and not rows
        rows = (*saved, *(row for row in rows if (row.text, row.label) not in {(one.text, one.label) for one in saved}))
    return replace(question, marking=replace(question.marking, rows=rows, nothing=nothing))


def _marking(aspect: Aspect, value: int | None, markings: Sequence[Marking]) -> MarkingView:
    return MarkingView(
        rows=tuple(row_of(marking) for marking in markings),
        nothing=value == 0,
        labels=tuple(zip(aspect.marking["labels"], aspect.labels, strict=True)),
        reason=aspect.marking["reason"],
        most=aspect.maximum,
    )


def _slider(aspect: Aspect) -> SliderView:
    low, *middle, high = aspect.labels
    return SliderView(aspect.minimum, aspect.maximum, low, "".join(middle), high)


def _order(aspect: Aspect, name: str, value: int | None) -> OrderView:
    stands = aspect.orders[value - 1] if value and 0 < value <= len(aspect.orders) else None
    responses = max(max(order) for order in aspect.orders)
    return OrderView(
        places=tuple(_place(aspect, name, place, stands) for place in range(1, len(aspect.orders[0]) + 1)),
        letters=tuple(enumerate(ascii_uppercase[:responses], start=1)),
        orders=" ".join("".join(map(str, order)) for order in aspect.orders),
    )


def _place(aspect: Aspect, name: str, place: int, stands: Order | None) -> PlaceView:
    best, worst = aspect.labels
    words = {1: best, len(aspect.orders[0]): worst}.get(place, "")
    number = str(place) if aspect.kind == Aspect.Kind.RANKING else ""
    return PlaceView(place_name(name, place), number, words, stands[place - 1] if stands else None)
