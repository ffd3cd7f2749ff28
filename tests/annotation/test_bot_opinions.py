"""Bots with opinions: what is planted shows in their answers, whatever side it stands on, and nothing else does."""

import re
from collections.abc import Callable
from statistics import mean

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer

from annotation.botopinions import Effect, Opinions, effects_of
from annotation.errors import ServiceError
from annotation.models import Aspect, Assignment, Participant, Persona, Rating, Slot, Study
from tests.annotation.study_rows import add_participant, make_frozen_study


def page(participant: Participant, persona: Persona, *, swapped: bool = False) -> dict[str, Slot]:
    """Return the slots of a rating page by the aspect that they are asked about; outputs as `1` and `2` by arm."""
    now = timezone.now()
    assignment = Assignment.objects.create(
        participant=participant, persona=persona, ordinal=participant.assignments.count() + 1, expires_at=now
    )
    outputs = list(persona.outputs.order_by("arm__ordinal"))
    slots = {}
    for position, output in enumerate(outputs[:: -1 if swapped else 1], start=1):
        slots[str(output.arm.ordinal)] = Slot.objects.create(
            assignment=assignment, kind="output", position=position, output=output
        )
    slots["pair"] = Slot.objects.create(assignment=assignment, kind="pair", position=3)
    return slots


def answers_of(study: Study, effects: list[Effect], field: Callable[[dict[str, Slot]], str], *, bots: int = 6,
               swapped: bool = False) -> list[int]:  # fmt: skip
    found = []
    for _ in range(bots):
        bot = add_participant(study, kind=Participant.Kind.BOT)
        opinions = Opinions(study, effects, seed=3, code=bot.code)
        for persona in Persona.objects.filter(item__study=study):
            name = field(page(bot, persona, swapped=swapped))
            found.append(int(opinions.answers([name])[name]))
    return found


@pytest.mark.django_db
def test_an_effect_raises_the_answers_for_its_arm_and_aspect_only() -> None:
    study = make_frozen_study(given_items=6)
    effects = effects_of(study, ["personalization:2=+1.5"])

    def mean_of(arm: int, aspect: str) -> float:
        return mean(answers_of(study, effects, lambda slots: f"answer-{slots[str(arm)].key}-{aspect}"))

    assert mean_of(2, "personalization") - mean_of(1, "personalization") > 0.8
    assert abs(mean_of(2, "answerability") - mean_of(1, "answerability")) < 0.6


@pytest.mark.django_db
@pytest.mark.parametrize("swapped", [False, True])
def test_the_preferred_arm_is_preferred_on_either_side(swapped: bool) -> None:
    study = make_frozen_study(given_items=6)
    effects = effects_of(study, ["preference:2=4"])
    chosen = answers_of(study, effects, lambda slots: f"answer-{slots['pair'].key}-preference", swapped=swapped)
    assert chosen.count(1 if swapped else 2) > 0.9 * len(chosen)


@pytest.mark.django_db
def test_a_tie_is_possible_in_a_comparison_and_not_in_a_pick() -> None:
    study = make_frozen_study(given_items=6)
    field: Callable[[dict[str, Slot]], str] = lambda slots: f"answer-{slots['pair'].key}-preference"  # noqa: E731
    assert 3 in answers_of(study, [], field)
    study.aspects.filter(key="preference").update(kind=Aspect.Kind.PICK)
    assert set(answers_of(study, [], field)) == {1, 2}


@pytest.mark.django_db
def test_an_effect_can_belong_to_a_block_of_personas_and_to_an_arm_within_it() -> None:
    study = make_frozen_study(given_items=8)
    Persona.objects.filter(item__ordinal__lte=4).update(block="b-00aa11bb")
    (of_block,) = effects_of(study, ["answerability:b-00aa11bb=-2"])
    (within,) = effects_of(study, ["preference:b-00aa11bb/2=3"])
    assert [of_block.applies("answerability", 1, block) for block in ("b-00aa11bb", "")] == [True, False]
    assert [within.applies("preference", arm, "b-00aa11bb") for arm in (1, 2)] == [False, True]
    found = answers_of(study, [of_block], lambda slots: f"answer-{slots['1'].key}-answerability", bots=8)
    lowered = [value for index, value in enumerate(found) if index % 8 < 4]
    others = [value for index, value in enumerate(found) if index % 8 >= 4]
    assert mean(others) - mean(lowered) > 1


@pytest.mark.django_db
def test_bots_share_an_idea_of_what_is_good() -> None:
    study = make_frozen_study(given_items=8)
    found = answers_of(study, [], lambda slots: f"answer-{slots['1'].key}-answerability", bots=10)
    by_item = [mean(found[index::8]) for index in range(8)]
    assert max(by_item) - min(by_item) > 0.6


@pytest.mark.django_db
def test_planted_pairs_are_left_to_the_careful_part_of_the_bot() -> None:
    study = make_frozen_study()
    bot = add_participant(study, kind=Participant.Kind.BOT)
    slots = page(bot, Persona.objects.filter(item__study=study)[0])
    Assignment.objects.update(kind=Assignment.Kind.CHECK)
    opinions = Opinions(study, [], seed=0, code=bot.code)
    assert opinions.answers([f"answer-{slots['1'].key}-answerability", "text", "answer-practiceA-answerability"]) == {}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("personalization", "write ASPECT:ARM=POINTS, such as personalization:2=+0.6"),
        ("personalization:2=much", "write ASPECT:ARM=POINTS"),
        ("personalization:2=nan", "write ASPECT:ARM=POINTS"),
        ("fluency:2=1", "has no aspect fluency; there are: answerability, personalization, preference"),
        ("personalization:3=1", "has no arm 3; there are: 1, 2"),
        ("personalization:b-0a=1", "has no block b-0a; there are: none"),
    ],
)
def test_an_effect_that_cannot_be_planted_is_refused(text: str, says: str) -> None:
    with pytest.raises(ServiceError, match=re.escape(says)):
        effects_of(make_frozen_study(), [text])
    with pytest.raises(CommandError, match=re.escape(says)):
        call_command("simulate_study", "study", "--participants=1", f"--effect={text}")


def test_the_command_plants_effects_through_the_pages(live_server: LiveServer) -> None:
    study = make_frozen_study(given_items=4, raters_per_item=4)
    call_command("simulate_study", "study", "--participants=4", f"--url={live_server.url}", "--effect",
                 "personalization:2=+9", "--effect", "personalization:1=-9")  # fmt: skip
    values = {
        arm: list(
            Rating.objects.filter(
                slot__output__arm__ordinal=arm, aspect__key="personalization", superseded_by=None,
                slot__assignment__participant__study=study,
            ).values_list("value", flat=True)
        )
        for arm in (1, 2)
    }  # fmt: skip
    assert len(values[1]) == 16
    assert set(values[1]) == {1}
    assert set(values[2]) == {5}
