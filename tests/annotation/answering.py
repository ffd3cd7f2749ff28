"""Answers saved as the rating page saves them, for tests that hold rows in their hands."""

import uuid

from annotation.models import Aspect, Rating, Slot
from annotation.services.ratings import GivenAnswer, rating_save


def save_answer(slot: Slot, aspect: Aspect, answer: GivenAnswer) -> Rating:
    token = slot.assignment.participant.token
    return rating_save(token=token, slot_key=slot.key, aspect_key=aspect.key, answer=answer)


def save_first(slot: Slot, aspect: Aspect, value: int) -> Rating:
    return save_answer(slot, aspect, GivenAnswer(value, 0, uuid.uuid4()))
