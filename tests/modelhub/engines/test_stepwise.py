"""Requests that take several steps, answered by one engine: in streams, at a server and live."""

import threading
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field

import pytest

from modelhub.engines import load_engine, load_live_engine
from modelhub.engines.base import Answer, Cancel, Deliver, GenerationFailure, GenerationRequest, GenerationResult
from modelhub.engines.batched import BatchedEngine
from modelhub.engines.stepwise import StepwiseEngine, StepwiseLiveEngine, step_request
from modelhub.engines.streaming import in_batches
from modelhub.prompting.procedures import StepPlan
from tests.modelhub.engines.asking import came_of
from tests.modelhub.engines.openai_asking import completion, settings
from tests.tools.faultproxy import FaultProxy, Reply

_STEPS = {"Criteria:": "rubric", "Feedback:": "feedback"}


@dataclass
class CountingEngine:
    """Says which step it was asked for, and of what; keeps what it was asked, batch by batch."""

    batches: list[list[GenerationRequest]] = field(default_factory=list)

    def generate(self, requests: Sequence[GenerationRequest]) -> list[GenerationResult | GenerationFailure]:
        self.batches.append(list(requests))
        return [self._answer(request) for request in requests]

    def stream(self, requests: Iterator[GenerationRequest], *, ahead: int) -> Generator[Answer]:
        return in_batches(lambda batch: enumerate(self.generate(batch)), requests, size=ahead)

    def usage(self) -> dict[str, int]:
        return {}

    def _answer(self, request: GenerationRequest) -> GenerationResult:
        last = request.rendered.rpartition("\n")[2]
        return GenerationResult(f"A {_STEPS.get(last, 'response')} to {request.prompt}", "stop", 10, 3, 0.5)


def planned(number: int = 1, procedure: str = "self-refine", style: str = "field") -> GenerationRequest:
    prompt, persona = f"question {number}", "The user is a nurse."
    bare = GenerationRequest(rendered="", prompt=prompt, persona=persona)
    return step_request(bare, StepPlan(procedure, prompt, persona, style), {})


def plain(number: int) -> GenerationRequest:
    return GenerationRequest(rendered=f"Prompt: {number}\nResponse:", prompt=f"plain {number}", persona="")


@pytest.mark.parametrize("ahead", [1, 3, 20])
def test_every_request_has_its_own_answer_whatever_the_size_of_batches(ahead: int) -> None:
    inner = CountingEngine()
    asked = [planned(1, "rubric"), plain(2), planned(3), *(planned(number, "rubric") for number in range(4, 10))]
    came = dict(StepwiseEngine(inner).stream(iter(asked), ahead=ahead))
    assert sorted(came) == list(range(9))
    for number, request in enumerate(asked):
        result = came[number]
        assert isinstance(result, GenerationResult) and result.text == f"A response to {request.prompt}"
    assert sum(len(batch) for batch in inner.batches) == 7 * 2 + 1 + 3


def test_what_was_begun_is_finished_before_more_is_begun() -> None:
    taken = []

    def requests() -> Iterator[GenerationRequest]:
        for number in range(6):
            taken.append(number)
            yield planned(number)

    answers = StepwiseEngine(CountingEngine()).stream(requests(), ahead=1)
    next(answers)
    assert len(taken) <= 3  # one being made, one waiting behind it, and the one that was answered
    answers.close()


def test_an_engine_that_ends_when_nothing_more_is_asked_is_asked_again() -> None:
    class AllAtOnce(CountingEngine):
        def stream(self, requests: Iterator[GenerationRequest], *, ahead: int) -> Generator[Answer]:
            yield from enumerate(self.generate(list(requests)))

    inner = AllAtOnce()
    came = came_of(StepwiseEngine(inner), [planned(1), plain(2), planned(3, "rubric")])
    assert all(isinstance(one, GenerationResult) for one in came)
    assert [len(batch) for batch in inner.batches] == [3, 2, 1]


def test_an_answer_has_the_last_request_the_texts_before_it_and_the_sums_of_all() -> None:
    (came,) = came_of(StepwiseEngine(CountingEngine()), [planned()])
    assert isinstance(came, GenerationResult) and came.asked is not None
    assert "Draft: A response to question 1\nFeedback that" in came.asked.rendered
    assert [(one["step"], one["text"]) for one in came.steps] == [
        ("draft", "A response to question 1"), ("feedback", "A feedback to question 1"),
    ]  # fmt: skip
    assert (came.prompt_tokens, came.completion_tokens, came.seconds) == (30, 9, 1.5)


def test_a_response_has_the_system_message_and_a_question_about_the_person_has_none() -> None:
    inner = CountingEngine()
    came_of(StepwiseEngine(inner), [planned(1, "self-refine", "system_message")])
    messages = [request.system_message for batch in inner.batches for request in batch]
    assert [bool(message) for message in messages] == [True, False, True]
    assert messages[0].endswith("The user is a nurse.")


# A server


@pytest.fixture
def proxy() -> Iterator[FaultProxy]:
    proxy = FaultProxy()
    yield proxy
    proxy.stop()


def ask(proxy: FaultProxy, *replies: Reply, procedure: str = "rubric") -> GenerationResult | GenerationFailure:
    proxy.plan(*replies)
    return came_of(load_engine("openai", settings(proxy)), [planned(1, procedure)])[0]


@pytest.mark.parametrize(
    ("reply", "says", "final"),
    [
        (completion(""), "rubric, at the rubric: The model returned an empty text.", False),
        (completion("---"), "rubric, at the rubric: The model's answer says nothing.", False),
        (completion("<think>Hm", finish="length"), "says nothing. It was cut off at its greatest length", False),
        (completion("", finish="content_filter"), "rubric, at the rubric: The server's content filter", True),
        (Reply(400, {"error": {"message": "no", "code": "context_length_exceeded"}}), "rubric, at the rubric: ", True),
    ],
)
def test_a_step_without_an_answer_is_a_failure_that_names_it_and_no_plain_answer(
    proxy: FaultProxy, reply: Reply, says: str, final: bool
) -> None:
    came = ask(proxy, reply, completion("A plain answer."))
    assert isinstance(came, GenerationFailure) and says in came.error and came.final == final
    assert len(proxy.seen) == 1


def test_the_feedback_that_is_missing_is_named(proxy: FaultProxy) -> None:
    came = ask(proxy, completion("A draft."), completion(" "), completion("No."), procedure="self-refine")
    assert isinstance(came, GenerationFailure)
    assert came.error == "self-refine, at the feedback: The model returned an empty text."


def test_a_servers_account_counts_all_requests(proxy: FaultProxy) -> None:
    proxy.plan(*(completion(f"Text {n}.", tokens=(1000, 100)) for n in range(3)))
    given = settings(proxy, price_per_million_prompt_tokens=1.0, price_per_million_completion_tokens=10.0)
    engine = load_engine("openai", given)
    came_of(engine, [planned()])
    used = engine.usage()
    assert (used["requests"], used["prompt_tokens"], used["completion_tokens"]) == (3, 3000, 300)
    assert used["cost"] == pytest.approx(3 * (0.001 + 0.001))


# Live


def deliver_to(inbox: list[GenerationResult | GenerationFailure], come: threading.Event) -> Deliver:
    def deliver(result: GenerationResult | GenerationFailure) -> None:
        inbox.append(result)
        come.set()

    return deliver


def test_a_live_engine_hands_over_one_answer_when_all_steps_are_done() -> None:
    inner = CountingEngine()
    engine = StepwiseLiveEngine(BatchedEngine(inner, slots=2))
    inbox: list[GenerationResult | GenerationFailure] = []
    come = threading.Event()
    engine.start(planned(), deliver_to(inbox, come))
    assert come.wait(30)
    engine.close()
    (came,) = inbox
    assert isinstance(came, GenerationResult) and came.text == "A response to question 1" and len(came.steps) == 2


def test_what_is_given_up_between_steps_is_asked_no_more() -> None:
    begun, go = threading.Event(), threading.Event()

    class Waiting(CountingEngine):
        def generate(self, requests: Sequence[GenerationRequest]) -> list[GenerationResult | GenerationFailure]:
            begun.set()
            assert go.wait(30)
            return super().generate(requests)

    inner = Waiting()
    engine = StepwiseLiveEngine(BatchedEngine(inner, slots=1))
    inbox: list[GenerationResult | GenerationFailure] = []
    come = threading.Event()
    give_up = engine.start(planned(1), deliver_to(inbox, threading.Event()))
    assert begun.wait(30)
    give_up()
    engine.start(plain(2), deliver_to(inbox, come))
    go.set()
    assert come.wait(30)
    engine.close()
    assert [one.text for one in inbox if isinstance(one, GenerationResult)] == ["A response to plain 2"]
    assert [len(batch) for batch in inner.batches] == [1, 1]


def test_an_answer_that_comes_just_as_it_is_given_up_leads_to_no_other_step() -> None:
    class ByHand:
        slots = 1
        asked: list[Deliver] = []

        def start(self, request: GenerationRequest, deliver: Deliver) -> Cancel:
            self.asked.append(deliver)
            return lambda: None

        def served(self) -> dict[str, str]:
            return {}

        def close(self) -> None: ...

    inner, inbox = ByHand(), list[GenerationResult | GenerationFailure]()
    give_up = StepwiseLiveEngine(inner).start(planned(), deliver_to(inbox, threading.Event()))
    give_up()
    inner.asked[0](GenerationResult("A draft.", "stop", 1, 1, 0.1))
    assert len(inner.asked) == 1 and not inbox


def test_a_live_server_is_asked_step_by_step_too(proxy: FaultProxy) -> None:
    proxy.plan(completion("Short."), completion("Sleep."))
    engine = load_live_engine("openai", settings(proxy))
    inbox: list[GenerationResult | GenerationFailure] = []
    come = threading.Event()
    engine.start(planned(1, "rubric"), deliver_to(inbox, come))
    assert come.wait(30)
    engine.close()
    (came,) = inbox
    assert isinstance(came, GenerationResult) and (came.text, came.steps[0]["text"]) == ("Sleep.", "Short.")
