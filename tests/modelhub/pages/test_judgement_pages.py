"""The pages of judged outputs: from win rates to the pairs behind them, and to what a judge wrote."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from lxml import html

from modelhub.models import PairOutput, PreferencePair, System
from tests.modelhub.judged_rows import add_judgements, outcomes
from tests.modelhub.output_rows import make_outputs
from tests.modelhub.pair_rows import make_pairs, make_system

pytestmark = pytest.mark.django_db
Sides = tuple[list[PairOutput], list[PairOutput]]


@pytest.fixture
def sides() -> Sides:
    """Ten pairs judged: personalization 6 wins, 2 ties, 1 loss, 1 unscored; quality 5, 0, 5."""
    return judged("advice", "gold_chosen")


def judged(dataset: str, source: str, *, base: str = "dpo", test: str = "pt-dpo", base_source: str = "") -> Sides:
    systems = {name: System.objects.filter(name=name).first() or make_system(name) for name in (base, test, "judge")}
    pairs = list(PreferencePair.objects.filter(dataset=dataset)) or make_pairs(dataset, "test", 10)
    both = make_outputs(pairs, systems[base], base_source or source), make_outputs(pairs, systems[test], source)
    add_judgements(*both, systems["judge"], "personalization", outcomes(6, 2, 1, 1))
    add_judgements(*both, systems["judge"], "quality", outcomes(5, 0, 5))
    return both


def page(client: Client, address: str, **query: str) -> Any:
    response = client.get(address, query)
    assert response.status_code == 200
    return html.fromstring(response.content)


def words(element: Any) -> str:
    return " ".join(" ".join(element.itertext()).replace("\N{NO-BREAK SPACE}", " ").split())


def results(client: Client, **query: str) -> Any:
    return page(client, reverse("modelhub:judgements"), **query)


def test_win_rates_stand_in_bars_and_in_a_table_with_delta_pq(reader: Client, sides: Sides) -> None:
    shown = results(reader)
    rows = [words(row) for row in shown.xpath("//tbody/tr")]
    assert rows[0].startswith("advice Gold, chosen Personalization 6 (66.7 %) 2 (22.2 %) 1 (11.1 %) 1 +35.7 [")
    assert rows[1] == "Quality 5 (50.0 %) 0 (0.0 %) 5 (50.0 %) 0"
    interval = rows[0].rpartition("+35.7 ")[2]
    assert interval.startswith("[") and interval in rows[2]  # that of one row is its own
    assert rows[2].startswith("Average of 1 row Personalization 66.7 % [")
    bars = shown.xpath("//*[@class='plot']/*[local-name()='rect']")
    assert [bar.get("class") for bar in bars] == [f"plot-bar-{series}" for series in (1, 2, 3, 1, 3)]
    widths = [float(bar.get("width")) for bar in bars]
    assert widths[0] / widths[2] == pytest.approx(6, rel=0.01)
    assert not shown.xpath("//*[@style]")


def test_what_rests_on_one_pair_or_on_one_side_says_so(reader: Client) -> None:
    pairs = make_pairs("few", "test", 4)
    systems = {name: make_system(name) for name in ("dpo", "pt-dpo", "judge")}
    for source, found in (("gold_chosen", outcomes(1, 0, 0)), ("gold_rejected", outcomes(4, 0, 0))):
        both = [make_outputs(pairs[: len(found)], systems[name], source) for name in ("dpo", "pt-dpo")]
        for metric in ("personalization", "quality"):
            add_judgements(both[0], both[1], systems["judge"], metric, found)
    shown = words(results(reader).xpath("//main")[0])
    assert "+100.0 – only one preference pair counts" in shown
    assert "Careful: all that count went the same way" in shown


def test_each_count_leads_to_its_pairs(reader: Client, sides: Sides) -> None:
    for link in results(reader).xpath("//tbody//a"):
        found = page(reader, link.get("href"))
        assert len(found.xpath("//tbody/tr")) == int(link.text)


def test_pairs_are_listed_by_metric_and_outcome(reader: Client, sides: Sides) -> None:
    (address,) = results(reader).xpath("//a[contains(@aria-label, 'personalization: the base wins')]/@href")
    (row,) = page(reader, address).xpath("//tbody/tr")
    assert words(row).startswith("advice/test row 9 The base wins The base wins")
    anything = page(reader, address.replace("outcome=loss", "outcome="))
    assert len(anything.xpath("//tbody/tr")) == 10
    ties = page(reader, address.replace("outcome=loss", "outcome=tie").replace("personalization", "quality"))
    assert "No pair came to this." in words(ties)


def test_the_list_is_paged_and_keeps_what_it_is_about(reader: Client) -> None:
    systems = [make_system(name) for name in ("dpo", "pt-dpo", "judge")]
    pairs = make_pairs("advice", "test", 25)
    both = [make_outputs(pairs, system, "gold_chosen") for system in systems[:2]]
    add_judgements(both[0], both[1], systems[2], "quality", outcomes(25, 0, 0))
    (address,) = results(reader).xpath("//a[contains(@aria-label, 'quality: the test wins')]/@href")
    first = page(reader, address)
    (following,) = first.xpath("//a[text()='Next']/@href")
    assert len(page(reader, reverse("modelhub:judged_pairs") + following).xpath("//tbody/tr")) == 5


def test_a_pair_shows_outputs_persona_and_both_orders_with_what_the_judge_wrote(reader: Client, sides: Sides) -> None:
    base, test = sides[0][0], sides[1][0]
    shown = page(reader, reverse("modelhub:judged_pair", args=[base.pk, test.pk]))
    text = words(shown)
    for part in (test.pair.prompt, test.persona, base.text, test.text, "Personalization, by judge: the test wins"):
        assert part in text
    rows = [words(row) for row in shown.xpath("//tbody/tr")]
    assert rows[0].startswith("Base shown as A B: the test") and rows[1].startswith("Test shown as A A: the test")
    folded = shown.xpath("//details[not(@open)]/p/text()")
    assert len(folded) == 4 and all("Because it is." in one for one in folded)


def test_an_unscored_answer_is_shown_with_its_reason_and_text(reader: Client, sides: Sides) -> None:
    base, test = sides[0][9], sides[1][9]
    text = words(page(reader, reverse("modelhub:judged_pair", args=[base.pk, test.pk])))
    assert "Unscored No verdict is declared." in text and "Both would do." in text
    assert "Personalization, by judge: an answer is missing or unscored" in text


def test_outputs_left_out_later_count_no_more_and_their_page_says_why(reader: Client, sides: Sides) -> None:
    PairOutput.objects.filter(pk=sides[1][0].pk).update(excluded_reason="loop: 43 %")
    first = words(results(reader).xpath("//tbody/tr")[0])
    assert first.startswith("advice 1 excluded Gold, chosen Personalization 5 (62.5 %)")
    address = reverse("modelhub:judged_pair", args=[sides[0][0].pk, sides[1][0].pk])
    assert "Left out of the results: loop: 43 %" in words(page(reader, address))


@pytest.mark.parametrize("base", ["pt-dpo", "dpo"])
def test_harm_is_shown_where_the_base_answered_without_personas(reader: Client, sides: Sides, base: str) -> None:
    assert "made worse" not in words(results(reader))
    judged("advice", "retrieved_chosen", base=base, base_source="none")
    text = words(results(reader))
    assert "Pairs that personalization made worse" in text and "Personalization 1 of 9 11.1 %" in text
    assert f"those where the output of {base} without personas wins in both orders" in text


def test_comparisons_are_paged_and_each_stands_whole_on_one_page(reader: Client) -> None:
    for number in range(3):
        for dataset in ("advice", "forum"):
            judged(dataset, "gold_chosen", base=f"dpo-{number}", test=f"pt-{number}")
            judged(dataset, "retrieved_chosen", test=f"pt-{number}", base=f"pt-{number}", base_source="none")
    seen = []
    for query in ({}, {"page": "2"}):
        for panel in results(reader, **query).xpath("//section[h2]"):
            seen.append(words(panel.xpath("h2")[0]))
            assert "Average of 2 rows" in words(panel)
    assert sorted(seen) == sorted([f"pt-{n} against {other}" for n in range(3) for other in (f"dpo-{n}", "itself")])
    assert len(results(reader, page="2").xpath("//section[h2]")) == 2


def test_a_judged_pair_leads_back_to_the_list_it_was_found_in(reader: Client, sides: Sides) -> None:
    (address,) = results(reader).xpath("//a[contains(@aria-label, 'quality: the base wins')]/@href")
    pair = page(reader, address).xpath("//tbody//a/@href")[0]
    (back,) = page(reader, pair).xpath("//a[text()='Judged pairs']/@href")
    assert len(page(reader, back).xpath("//tbody/tr")) == 5


def test_results_can_be_those_of_one_data_set(reader: Client, sides: Sides) -> None:
    judged("forum", "gold_chosen")
    assert "Average of 2 rows" in words(results(reader))
    assert "Average of 1 row" in words(results(reader, dataset="forum"))
    assert "forum" not in words(results(reader, dataset="advice").xpath("//tbody")[0])


def test_nothing_judged_is_said(reader: Client) -> None:
    assert "No outputs have been judged yet" in words(results(reader))


@pytest.mark.parametrize("query", [{}, {"dataset": "advice"}, {"metric": "beauty"}])
def test_comparisons_that_were_not_judged_are_not_found(reader: Client, sides: Sides, query: dict[str, str]) -> None:
    assert reader.get(reverse("modelhub:judged_pairs"), query).status_code == 404
    assert reader.get(reverse("modelhub:judged_pair", args=[sides[1][0].pk, sides[0][0].pk])).status_code == 404


def test_queries_do_not_grow(reader: Client, sides: Sides, django_assert_max_num_queries: Any) -> None:
    for source in ("gold_chosen", "retrieved_chosen"):
        judged("forum", source)
    (address,) = results(reader, dataset="advice").xpath("//a[contains(@aria-label, 'quality: the base wins')]/@href")
    pair = reverse("modelhub:judged_pair", args=[sides[0][0].pk, sides[1][0].pk])
    for _ in range(2):
        for one in (reverse("modelhub:judgements"), address, pair):
            with django_assert_max_num_queries(14):
                reader.get(one)
        add_judgements(sides[0][:5], sides[1][:5], make_system(f"judge {System.objects.count()}"), "quality",
                       outcomes(5, 0, 0))  # fmt: skip
        for source in ("gold_rejected", "retrieved_rejected"):
            judged(f"data {System.objects.count()}", source)
