"""What preferences reward: printed for stored pairs, beside a judge and the people of a study, and shown."""

import csv
import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from lxml import html

from annotation.models import Output, Study
from modelhub.models import PairOutput, PreferencePair
from tests.modelhub.analysis.studies import own_persona_study
from tests.modelhub.judged_rows import add_judgements
from tests.modelhub.output_rows import make_outputs
from tests.modelhub.pair_rows import make_pair, make_persona, make_system

pytestmark = pytest.mark.django_db


@pytest.fixture
def pairs() -> list[PreferencePair]:
    """Twelve pairs of advice and two of forum: chosen is longer but for each fourth, and alone has lists."""
    return [
        make_pair(
            dataset, "test", row, chosen="- first\n- then " + "more " * (2 if row % 4 else 0) + f"row {row}",
            rejected=f"You may do this in the row {row}",
        )
        for dataset, count in (("advice", 12), ("forum", 2))
        for row in range(1, count + 1)
    ]  # fmt: skip


def printed(**options: Any) -> str:
    out = io.StringIO()
    call_command("preference_attributes", stdout=out, **options)
    return out.getvalue()


def groups(**options: Any) -> dict[tuple[str, str], dict[str, Any]]:
    found = json.loads(printed(json=True, **options))["groups"]
    return {(one["dataset"], one["texts"]): {row["attribute"]: row for row in one["attributes"]} for one in found}


def weighing(**options: Any) -> dict[tuple[str, str], dict[str, Any]]:
    found = json.loads(printed(json=True, **options))["weighing"]
    return {(one["who"], one["question"]): {row["attribute"]: row for row in one["weights"]} for one in found}


def judge_everything(pairs: list[PreferencePair], *outcomes: str) -> list[list[PairOutput]]:
    """Store long outputs of the test and short ones of the base, with a verdict for each pair."""
    sides = [make_outputs(pairs, make_system(name), "gold_chosen") for name in ("dpo", "pt-dpo")]
    for number, (base, test) in enumerate(zip(*sides, strict=True)):
        PairOutput.objects.filter(pk=base.pk).update(text="Short.")
        PairOutput.objects.filter(pk=test.pk).update(text="Long " * (3 + number))
    add_judgements(sides[0], sides[1], make_system("judge"), "quality", outcomes)
    return sides


def test_chosen_responses_stand_against_rejected_ones_by_data_set_and_together(pairs: list[PreferencePair]) -> None:
    found = groups()
    assert [name for name, _ in found] == ["", "advice", "forum"]
    assert [found[name, "responses"]["words"]["pairs"] for name in ("", "advice", "forum")] == [14, 12, 2]
    lists, hedges = found["advice", "responses"]["list_items"], found["advice", "responses"]["hedging"]
    assert (lists["mean_chosen"], lists["mean_rejected"], lists["p_chosen_given_more"]) == (2, 0, 1)
    assert (hedges["p_chosen_given_more"], hedges["share_chosen_more"]) == (0, 0)
    assert list(groups(dataset="forum")) == [("forum", "responses")]


def test_personas_of_both_sides_stand_beside_the_responses(pairs: list[PreferencePair]) -> None:
    for number, system in enumerate((make_system("small"), make_system("large"))):
        for pair in pairs[number:12]:
            make_persona(pair, "chosen", system, "The user never wants you to hurry")
            make_persona(pair, "rejected", system, "The user is quick")
    make_persona(pairs[12], "chosen", system, "The user is on one side alone")
    negation = groups()["advice", "personas"]["negation"]
    assert (negation["pairs"], negation["p_chosen_given_more"]) == (23, 1)
    # Twelve preference pairs, whatever the number of systems.
    assert negation["p_chosen_given_more_ci"] == pytest.approx([0.025 ** (1 / 12), 1])
    assert ("", "personas") not in groups()


def test_a_judge_weighs_the_same_by_pair_and_outputs_left_out_do_not_count(pairs: list[PreferencePair]) -> None:
    base, _ = judge_everything(pairs[:12], *["win"] * 8, *["tie"] * 3, "loss")
    found = weighing()
    assert set(found) == {("preferences", "chosen"), ("judge", "quality")}
    words = found["judge", "quality"]["words"]
    assert (words["n"], words["clusters"]) == (12, 12)
    more = range(2, 14)  # words of the test less that of the base
    outcomes = [1] * 8 + [0] * 3 + [-1]
    expected = sum(x * y for x, y in zip(more, outcomes, strict=True)) / (sum(x * x for x in more) * 9) ** 0.5
    assert words["association"] == pytest.approx(expected)
    PairOutput.objects.filter(pk=base[0].pk).update(excluded_reason="loop")
    assert weighing()["judge", "quality"]["words"]["n"] == 11


def test_people_of_a_closed_study_weigh_the_same_and_an_open_one_is_refused(pairs: list[PreferencePair]) -> None:
    study = own_persona_study(participants=6, items=4, effect={"personalization": 1.5})
    reference = study.slug
    Study.objects.filter(pk=study.pk).update(state=Study.State.OPEN)
    with pytest.raises(CommandError, match="once it is closed"):
        printed(study=reference)
    Study.objects.filter(pk=study.pk).update(state=Study.State.CLOSED)
    for output in Output.objects.filter(arm__study=study):
        output.text = "word " * (20 if output.arm.binding.system.name == "PT-DPO" else 10)
        output.save(update_fields=["text"])
    words = weighing(study=reference)["people", "personalization"]["words"]
    assert (words["n"], words["clusters"]) == (24, 6)
    assert words["association"] > 0.5 and words["association_ci"][0] > 0


def test_csv_has_a_row_per_attribute_and_text_names_what_there_is(pairs: list[PreferencePair]) -> None:
    rows = list(csv.DictReader(io.StringIO(printed(csv=True, dataset="advice"))))
    assert rows[0]["attribute"] == "words" and {"effect", "effect_ci_low", "effect_ci_high"} <= set(rows[0])
    shown = printed(dataset="advice").replace("\N{NO-BREAK SPACE}", " ")
    assert "advice: chosen against rejected responses, 12 pairs" in shown
    assert "100.0 % [73.5, 100.0] %" in shown  # Clopper and Pearson's for twelve of twelve


def test_without_pairs_it_says_what_to_do_and_an_unknown_data_set_is_refused(reader: Client) -> None:
    assert "see import_preferences" in printed()
    assert "import_preferences" in reader.get(reverse("modelhub:preference_attributes")).content.decode()
    with pytest.raises(CommandError, match="no data set called 'forum'"):
        printed(dataset="forum")


def test_the_page_shows_figure_tables_and_who_weighs_how(reader: Client, pairs: list[PreferencePair]) -> None:
    judge_everything(pairs[:12], *["win"] * 8, *["tie"] * 3, "loss")
    answer = reader.get(reverse("modelhub:preference_attributes"), {"dataset": "advice"})
    shown: Any = html.fromstring(answer.content)
    assert len(shown.xpath("//section//*[local-name()='svg']")) == 1 and not shown.xpath("//*[@style]")
    (lists,) = [row for row in shown.xpath("//section[1]//tbody/tr") if "Lists" in row.text_content()]
    assert "100.0\N{NO-BREAK SPACE}% [73.5, 100.0]" in " ".join(lists.itertext())
    heads = [" ".join(cell.itertext()) for cell in shown.xpath("//section[@aria-labelledby='weighing']//thead//th")]
    assert [head.split()[0] for head in heads] == ["Attribute", "Preferences", "Judge"]


def test_the_page_offers_closed_studies_alone(reader: Client, pairs: list[PreferencePair]) -> None:
    study = own_persona_study(participants=2, items=2)
    options = "//select[@name='study']/option/text()"
    address = reverse("modelhub:preference_attributes")
    Study.objects.filter(pk=study.pk).update(state=Study.State.OPEN)
    assert html.fromstring(reader.get(address).content).xpath(options) == ["None"]
