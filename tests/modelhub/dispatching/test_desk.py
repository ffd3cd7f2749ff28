"""What the dispatcher sees of one system."""

import time

import pytest

from annotation.models import Output
from modelhub.engines.base import GenerationRequest
from modelhub.live.desk import STALL_SECONDS, Desk, Flight
from modelhub.models import System

REQUEST = GenerationRequest(rendered="Prompt: Why?", prompt="Why?", persona="")


def flight(number: int, *, seconds: float) -> Flight:
    """A request that was sent so long ago."""
    return Flight(Output(pk=number), REQUEST, time.monotonic() - seconds)


def desk_with(*flights: Flight) -> Desk:
    desk = Desk(System(name="dpo"), "f" * 64)
    desk.flights = {one.output.pk: one for one in flights}
    return desk


def test_requests_of_which_none_is_answered_for_long_have_stalled() -> None:
    assert desk_with(flight(1, seconds=STALL_SECONDS + 1), flight(2, seconds=1)).stalled_since() is not None
    assert desk_with(flight(1, seconds=STALL_SECONDS - 2)).stalled_since() is None
    assert desk_with().stalled_since() is None


def test_one_slow_request_is_no_stall_while_others_are_answered() -> None:
    slow, other = flight(1, seconds=60), flight(2, seconds=2)
    desk = desk_with(slow, other)
    desk.answered(other)
    assert desk.stalled_since() is None


@pytest.mark.parametrize(("usual", "stalled"), [(4, True), (30, False)])
def test_how_long_is_too_long_follows_from_the_answers_before(usual: float, stalled: bool) -> None:
    desk = desk_with(flight(1, seconds=40))
    desk.answered(flight(2, seconds=usual))
    desk._answered_at -= 40
    assert (desk.stalled_since() is not None) is stalled


def test_what_takes_too_long_is_given_up_and_told_so() -> None:
    late, early = flight(1, seconds=130), flight(2, seconds=100)
    given_up: list[int] = []
    late.cancel, early.cancel = (lambda: given_up.append(1)), (lambda: given_up.append(2))
    ((found, failure),) = desk_with(late, early).overdue(120)
    assert (found, failure.error, given_up) == (late, "No answer within 120 s.", [1])
