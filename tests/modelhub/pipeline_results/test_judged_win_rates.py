"""Win rates from stored judgements: the published rows from their counts, averages, missing cells, and harm."""

import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from annotation.errors import ServiceError
from modelhub.models import PairOutput, PreferencePair, System
from modelhub.pipeline_results.judged import comparisons
from modelhub.pipeline_results.published import published_tables
from modelhub.queries.judgements import judged_results
from tests.modelhub.judged_rows import add_judgements, outcomes
from tests.modelhub.output_rows import make_output, make_outputs
from tests.modelhub.pair_rows import make_pairs, make_system
from tests.modelhub.stats.test_winrate import PUBLISHED

pytestmark = pytest.mark.django_db
DATASETS = {"BT": "BeaverTails", "HHH": "Anthropic HHH", "Mnem": "Mnemonic"}
SOURCES = {"retr": "retrieved", "gold": "gold"}


def judged(
    dataset: str, source: str, personalization: list[str], quality: list[str], *, base_source: str = "",
    base: str = "dpo", test: str = "pt-dpo",
) -> tuple[list[PairOutput], list[PairOutput]]:  # fmt: skip
    """Store pairs, outputs and verdicts that come to these outcomes."""
    systems = {name: System.objects.filter(name=name).first() or make_system(name) for name in (base, test, "judge")}
    pairs = list(PreferencePair.objects.filter(dataset=dataset)) or make_pairs(dataset, "test", len(personalization))
    sides = (
        make_outputs(pairs[: len(personalization)], systems[base], base_source or source),
        make_outputs(pairs[: len(personalization)], systems[test], source),
    )
    for metric, found in (("personalization", personalization), ("quality", quality)):
        add_judgements(*sides, systems["judge"], metric, found)
    return sides


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    call_command("judged_win_rates", *arguments)
    return capsys.readouterr().out


def as_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(printed(capsys, "--json", *arguments))["comparisons"]
    return found


@pytest.mark.parametrize("row", PUBLISHED[:1] + PUBLISHED[7:8], ids=lambda row: row[0])
def test_a_published_row_is_reproduced_from_stored_judgements(
    row: tuple[str, tuple[int, int, int], tuple[int, int, int], float], capsys: pytest.CaptureFixture[str]
) -> None:
    name, personalization, quality, delta = row
    dataset, direction, kind = name.split()
    source = f"{SOURCES[kind]}_{direction}"
    judged(DATASETS[dataset], source, outcomes(*personalization), outcomes(*quality))
    shown = printed(capsys, "--published", "--name", "DPO=dpo", "--name", "PT-DPO=pt-dpo")
    (line,) = [line for line in shown.splitlines() if line.startswith(DATASETS[dataset])]
    cells = [cell.strip() for cell in line.split("  ") if cell.strip()]
    # Ours and the published ones, side by side: the same shares and Delta-PQ.
    assert cells[2:5] == cells[9:12]
    assert cells[4] == f"{delta:+.1f}"
    assert cells[6:9] == [f"{sum(personalization)}; {sum(quality)}", "0; 0", "0"]


def test_the_published_average_is_the_mean_of_the_published_rows() -> None:
    tables = published_tables()
    assert len(tables.with_persona) == len(PUBLISHED) == 10
    rows = tables.with_persona.values()
    # Published from unrounded rows, so a unit of the last digit may differ.
    assert abs(sum(row.delta_pq for row in rows) / 10 - tables.average.delta_pq) <= 0.1
    for metric, average in tables.average.shares.items():
        means = [sum(row.shares[metric][place] for row in rows) / 10 for place in range(3)]
        assert all(abs(mean - given) <= 0.1 for mean, given in zip(means, average, strict=True))


def test_the_average_is_of_rows_and_not_of_pairs(capsys: pytest.CaptureFixture[str]) -> None:
    judged("one", "gold_chosen", outcomes(9, 0, 1), outcomes(5, 0, 5))
    judged("two", "gold_chosen", outcomes(1, 1, 0), outcomes(1, 1, 0))
    judged("ties", "gold_chosen", outcomes(0, 4, 0), outcomes(0, 4, 0))
    (compared,) = as_json(capsys)
    assert [row["delta_pq"] for row in compared["rows"]] == [pytest.approx(40), None, 100]
    average = compared["average"]
    assert (average["rows"], average["delta_pq"]) == (2, pytest.approx(70))
    assert average["metrics"]["personalization"]["win"] == pytest.approx((0.9 + 0.5 + 0) / 3)
    assert "of 2 rows" in printed(capsys)


class TestIntervals:
    def test_several_personas_of_a_preference_pair_are_one_cluster(self, capsys: pytest.CaptureFixture[str]) -> None:
        found = outcomes(8, 4, 4)
        judged("one", "gold_chosen", found, found)
        (alone,) = as_json(capsys)[0]["rows"]
        pairs = list(PreferencePair.objects.filter(dataset="one"))
        sides = [[make_output(pair, System.objects.get(name=name), "gold_chosen", persona="Another user.")
                  for pair in pairs] for name in ("dpo", "pt-dpo")]  # fmt: skip
        for metric in ("personalization", "quality"):
            add_judgements(sides[0], sides[1], System.objects.get(name="judge"), metric, found)
        (twice,) = as_json(capsys)[0]["rows"]
        assert (twice["pairs"], twice["units"], twice["metrics"]["quality"]["clusters"]) == (16, 32, 16)
        assert twice["delta_pq_ci"] == pytest.approx(alone["delta_pq_ci"])

    def test_the_average_has_one_that_knows_which_rows_share_pairs(self, capsys: pytest.CaptureFixture[str]) -> None:
        found = outcomes(10, 5, 5)
        for dataset, source in (("one", "gold_chosen"), ("one", "gold_rejected"), ("two", "gold_chosen")):
            judged(dataset, source, found, found)
        (compared,) = as_json(capsys)
        average, row = compared["average"], compared["rows"][0]
        assert (average["weights"], average["generalises_over"]) == ("rows", ["preference_pairs"])
        low, high = average["delta_pq_ci"]
        # Two rows with the same outcomes on the same pairs are worth one, the other data set is worth its own:
        # (2/3)² + (1/3)² of the square of a row's distance.
        below, above = (abs(limit - row["delta_pq"]) for limit in row["delta_pq_ci"])
        assert average["delta_pq"] - low == pytest.approx(below * 5**0.5 / 3)
        assert high - average["delta_pq"] == pytest.approx(above * 5**0.5 / 3)
        assert average["metrics"]["quality"]["win_ci"][0] < 0.5 < average["metrics"]["quality"]["win_ci"][1]
        assert f"[{low:+.1f}, {high:+.1f}]" in printed(capsys).splitlines()[-2].replace("\N{MINUS SIGN}", "-")


def test_missing_and_undefined_cells_are_dashes_and_never_zeros(capsys: pytest.CaptureFixture[str]) -> None:
    judged("BeaverTails", "gold_chosen", outcomes(0, 3, 0), outcomes(0, 0, 0, unreadable=3))
    shown = printed(capsys, "--published", "--name", "DPO=dpo", "--name", "PT-DPO=pt-dpo")
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    (ours,) = [line for line in lines if line.startswith("BeaverTails")]
    assert ours.startswith("BeaverTails gold, chosen 0.0/100.0/0.0 – – – 3; 0 0; 3 0 42.3/")
    (missing,) = [line for line in lines if line.startswith("mnemonic retrieved, rejected")]
    assert missing.split()[3:10] == ["–"] * 7 and missing.endswith(" +13.3")


def test_techniques_stand_together_with_a_dash_where_nothing_was_published(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for test in ("few", "pt-dpo"):
        judged("Mnemonic", f"{'gold' if test == 'few' else 'retrieved'}_chosen", outcomes(2, 1, 1), outcomes(2, 1, 1),
               base=test, test=test, base_source="none")  # fmt: skip
    shown = printed(capsys, "--published", "--name", "PT-few-shot=few", "--name", "PT-DPO=pt-dpo")
    table = shown[shown.index("Delta-PQ of systems with personas") :].splitlines()
    rows = {line.split()[0]: line.split() for line in table[2:4]}
    assert table[1].split("  ")[-1].strip() == "mnemonic, published"
    assert rows["PT-DPO"][-2:] == ["+33.3", "+28.6"]
    assert rows["PT-few-shot"][-2:] == ["+33.3", "–"]


def test_both_published_tables_stay_apart(capsys: pytest.CaptureFixture[str]) -> None:
    judged("BeaverTails", "gold_chosen", outcomes(2, 1, 1), outcomes(2, 1, 1))
    judged("BeaverTails", "retrieved_chosen", outcomes(3, 1, 0), outcomes(2, 1, 1), base="pt-dpo", base_source="none")
    found = as_json(capsys)
    assert [(one["kind"], one["base"], len(one["rows"])) for one in found] == [
        ("same_persona", "dpo", 1), ("without_persona", "pt-dpo", 1)
    ]  # fmt: skip


def test_what_personalization_made_worse_is_what_the_generic_output_wins(capsys: pytest.CaptureFixture[str]) -> None:
    judged("one", "gold_chosen", outcomes(5, 3, 2, unreadable=1), outcomes(3, 4, 4), base="pt-dpo", base_source="none")
    judged("one", "gold_chosen", outcomes(1, 1, 9), outcomes(1, 1, 9), base="dpo", test="sft")
    report = judged_results()
    assert [row.result.worse is None for row in report] == [True, False]
    worse = report[1].result.worse or {}
    assert (worse["personalization"].count, worse["personalization"].n) == (2, 10)
    assert worse["quality"].share == pytest.approx(4 / 11)
    low, high = worse["quality"].ci or (0, 0)
    assert (round(low, 3), round(high, 3)) == (0.152, 0.646)  # Wilson's interval of 4 in 11
    assert "36.4 %" in printed(capsys).replace("\N{NO-BREAK SPACE}", " ")


def test_a_plain_systems_answers_without_a_persona_are_a_generic_base_too(capsys: pytest.CaptureFixture[str]) -> None:
    judged("one", "gold_chosen", outcomes(5, 3, 2), outcomes(3, 4, 3), base="dpo", base_source="none", test="pt-dpo")
    judged("two", "gold_chosen", outcomes(5, 3, 2), outcomes(3, 4, 3), base="dpo", test="pt-dpo")
    harm = {row.result.dataset: row.result.worse for row in judged_results()}
    assert (harm["one"] or {})["personalization"].share == pytest.approx(0.2) and harm["two"] is None
    table = printed(capsys, "--markdown").partition("### Share of pairs that personalization made worse")[2]
    assert "| data set | system | generic |" in table and "| one | pt-dpo | dpo | gold, chosen |" in table


def test_systems_of_one_technique_can_go_by_one_name(capsys: pytest.CaptureFixture[str]) -> None:
    judged("one", "gold_chosen", outcomes(1, 0, 0), outcomes(1, 0, 0), base="dpo-1", test="pt-1")
    judged("two", "gold_chosen", outcomes(1, 0, 0), outcomes(1, 0, 0), base="dpo-2", test="pt-2")
    assert len(as_json(capsys)) == 2
    names = [part for number in (1, 2) for part in ("--name", f"DPO=dpo-{number}", "--name", f"PT-DPO=pt-{number}")]
    (compared,) = as_json(capsys, *names)
    assert len(compared["rows"]) == 2 and compared["test"] == "PT-DPO"


def test_two_systems_that_answered_the_same_pairs_cannot_share_a_name() -> None:
    for test in ("pt-1", "pt-2"):
        judged(
            "one", "gold_chosen", outcomes(1, 0, 0), outcomes(1, 0, 0), base="sft" if test == "pt-1" else "dpo",
            test=test,
        )  # fmt: skip
    with pytest.raises(ServiceError, match="dpo with pt-2 and sft with pt-1 would both be rows of B with PT"):
        comparisons(judged_results(), {"pt-1": "PT", "pt-2": "PT", "sft": "B", "dpo": "B"})


def test_markdown_has_the_same_rows(capsys: pytest.CaptureFixture[str]) -> None:
    judged("one", "gold_chosen", outcomes(2, 1, 1), outcomes(2, 1, 1))
    shown = printed(capsys, "--markdown")
    assert "| one | gold, chosen | 50.0/25.0/25.0 | 50.0/25.0/25.0 | +33.3 |" in shown
    assert printed(capsys, "--dataset", "one", "--markdown") == shown


def test_nothing_judged_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert "No outputs have been judged." in printed(capsys)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--dataset", "nowhere"), "no data set called 'nowhere'"),
        (("--name", "DPO"), "write NAME=SYSTEM"),
        (("--name", "DPO=nobody"), "no system called 'nobody'"),
        (("--name", "DPO=dpo", "--name", "SFT=dpo"), "dpo is called DPO already"),
        (("--published",), "No comparison bears the names of the published tables"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: tuple[str, ...], message: str) -> None:
    judged("one", "gold_chosen", outcomes(2, 1, 1), outcomes(2, 1, 1))
    with pytest.raises(CommandError, match=message):
        call_command("judged_win_rates", *arguments)
