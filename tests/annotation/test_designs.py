"""Designs on a real database: blocks, overlap, repetitions, planted items and skipped places, also at once."""

import random
from collections import Counter
from functools import partial
from typing import Any

import pytest
from django.utils import timezone

from annotation.armorder import arm_numbers
from annotation.export import study_tables
from annotation.flow import Step
from annotation.history import history_of
from annotation.models import Assignment, Item, Output, Participant, Persona, Slot, Study
from annotation.overlap import overlap_report
from annotation.services.exclusions import participant_exclude
from annotation.services.handout import assignment_next
from annotation.services.participants import participant_create
from annotation.services.places import participant_place
from annotation.services.tallies import assignment_recount
from annotation.services.withdrawal import participant_withdraw
from annotation.units import assignments_at_most
from tests.annotation.test_concurrency import at_once, ready
from tests.factories import let_expire, make_study

pytestmark = pytest.mark.django_db(transaction=True)
Kind, State = Assignment.Kind, Assignment.State


def design(**fields: Any) -> Study:
    """Return an open study; `fields` of the model are set on top of what the factory knows."""
    known = {
        "slug",
        "given_items",
        "written_items",
        "given_per_participant",
        "written_per_participant",
        "raters_per_item",
    }
    study = make_study(**{name: value for name, value in fields.items() if name in known})
    Study.objects.filter(pk=study.pk).update(**{name: value for name, value in fields.items() if name not in known})
    study.refresh_from_db()
    return study


def newcomer(study: Study) -> Participant:
    return ready(participant_create(study=study))


def finish(assignment: Assignment, state: Assignment.State = State.COMPLETED) -> Assignment:
    """Submit what is to be written, and end the assignment, without the detour over pages."""
    persona, now = assignment.persona, timezone.now()
    if persona.submitted_at is None and state == State.COMPLETED:
        text = f"Persona of {assignment.participant.number} for {persona.item.key}"
        Persona.objects.filter(pk=persona.pk).update(text=text, submitted_at=now)
        for arm in persona.item.study.arms.all():
            Output.objects.create(persona=persona, arm=arm, state="ready", text="Text", ready_at=now)
    completed_at = now if state == State.COMPLETED else None
    Assignment.objects.filter(pk=assignment.pk).update(state=state, completed_at=completed_at)
    assignment.refresh_from_db()
    assignment_recount(assignment=assignment)
    return assignment


def order_of(assignment: Assignment) -> tuple[int, ...]:
    """Return the numbers of the arms, by their codes, from the first position on."""
    slots = assignment.slots.filter(kind="output").order_by("position")
    numbers = arm_numbers(assignment.persona.item.study)
    return tuple(numbers[code] for code in slots.values_list("output__arm__code", flat=True))


def work(participant: Participant, *, parts: int = 999) -> list[Assignment]:
    """Do up to so many parts; return them in order."""
    done: list[Assignment] = []
    while len(done) < parts and (assignment := assignment_next(participant=participant)):
        done.append(finish(assignment))
    return done


def kinds(assignments: list[Assignment]) -> list[str]:
    return [assignment.kind for assignment in assignments]


def sides(assignment: Assignment) -> tuple[int, ...]:
    return tuple(
        assignment.slots.filter(kind="output").order_by("position").values_list("output__arm__ordinal", flat=True)
    )


# --- Blocks ------------------------------------------------------------------------------------------------------


def test_strata_alternate_within_every_participant() -> None:
    study = design(given_items=12, given_per_participant=8, raters_per_item=4, blocks="stratum")
    for item in Item.objects.all():
        Item.objects.filter(pk=item.pk).update(stratum="one" if item.ordinal <= 4 else "two")
    for _ in range(4):
        done = work(newcomer(study))
        strata = [assignment.persona.item.stratum for assignment in done]
        assert all(abs(Counter(strata[:n])["one"] - Counter(strata[:n])["two"]) <= 1 for n in range(9))


def test_conditions_alternate_within_every_participant() -> None:
    study = design(given_items=8, given_per_participant=6, blocks="condition")
    for persona in Persona.objects.all():
        Persona.objects.filter(pk=persona.pk).update(block="b-1" if persona.pk % 2 else "b-2")
    blocks = Counter(assignment.persona.block for assignment in work(newcomer(study)))
    assert blocks == {"b-1": 3, "b-2": 3}


# --- Overlap -----------------------------------------------------------------------------------------------------


def test_others_personas_come_after_the_own_ones_and_each_has_one_second_rater() -> None:
    study = writing_design()
    people = [newcomer(study) for _ in range(3)]
    done = [work(person) for person in people]
    assert [kinds(parts) for parts in done] == [
        ["main"] * 4,
        ["main"] * 4 + ["overlap"] * 4,
        ["main"] * 4 + ["overlap"] * 2,
    ]
    overlaps = [part for parts in done for part in parts if part.kind == Kind.OVERLAP]
    assert len({part.persona_id for part in overlaps}) == len(overlaps)
    assert all(part.persona.author_id != part.participant_id for part in overlaps)
    assert overlap_report(study).__dict__ == {"wanted": 6, "done": 6, "shortfall": 0}


def writing_design(overlap_share: float = 0.5, raters_per_item: int = 9) -> Study:
    return design(
        given_items=0, given_per_participant=0, written_items=4, written_per_participant=4,
        overlap_share=overlap_share, raters_per_item=raters_per_item,
    )  # fmt: skip


def test_what_the_first_left_over_is_made_up_for_by_later_ones_within_twice_the_mean() -> None:
    study = writing_design(overlap_share=0.25)
    done = [work(newcomer(study)) for _ in range(5)]
    assert [kinds(parts).count("overlap") for parts in done] == [0, 2, 1, 1, 1]
    assert all(len(parts) <= assignments_at_most(study) == 6 for parts in done)
    assert overlap_report(study).shortfall == 0


def test_nobody_takes_a_second_rating_that_somebody_at_work_still_plans() -> None:
    study = writing_design(overlap_share=0.5)
    work(newcomer(study))
    slow, quick = newcomer(study), newcomer(study)
    work(slow, parts=3)
    assert assignment_next(participant=slow) is not None
    assert kinds(work(quick)).count("overlap") == 4  # 5 or 6 wanted for 11 units; slow plans 2
    assert kinds(work(slow)).count("overlap") == 2
    assert overlap_report(study).shortfall == 0


@pytest.mark.parametrize("seed", range(5))
def test_the_overlap_reaches_its_target_in_whatever_order_people_work(seed: int) -> None:
    chance = random.Random(seed)
    study = writing_design(overlap_share=0.3)
    working = [newcomer(study) for _ in range(6)]
    people = list(working)
    while working:
        person = chance.choice(working)
        assignment = assignment_next(participant=person)
        if assignment is None:
            working.remove(person)
        else:
            finish(assignment)
    seconds = [person.assignments.filter(kind=Kind.OVERLAP).count() for person in people]
    assert max(seconds) <= 3 and overlap_report(study).shortfall == 0


def test_the_report_of_the_overlap_leaves_out_who_left_or_is_excluded() -> None:
    study = writing_design(overlap_share=0.5)
    first, second = newcomer(study), newcomer(study)
    work(first), work(second)
    assert overlap_report(study).__dict__ == {"wanted": 4, "done": 4, "shortfall": 0}
    participant_exclude(participant=second, reason="checks", user=None)
    assert overlap_report(study).__dict__ == {"wanted": 2, "done": 0, "shortfall": 2}
    assert kinds(work(newcomer(study))).count("overlap") == 4


def test_the_places_of_an_excluded_participant_are_free_again_while_the_study_is_open() -> None:
    study = design(given_items=2, given_per_participant=2, raters_per_item=1)
    first = newcomer(study)
    work(first)
    assert work(newcomer(study)) == []
    participant_exclude(participant=first, reason="checks", user=None)
    assert len(work(newcomer(study))) == 2


def test_personas_of_people_who_left_find_no_second_rater() -> None:
    study = design(given_items=0, given_per_participant=0, written_items=2, written_per_participant=2, overlap_share=1)
    gone = newcomer(study)
    work(gone)
    participant_withdraw(participant=gone)
    assert kinds(work(newcomer(study))) == ["main", "main"]


def test_an_overlap_that_expired_returns_and_its_owner_may_still_finish_as_surplus() -> None:
    study = design(given_items=0, given_per_participant=0, written_items=1, written_per_participant=1, overlap_share=1)
    work(newcomer(study))
    late, other = newcomer(study), newcomer(study)
    work(late, parts=1)
    held = assignment_next(participant=late)
    assert held is not None and held.kind == Kind.OVERLAP
    assert Kind.OVERLAP not in kinds(work(other, parts=1))
    let_expire(Assignment.objects.filter(pk=held.pk))
    taken = [part for part in work(other) if part.persona_id == held.persona_id]
    assert kinds(taken) == ["overlap"]


@pytest.mark.parametrize("overlap_share", [1.0, 0.5])
def test_two_people_never_get_the_same_last_place_of_the_overlap(overlap_share: float) -> None:
    study = design(
        given_items=0, given_per_participant=0, written_items=2, written_per_participant=2, overlap_share=overlap_share,
        raters_per_item=20,
    )  # fmt: skip
    first = newcomer(study)
    work(first)
    others = [newcomer(study) for _ in range(6)]
    for person in others:
        work(person, parts=2)
    Persona.objects.filter(author__in=others).update(author=first)  # two places are left for six
    Persona.objects.exclude(assignments__participant=first).update(text="", author=others[0])
    places = at_once([partial(assignment_next, participant=p) for p in others])
    second = [place.persona_id for place in places if place and place.kind == Kind.OVERLAP]
    assert len(second) == len(set(second)) > 0


def test_everything_that_is_left_is_handed_out_when_people_work_at_once() -> None:
    study = design(
        given_items=3, given_per_participant=3, written_items=2, written_per_participant=2, raters_per_item=4,
        overlap_share=0.5, repeat_share=0.2,
    )  # fmt: skip
    people = [newcomer(study) for _ in range(4)]
    for _ in range(12):
        for place in at_once([partial(assignment_next, participant=p) for p in people]):
            if place:
                finish(place)
    main = Assignment.objects.filter(kind=Kind.MAIN)
    assert main.count() == 4 * 5
    assert set(Counter(main.filter(persona__source="given").values_list("persona", flat=True)).values()) == {4}
    overlap = Assignment.objects.filter(kind=Kind.OVERLAP)
    assert overlap.count() == overlap.values("persona").distinct().count() == overlap_report(study).wanted
    assert Assignment.objects.filter(kind=Kind.REPEAT).count() == 4 * 1


# --- Repetitions -------------------------------------------------------------------------------------------------


def test_a_share_of_the_own_parts_comes_again_at_the_very_end() -> None:
    study = design(given_items=8, given_per_participant=8, repeat_share=0.25)
    done = work(newcomer(study))
    assert kinds(done) == ["main"] * 8 + ["repeat"] * 2
    for repeat in done[8:]:
        first = repeat.repeat_of
        assert first is not None and first.persona_id == repeat.persona_id and repeat.repeat == 1
        assert repeat.ordinal - first.ordinal > 2
    assert len({repeat.repeat_of_id for repeat in done[8:]}) == 2


def test_repetitions_have_sides_of_their_own_drawn_by_lot() -> None:
    study = design(given_items=6, given_per_participant=6, repeat_share=1, raters_per_item=20)
    repeats = [part for _ in range(6) for part in work(newcomer(study)) if part.repeat_of]
    changed = sum(sides(part) != sides(part.repeat_of) for part in repeats if part.repeat_of)
    assert len(repeats) == 36 and 9 <= changed <= 27


def test_progress_counts_repetitions_and_planted_parts_from_the_start() -> None:
    study = design(given_items=8, given_per_participant=8, repeat_share=0.25)
    Item.objects.filter(key="item-1").update(planted_part=3)
    Study.objects.update(given_personas_per_participant=7)
    study.refresh_from_db()
    person = newcomer(study)
    assert len(work(person)) == assignments_at_most(study) == 7 + 2 + 1
    assert history_of(person).repeatable() == {}


# --- Planted items -----------------------------------------------------------------------------------------------


def test_a_planted_item_stands_at_its_part_and_counts_for_nothing_else() -> None:
    study = design(given_items=5, given_per_participant=4, raters_per_item=1)
    Item.objects.filter(key="item-2").update(planted_part=3)
    one = work(newcomer(study))
    assert kinds(one) == ["main", "main", "check", "main", "main"]
    assert one[2].persona.item.key == "item-2" and Slot.objects.filter(assignment=one[2], kind="output").count() == 2
    assert work(newcomer(study)) == [], "nobody comes for a planted item alone"


def test_planted_items_are_offered_to_everybody() -> None:
    study = design(given_items=5, given_per_participant=2, raters_per_item=9)
    Item.objects.filter(key="item-2").update(planted_part=1)
    for _ in range(3):
        assert kinds(work(newcomer(study))) == ["check", "main", "main"]


def test_sides_of_planted_outputs_leave_the_balance_alone() -> None:
    study = design(given_items=5, given_per_participant=4, raters_per_item=9)
    Item.objects.filter(key="item-2").update(planted_part=2)
    main = [part for _ in range(4) for part in work(newcomer(study)) if part.kind == Kind.MAIN]
    seen = Counter((part.persona.item.key, sides(part)) for part in main)
    assert len(seen) == 8 and set(seen.values()) == {2}


# --- Skipping and leaving ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [State.SKIPPED, State.SET_ASIDE, State.RELEASED])
def test_a_place_that_is_given_up_returns_to_the_others(state: Assignment.State) -> None:
    study = design(given_items=2, given_per_participant=1, raters_per_item=1)
    first = assignment_next(participant=newcomer(study))
    assert first is not None
    finish(first, state)
    taken = [part.persona_id for _ in range(2) for part in work(newcomer(study))]
    assert first.persona_id in taken and len(taken) == 2


def test_a_skipped_part_is_made_up_for_by_another_one() -> None:
    study = design(given_items=3, given_per_participant=2)
    person = newcomer(study)
    first = assignment_next(participant=person)
    assert first is not None
    finish(first, State.SKIPPED)
    done = work(person)
    assert len(done) == 2 and first.persona_id not in [part.persona_id for part in done]


@pytest.mark.parametrize("seed", range(6))
def test_nobody_is_sent_away_while_a_place_is_left(seed: int) -> None:
    """People come, work, skip and vanish in any order; in the end every place is filled by whoever is willing."""
    chance = random.Random(seed)
    study = design(given_items=4, given_per_participant=4, raters_per_item=2)
    people = [newcomer(study) for _ in range(5)]
    for _ in range(14):
        person = chance.choice(people[:4])
        if assignment := assignment_next(participant=person):
            finish(assignment, chance.choice([State.COMPLETED, State.COMPLETED, State.SKIPPED]))
    let_expire(Assignment.objects.filter(state=State.OPEN))
    live = Assignment.objects.filter(state=State.COMPLETED, surplus=False).values_list("persona", flat=True)
    free = {pk for pk in Persona.objects.values_list("pk", flat=True) if Counter(live)[pk] < 2}
    place = participant_place(participant=people[4])
    assert (place.step == Step.RATE) == bool(free)


# --- Export ------------------------------------------------------------------------------------------------------


def test_the_same_seed_hands_out_the_same_parts_and_sides_whatever_else_the_database_holds() -> None:
    def handed_out(slug: str) -> list[tuple[int, str, str, tuple[int, ...]]]:
        study = design(
            slug=slug, given_items=5, written_items=5, given_per_participant=3, written_per_participant=3, seed=7,
            overlap_share=0.5, repeat_share=0.4,
        )  # fmt: skip
        return [
            (assignment.participant.number, assignment.kind, assignment.persona.item.key, order_of(assignment))
            for participant in [newcomer(study) for _ in range(4)]
            for assignment in work(participant)
        ]

    first = handed_out("first")
    make_study(given_items=3)
    assert len(first) > 24
    assert handed_out("second") == first


def test_the_export_names_what_a_repeat_repeats_and_who_is_the_author() -> None:
    study = design(
        given_items=0, given_per_participant=0, written_items=2, written_per_participant=2, overlap_share=0.5,
        repeat_share=0.5,
    )  # fmt: skip
    for _ in range(2):
        work(newcomer(study))
    rows = list(study_tables(study)["ratings_wide"].rows())
    by_key = {row["assignment"]: row for row in rows}
    repeats = [row for row in rows if row["assignment_kind"] == "repeat"]
    assert len(repeats) == 2
    assert all(by_key[row["repeat_of"]]["persona"] == row["persona"] for row in repeats)
    assert all(row["repeat_of"] is None for row in rows if row["assignment_kind"] != "repeat")
    assert {row["assignment_kind"] for row in rows if not row["is_author"]} == {"overlap"}
