"""What workers make of servers that refuse: nothing is asked for again in vain, and the reason says what helps."""

import io
from collections.abc import Iterator

import pytest
from django.core.management import CommandError, call_command

from annotation.models import ArmTrouble, GuardCheck, Output, Study
from modelhub.live.guard import Guard
from modelhub.models import PairOutput, System, Trial
from modelhub.systems.guarding import guard_bind
from modelhub.systems.registering import arms_bind, system_register
from modelhub.systems.trials import trials_request
from tests.annotation.walking import Walker
from tests.factories import make_study
from tests.modelhub.dispatching.served import make_served_study, waiting
from tests.modelhub.pair_rows import make_pair
from tests.tools.processes import wait_until
from tests.tools.standin import BASE, StandIn

pytestmark = pytest.mark.django_db(transaction=True)
UNSUPPORTED = "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead."
HELPS = "Set the option max_tokens_parameter to max_completion_tokens."


def run_once() -> None:
    call_command("run_worker", once=True, stdout=io.StringIO())


def test_a_worker_asks_each_system_that_takes_nothing_once_and_blames_no_output(model: StandIn) -> None:
    study = make_served_study(model)
    waiting(study, 3)
    model.mode, model.message = "400", UNSUPPORTED
    System.objects.update(options={"live_slots": 1})
    with pytest.raises(CommandError) as ended:
        run_once()
    assert len(model.seen) == 2, "One request for each of the two systems."
    assert str(ended.value).count(HELPS) == 2
    assert set(Output.objects.values_list("state", "attempts")) == {("requested", 0)}


def test_an_output_that_a_filter_withholds_has_failed_for_good(model: StandIn) -> None:
    study = make_served_study(model)
    waiting(study)
    model.mode = "filtered"
    run_once()
    assert len(model.seen) == 2
    assert set(Output.objects.values_list("state", "error")) == {
        ("failed", "The server's content filter withheld the answer.")
    }
    assert not ArmTrouble.objects.exists()


def test_an_answer_without_a_text_is_a_result_that_no_worker_asks_for_again(model: StandIn) -> None:
    waiting(make_served_study(model))
    model.mode = "empty"
    run_once()
    assert len(model.seen) == 2, "One request for each of the two systems."
    outputs = Output.objects.values_list("state", "error", "attempts")
    assert set(outputs) == {("failed", "The model returned an empty text.", 1)}
    assert not ArmTrouble.objects.exists()


def test_an_answer_without_a_text_is_a_result_that_no_stage_asks_for_again(model: StandIn) -> None:
    register(model)
    make_pair("mnemonic", "test", 1)
    model.mode = "empty"
    for _ in range(2):
        call_command("generate", dataset="mnemonic", system=["served"], persona=["none"], stdout=io.StringIO())
    assert len(model.seen) == 1
    made = PairOutput.objects.select_related("generation").get()
    assert made.generation is not None
    assert (made.text, made.generation.finish_reason) == ("", "stop")


def test_somebody_who_tries_a_prompt_is_told_why_there_is_no_text(model: StandIn) -> None:
    study = make_study(state="draft", given_items=1)
    system = register(model)
    arms_bind(study=study, bindings={"1": system.name})
    for mode, message, said in [("filtered", "", "content filter withheld"), ("400", UNSUPPORTED, HELPS)]:
        model.mode, model.message = mode, message
        trials_request(study=study, user=study.owner, prompt="Why?", persona="")
        run_once()
        assert said in Trial.objects.latest("pk").error
    assert len(model.seen) == 2


@pytest.fixture
def guard(db: None) -> Iterator[Guard]:
    guard = Guard("a worker")
    yield guard
    guard.close()


@pytest.mark.parametrize(
    ("mode", "message", "said"), [("filtered", "", "content filter withheld"), ("400", UNSUPPORTED, HELPS)]
)
def test_a_guard_that_refuses_is_asked_once_and_the_persona_goes_on_without_a_verdict(
    guard: Guard, model: StandIn, mode: str, message: str, said: str
) -> None:
    study = make_served_study(model)
    Study.objects.filter(pk=study.pk).update(screening={"guard": "hold"})
    study.refresh_from_db()
    guard_bind(study=study, system=register(model))
    model.mode, model.message = mode, message
    walker = Walker(study).begin()
    walker.write("The user is new here and prefers short answers.")

    def ended() -> bool:
        guard.turn()
        return not GuardCheck.objects.filter(ended_at=None).exists()

    wait_until(ended, seconds=30, what="The end of the check")
    assert said in GuardCheck.objects.get().error
    assert len(model.seen) == 1 and walker.step == "held"


def register(model: StandIn) -> System:
    return system_register(
        name="served", engine="openai", model=BASE, endpoint=model.url, persona_style="none", decoding={"chat": True}
    )
