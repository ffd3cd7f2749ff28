"""When a system may be asked, after what has become of the requests before."""

import pytest

from annotation.models import ArmTrouble
from modelhub.engines.base import GenerationFailure
from modelhub.live.breaker import LONGEST_PAUSE, STRIKES, Breaker, pause_seconds

BAD = GenerationFailure("HTTP 500")
DOWN = GenerationFailure("No connection.", down=True)


def opened(now: float = 100.0) -> Breaker:
    breaker = Breaker()
    breaker.failed(1, DOWN, now=now)
    return breaker


def test_a_system_that_answers_has_room_for_all_its_slots() -> None:
    assert Breaker().room(8, under_way=3) == 5
    assert Breaker().room(8, under_way=9) == 0


def test_a_server_that_answers_nobody_is_asked_nothing_and_blames_no_request() -> None:
    breaker = Breaker()
    assert not breaker.failed(1, DOWN, now=100.0)
    assert breaker.room(8, under_way=0) == 0
    assert (breaker.kind, breaker.reason) == (ArmTrouble.Kind.DOWN, "No connection.")


def test_one_bad_request_blames_itself_however_often_it_is_tried() -> None:
    breaker = Breaker()
    assert all(breaker.failed(1, BAD, now=100.0) for _ in range(10))
    assert breaker.room(8, under_way=0) == 8


def test_different_requests_that_fail_in_a_row_blame_the_system() -> None:
    breaker = Breaker()
    counted = [breaker.failed(key, BAD, now=100.0) for key in range(STRIKES + 2)]
    assert counted == [True] * (STRIKES - 1) + [False] * 3
    assert breaker.kind == ArmTrouble.Kind.FAILING


def test_an_answer_in_between_forgives_what_was_before() -> None:
    breaker = Breaker()
    for key in range(10):
        assert breaker.failed(key, BAD, now=100.0)
        breaker.succeeded()
    assert not breaker.is_open


def test_a_request_that_the_server_refuses_shows_that_it_works() -> None:
    breaker = Breaker()
    assert all(breaker.failed(key, GenerationFailure("Too long.", final=True), now=100.0) for key in range(9))
    assert not breaker.is_open


def test_empty_texts_for_one_request_after_the_other_blame_the_system_and_a_single_one_does_not() -> None:
    empty, breaker = GenerationFailure("The model returned an empty text.", final=True), Breaker()
    counted = [breaker.failed(key, empty, now=100.0, is_suspicious=True) for key in range(STRIKES + 1)]
    assert counted == [True] * (STRIKES - 1) + [False] * 2
    assert breaker.kind == ArmTrouble.Kind.FAILING
    breaker = Breaker()
    for key in range(10):
        assert breaker.failed(key, empty, now=100.0, is_suspicious=True)
        breaker.succeeded()
    assert not breaker.is_open


def test_after_the_pause_one_request_is_tried_and_closes_it() -> None:
    breaker = opened(100.0)
    assert not breaker.is_due(100.5) and breaker.is_due(101.0)
    breaker.trying = True
    assert breaker.room(8, under_way=0) == 1 and breaker.room(8, under_way=1) == 0
    breaker.succeeded()
    assert breaker.room(8, under_way=0) == 8


def test_pauses_grow_while_the_trial_fails_up_to_a_limit() -> None:
    breaker, now, pauses = opened(0.0), 0.0, []
    for key in range(10):
        pauses.append(breaker.retry_at - now)
        now = breaker.retry_at
        breaker.trying = True
        assert not breaker.failed(key, DOWN, now=now)
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, *[LONGEST_PAUSE] * 5]
    assert breaker.since == 0.0


def test_requests_that_were_under_way_when_it_opened_make_no_pause_longer() -> None:
    breaker = opened(100.0)
    for key in range(2, 60):
        assert not breaker.failed(key, DOWN, now=100.2)
    assert breaker.retry_at == 101.0


def test_a_wait_that_the_server_asks_for_is_kept() -> None:
    breaker = Breaker()
    breaker.failed(1, GenerationFailure("Too many requests.", down=True, wait=17.0), now=100.0)
    assert breaker.retry_at == 117.0


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 1.0), (2, 2.0), (3, 4.0), (9, LONGEST_PAUSE)])
def test_an_output_is_tried_again_after_a_pause_that_grows(attempt: int, seconds: float) -> None:
    assert pause_seconds(attempt) == seconds
