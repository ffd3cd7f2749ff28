"""Results of judging by what inferred the personas, and how many pairs are left out of them."""

from collections.abc import Sequence
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from lxml import html

from annotation.permissions import Role
from annotation.services.members import role_give
from modelhub.models import PairOutput, PreferencePair, RetrievedPersona, System
from modelhub.pipeline_results.judged import JudgedRates, comparisons
from modelhub.queries.judgements import judged_results
from modelhub.runs.lifecycle import run_start
from tests.factories import make_user
from tests.modelhub.judged_rows import add_judgements
from tests.modelhub.output_rows import make_output
from tests.modelhub.pair_rows import make_pairs, make_persona, make_system

pytestmark = pytest.mark.django_db
Sides = tuple[list[PairOutput], list[PairOutput]]


@pytest.fixture
def pairs() -> list[PreferencePair]:
    """Four pairs; of the first, both systems have inferred the same persona."""
    found = make_pairs("advice", "test", 4)
    for name in ("small", "large"):
        system = make_system(name)
        for pair in found:
            make_persona(pair, "chosen", system, said_by(name, pair))
    for name in ("dpo", "pt-dpo", "judge"):
        make_system(name)
    return found


def said_by(name: str, pair: PreferencePair) -> str:
    return f"The user is {'anybody' if pair.row == 1 else name} and prefers row {pair.row}."


def answered(pairs: Sequence[PreferencePair], inferrer: str, source: str = "gold_chosen") -> Sides:
    """Both systems' outputs for the personas of one inferring system; what is there already is taken."""
    base, test = (
        [
            PairOutput.objects.filter(
                pair=pair, system__name=name, source=source, persona=said_by(inferrer, pair)
            ).first()
            or make_output(pair, System.objects.get(name=name), source, persona=said_by(inferrer, pair))
            for pair in pairs
        ]
        for name in ("dpo", "pt-dpo")
    )
    return base, test


def judged(sides: Sides, outcomes: Sequence[str]) -> None:
    add_judgements(*sides, System.objects.get(name="judge"), "quality", outcomes)


def quality(row: JudgedRates) -> tuple[int, int]:
    found = row.result.metrics["quality"]
    return found.win, found.loss


def test_each_inferring_system_has_rows_of_its_own(pairs: list[PreferencePair]) -> None:
    judged(answered(pairs, "small"), ["win"] * 4)
    base, test = answered(pairs, "large")
    judged((base[1:], test[1:]), ["loss"] * 3)
    rows = {row.result.inferred_by: quality(row) for row in judged_results()}
    # What both have said of the first pair was judged once, and counts for both.
    assert rows == {"small": (4, 0), "large": (1, 3)}


def test_several_inferring_systems_are_never_averaged_together(
    pairs: list[PreferencePair], capsys: pytest.CaptureFixture[str]
) -> None:
    judged(answered(pairs, "small"), ["win"] * 4)
    base, test = answered(pairs, "large")
    judged((base[1:], test[1:]), ["loss"] * 3)
    found = comparisons(judged_results())
    assert [(one.inferred_by, len(one.rows)) for one in found] == [("large", 1), ("small", 1)]
    call_command("judged_win_rates")
    shown = capsys.readouterr().out
    assert "personas inferred by large\n" in shown and "personas inferred by small\n" in shown


def test_a_system_whose_personas_were_not_used_does_not_turn_up(pairs: list[PreferencePair]) -> None:
    judged(answered(pairs, "small"), ["win"] * 4)
    answered(pairs, "large")
    PairOutput.objects.filter(persona__contains="large").update(excluded_reason="loop")
    (row,) = judged_results()
    assert (row.result.inferred_by, quality(row), row.result.excluded) == ("small", (4, 0), 0)
    (one,) = comparisons([row])
    assert one.inferred_by == ""


def test_systems_that_cannot_be_told_apart_are_named_together(pairs: list[PreferencePair]) -> None:
    judged(answered(pairs[:1], "small"), ["win"])
    (row,) = judged_results()
    assert row.result.inferred_by == "large or small"


def test_personas_of_another_rank_are_no_part_of_the_row_of_the_first(pairs: list[PreferencePair]) -> None:
    asking = make_pairs("advice", "dev", 1)[0]
    run = run_start(stage="retrieve_personas", arguments={})
    for rank, source in ((1, pairs[1]), (2, pairs[2])):
        RetrievedPersona.objects.create(pair=asking, source=source, retriever="r", rank=rank, run=run)
    for source, outcome in ((pairs[1], "win"), (pairs[2], "loss")):
        base, test = (
            make_output(asking, System.objects.get(name=name), "retrieved_chosen", persona=said_by("small", source))
            for name in ("dpo", "pt-dpo")
        )
        judged(([base], [test]), [outcome])
    assert {row.result.inferred_by: quality(row) for row in judged_results()} == {
        "small": (1, 0), "small, rank 2": (0, 1)
    }  # fmt: skip


def test_personas_that_are_stored_nowhere_count_with_the_only_system_there_is(pairs: list[PreferencePair]) -> None:
    judged(answered(pairs, "small"), ["win"] * 4)
    base, test = ([make_output(pairs[0], System.objects.get(name=name), "gold_chosen", persona="The user is new.")]
                  for name in ("dpo", "pt-dpo"))  # fmt: skip
    judged((base, test), ["loss"])
    assert [(row.result.inferred_by, quality(row)) for row in judged_results()] == [("small", (4, 1))]
    base, test = answered(pairs, "large")
    judged((base[1:], test[1:]), ["win"] * 3)
    assert {row.result.inferred_by: quality(row) for row in judged_results()} == {
        "small": (4, 0), "large": (4, 0), "an unknown system": (0, 1)
    }  # fmt: skip


def test_personas_that_nobody_inferred_have_a_row_without_a_name(pairs: list[PreferencePair]) -> None:
    base, test = ([make_output(pair, System.objects.get(name=name), "system", persona="The user is any.")
                   for pair in pairs] for name in ("dpo", "pt-dpo"))  # fmt: skip
    judged((base, test), ["win"] * 4)
    (row,) = judged_results()
    assert row.result.inferred_by == ""


def test_pairs_are_counted_as_excluded_whether_they_were_judged_before_or_not(
    pairs: list[PreferencePair], client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    base, test = answered(pairs, "small")
    PairOutput.objects.filter(pk=base[3].pk).update(excluded_reason="loop")
    judged((base[:3], test[:3]), ["win"] * 3)
    PairOutput.objects.filter(pk=test[2].pk).update(excluded_reason="loop")
    (row,) = judged_results()
    assert (row.result.excluded, row.result.units) == (2, 2)
    call_command("judged_win_rates")
    shown = capsys.readouterr().out
    assert next(line for line in shown.splitlines() if line.startswith("advice")).endswith(" 2")
    assert "whether they were judged before or not" in shown
    user = make_user("analyst")
    role_give(user=user, role=Role.ANALYST)
    client.force_login(user)
    page = client.get(reverse("modelhub:judgements")).content.decode()
    assert "2 excluded" in page and "whether they were judged before or not" in page


def test_pages_lead_from_each_row_to_its_own_pairs(pairs: list[PreferencePair], client: Client) -> None:
    judged(answered(pairs, "small"), ["win"] * 4)
    base, test = answered(pairs, "large")
    judged((base[1:], test[1:]), ["loss"] * 3)
    user = make_user("analyst")
    role_give(user=user, role=Role.ANALYST)
    client.force_login(user)
    page: Any = html.fromstring(client.get(reverse("modelhub:judgements")).content)
    links = page.xpath("//td/a")
    assert sorted(int(link.text) for link in links if "quality" in link.get("aria-label")) == [1, 3, 4]
    for link in links:
        shown = client.get(link.get("href"))
        listed: Any = html.fromstring(shown.content)
        assert len(listed.xpath("//tbody/tr")) == int(link.text)
        assert "personas inferred by" in shown.content.decode()
    nobody = links[0].get("href").replace("inferred_by=large", "inferred_by=medium")
    assert client.get(nobody).status_code == 404
