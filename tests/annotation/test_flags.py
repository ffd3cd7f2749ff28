"""Exclusion rules: what raises a flag, what does not, and where flags are seen."""

import uuid
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from annotation.controls.flags import participant_flags, rules_in_words
from annotation.controls.rules import PartFacts, ParticipantFacts, ParticipantFlag, flags_for, longest_straight_run
from annotation.export import study_tables
from annotation.export.codebook import codebook_data, codebook_markdown
from annotation.models import Assignment, PageVisit, Participant, Study
from tests.annotation.controls import Worker, open_work
from tests.annotation.study_rows import add_assignment, add_participant, make_frozen_study

ALL = {
    "failed_checks": 2, "failed_planted": 1, "failed_quiz": True, "min_seconds_per_part": 5, "straightlining": True,
}  # fmt: skip


def straight(value: int = 3, *, seconds: float | None = 30, scales: int = 4) -> PartFacts:
    return PartFacts(value, value, scales, seconds)


MIXED = PartFacts(1, 5, 4, 30)


@pytest.mark.parametrize(
    ("facts", "flags"),
    [
        (ParticipantFacts(), []),
        (ParticipantFacts(failed_checks=1), []),
        (ParticipantFacts(failed_checks=2), [ParticipantFlag("failed_checks", 2, 2)]),
        (ParticipantFacts(failed_checks=3, failed_planted=1), [
            ParticipantFlag("failed_checks", 3, 2), ParticipantFlag("failed_planted", 1, 1),
        ]),
        (ParticipantFacts(failed_quiz=True), [ParticipantFlag("failed_quiz", 1, 1)]),
        (ParticipantFacts(parts=[straight()] * 5), [ParticipantFlag("straightlining", 5, 5)]),
        (ParticipantFacts(parts=[straight()] * 4), []),
        (ParticipantFacts(parts=[straight(seconds=4), MIXED, straight(seconds=2)]), [
            ParticipantFlag("min_seconds_per_part", 4, 5),
        ]),
        (ParticipantFacts(parts=[straight(seconds=None), MIXED]), []),
        (ParticipantFacts(parts=[straight(seconds=5)]), []),
    ],
)  # fmt: skip
def test_each_rule_flags_from_its_threshold_on(facts: ParticipantFacts, flags: list[ParticipantFlag]) -> None:
    assert flags_for(facts, ALL) == flags


def test_a_study_without_rules_flags_nobody() -> None:
    worst = ParticipantFacts(failed_checks=9, failed_planted=9, failed_quiz=True, parts=[straight(seconds=0)] * 9)
    assert flags_for(worst, {}) == []
    assert len(flags_for(worst, ALL)) == 5
    assert all(flag.text for flag in flags_for(worst, ALL))


@pytest.mark.parametrize(
    ("parts", "run"),
    [
        ([], 0),
        ([straight()] * 3, 3),
        ([straight()] * 3 + [MIXED] + [straight()] * 4, 4),
        ([straight(3)] * 3 + [straight(4)] * 2, 3),
        ([straight(), straight(scales=1), straight()], 2),
        ([straight(), PartFacts(0, 0, 0, 9.0), straight()], 2),
    ],
)
def test_a_run_is_broken_by_another_value_and_not_by_parts_that_say_nothing(
    parts: Sequence[PartFacts], run: int
) -> None:
    assert longest_straight_run(parts) == run


# --- From the database ---


@pytest.mark.django_db
class TestFlagsOfAStudy:
    def flags(self, study: Study, rules: dict[str, Any] | None = None) -> dict[int, list[tuple[str, float]]]:
        Study.objects.filter(pk=study.pk).update(exclusion_rules=ALL if rules is None else rules)
        study.refresh_from_db()
        return {pk: [(flag.rule, flag.value) for flag in flags] for pk, flags in participant_flags(study).items()}

    def test_straightlining_looks_at_finished_parts_in_their_order(self) -> None:
        study = make_frozen_study(given_items=6, given_per_participant=6)
        same, other = add_participant(study), add_participant(study)
        for number in range(1, 6):
            add_assignment(same, f"item-{number}", values=((3, 3), (3, 3)))
            add_assignment(other, f"item-{number}", values=((3, 3), (3, 2 if number == 3 else 3)))
        Assignment.objects.update(shown_at=timezone.now() - timedelta(minutes=2))
        PageVisit.objects.all().delete()
        assert self.flags(study) == {same.pk: [("straightlining", 5)], other.pk: []}
        Assignment.objects.filter(participant=same, ordinal=3).update(state=Assignment.State.OPEN)
        assert self.flags(study)[same.pk] == []

    def test_focused_time_counts_where_it_is_known_and_the_clock_elsewhere(self) -> None:
        study = make_frozen_study()
        known, unknown, idle = (add_participant(study) for _ in range(3))
        for participant in (known, unknown, idle):
            add_assignment(participant)
        Assignment.objects.update(shown_at=timezone.now() - timedelta(seconds=60))
        PageVisit.objects.filter(assignment__participant=known).update(focused_ms=3000)
        PageVisit.objects.filter(assignment__participant=unknown).delete()
        PageVisit.objects.filter(assignment__participant=idle).update(focused_ms=0, idle_ms=9000)
        assert self.flags(study) == {known.pk: [("min_seconds_per_part", 3)], unknown.pk: [], idle.pk: []}

    def test_time_on_the_writing_page_and_later_visits_add_up(self) -> None:
        study = make_frozen_study()
        participant = add_participant(study)
        assignment = add_assignment(participant)
        for phase in PageVisit.Phase.values:
            PageVisit.objects.create(assignment=assignment, client_key=uuid.uuid4(), phase=phase, focused_ms=2000)
        assert self.flags(study)[participant.pk] == []  # 1.5 + 2 + 2 seconds
        assert self.flags(study, {"min_seconds_per_part": 6})[participant.pk] == [("min_seconds_per_part", 5.5)]

    def test_who_was_screened_out_is_flagged(self) -> None:
        study = make_frozen_study()
        participant = add_participant(study, screened_out_at=timezone.now())
        assert self.flags(study) == {participant.pk: [("failed_quiz", 1)]}

    def test_the_number_of_queries_does_not_grow(self, django_assert_max_num_queries: Callable[..., Any]) -> None:
        study = make_frozen_study()
        for _ in range(8):
            add_assignment(add_participant(study))
        self.flags(study)
        with django_assert_max_num_queries(6):
            participant_flags(study)


@pytest.mark.django_db
def test_missed_checks_and_pairs_are_flagged_and_remove_nobody(tmp_path: Path) -> None:
    rules = {"failed_checks": 2, "failed_planted": 1}
    study = open_work(tmp_path, exclusion_rules=rules)
    careful, careless = Worker(study).begin(), Worker(study).begin()
    careful.reach(6)
    for ordinal in range(1, 6):
        careless.reach(ordinal)
        if careless.complete().status_code == 422:  # a loud check: every answer is a 3
            careless.complete()
    flags = participant_flags(study)
    assert flags[careful.participant.pk] == []
    assert flags[careless.participant.pk] == [
        ParticipantFlag("failed_checks", 2, 2),
        ParticipantFlag("failed_planted", 1, 1),
    ]
    people = {row["participant"]: row for row in study_tables(study)["participants"].rows()}
    row = people[careless.participant.code]
    assert (row["flags"], row["checks_failed"]) == ("failed_checks\nfailed_planted", 3)
    assert people[careful.participant.code]["flags"] == ""
    assert careless.me.excluded_at is None
    assert careless.participant.code in {row["participant"] for row in study_tables(study)["ratings"].rows()}


@pytest.mark.django_db
def test_the_codebook_says_that_the_rules_were_fixed_before_opening(tmp_path: Path) -> None:
    study = open_work(tmp_path, exclusion_rules={"failed_checks": 2, "straightlining": True})
    tables = study_tables(study)
    data = codebook_data(study, tables, counts=dict.fromkeys(tables, 0), command="x", include_bots=False)
    assert data["exclusion_rules"]["rules"] == rules_in_words(study) == [
        "2 or more attention checks missed", "the same value on every scale of five or more parts in a row",
    ]  # fmt: skip
    text = codebook_markdown(data)
    assert "fixed when the study was opened" in text
    assert "- 2 or more attention checks missed" in text
    assert (data["study"]["items"], data["study"]["planted_pairs"]) == (6, 1)


@pytest.mark.django_db
def test_bots_are_flagged_apart_from_people() -> None:
    study = make_frozen_study()
    bot = add_participant(study, kind=Participant.Kind.BOT, screened_out_at=timezone.now())
    study.exclusion_rules = ALL
    assert [flag.rule for flag in participant_flags(study)[bot.pk]] == ["failed_quiz"]
