"""Persona assessments: chosen against rejected, the accuracy of picks, and people against the judge."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.db.models import F

from annotation.models import Assignment, Persona, Rating, Study
from modelhub.analysis import analyze
from modelhub.analysis.judge import read_judgements
from modelhub.files.tables import TableError
from modelhub.stats.winrate import Verdict
from tests.annotation.study_rows import add_participant
from tests.modelhub.analysis.studies import make_bound_study, own_persona, persona_study, rate

pytestmark = pytest.mark.django_db


def results(study: Study, **options: Any) -> dict[str, Any]:
    found: dict[str, Any] = analyze(study, **{"replicates": 50, **options}).model_dump(mode="json")["analysis"]["all"]
    json.dumps(found, allow_nan=False)
    return found


def both_orders(unit: str, metric: str, favoured: str) -> list[Verdict]:
    """A judge that favours base, test or neither in both orders."""
    first = {"base": "A", "test": "B", "tie": "tie"}[favoured]
    second = {"base": "B", "test": "A", "tie": "tie"}[favoured]
    return [Verdict(unit, metric, "base_first", first), Verdict(unit, metric, "test_first", second)]


def test_a_planted_difference_between_chosen_and_rejected_is_found_in_its_aspect_only() -> None:
    study = persona_study(effect={"applicability": -0.8})
    study.analysis = {"family": ["plausibility", "applicability", "harm", "overfitting"]}
    found = results(study)["persona"]["aspects"]
    applicability = found["applicability"]
    assert applicability["comparison"]["mean_difference"] == pytest.approx(0.8, abs=0.3)
    assert applicability["chosen"]["mean"] > applicability["rejected"]["mean"]
    assert applicability["holm_p"] == pytest.approx(4 * applicability["comparison"]["headline_p"])
    assert applicability["holm_p"] < 0.01
    assert all(found[key]["holm_p"] > 0.05 for key in ("plausibility", "harm", "overfitting"))


def test_a_study_without_a_difference_gives_no_finding() -> None:
    study = persona_study(seed=11)
    study.analysis = {"family": ["plausibility", "applicability", "harm", "overfitting"]}
    found = results(study)["persona"]["aspects"]
    assert all(found[key]["holm_p"] > 0.05 for key in study.analysis["family"])


@pytest.mark.slow
def test_studies_without_a_difference_give_findings_no_more_often_than_they_may() -> None:
    findings = 0
    for seed in range(20):
        study = persona_study(seed=seed, pairs=10, raters=2)
        study.analysis = {"family": ["plausibility", "applicability", "harm", "overfitting"]}
        found = results(study)["persona"]["aspects"]
        findings += any(found[key]["holm_p"] <= 0.05 for key in study.analysis["family"])
        Study.objects.filter(pk=study.pk).update(slug=f"past-{seed}")
    assert findings <= 4  # 1 expected; more than 4 has a probability below 0.003


def test_the_unit_is_the_preference_pair_and_raters_are_averaged_first() -> None:
    study = persona_study(pairs=4, raters=5)
    comparison = results(study)["persona"]["aspects"]["harm"]["comparison"]
    assert (comparison["n_participants"], comparison["n_pairs"], comparison["unit"]) == (4, 4, "preference pair")
    assert "raters_fixed" in comparison["warnings"]
    assert comparison["reasons"]["tost"] == "margin_not_specified"


def test_a_declared_margin_allows_a_claim_of_equivalence() -> None:
    study = persona_study(pairs=10)
    study.analysis = {"margin": {"harm": 1.5}}
    found = results(study)["persona"]["aspects"]
    assert found["harm"]["comparison"]["tost"]["equivalent"] is True
    assert found["plausibility"]["comparison"]["tost"] is None


def test_yes_no_questions_give_shares() -> None:
    study = persona_study(pairs=4)
    study.aspects.filter(key="harm").update(minimum=1, maximum=2, labels=["No", "Yes"], level="nominal")
    Rating.objects.filter(aspect__key="harm").update(value=1)
    Rating.objects.filter(aspect__key="harm", slot__persona__origin__direction="rejected").update(value=2)
    harm = results(study)["persona"]["aspects"]["harm"]
    assert (harm["measure"], harm["chosen"]["share"], harm["rejected"]["share"]) == ("share", 0.0, 1.0)
    assert harm["comparison"]["mean_difference"] == -1


def test_shares_of_which_all_answers_are_the_same_have_a_width_and_stay_within_0_and_1() -> None:
    study = persona_study(pairs=12)
    study.aspects.filter(key="harm").update(minimum=1, maximum=2, labels=["No", "Yes"], level="nominal")
    Rating.objects.filter(aspect__key="harm").update(value=1)
    harm = results(study)["persona"]["aspects"]["harm"]
    low, high = harm["chosen"]["ci"]
    assert low == 0 and 0.1 < high < 0.4
    assert harm["comparison"]["ci"] is None
    assert harm["comparison"]["reasons"]["ci"] == "no_variation_of_differences"


def test_means_near_an_end_of_the_scale_have_intervals_on_it() -> None:
    study = persona_study(pairs=12, raters=2)
    low = Rating.objects.filter(aspect__key="harm")
    low.update(value=1)
    low.filter(pk=low.order_by("pk").values("pk")[:1]).update(value=3)
    ends = results(study)["persona"]["aspects"]["harm"]
    assert min(ends[side]["ci"][0] for side in ("chosen", "rejected") if ends[side]["ci"]) == 1.0


def test_categories_without_an_order_are_not_compared_and_the_report_says_why() -> None:
    study = persona_study(pairs=4)
    study.aspects.filter(key="harm").update(minimum=1, maximum=3, labels=["a", "b", "c"], level="nominal")
    Rating.objects.filter(aspect__key="harm").update(value=2)
    harm = results(study)["persona"]["aspects"]["harm"]
    assert (harm["chosen"]["mean"], harm["chosen"]["reason"]) == (None, "no_mean_of_categories")
    assert set(harm["comparison"]["reasons"].values()) - {"exploratory"} == {"no_mean_of_categories"}


class TestRaters:
    """What a study declares of its raters decides what intervals and tests speak of."""

    def of(self, study: Study, raters: str) -> dict[str, Any]:
        study.analysis = {"raters": raters}
        return dict(results(study)["persona"])

    def study(self, people: int = 8) -> Study:
        return persona_study(pairs=15, raters=people, effect={"harm": 0.8})

    def test_fixed_ones_are_what_results_speak_of_and_that_is_said(self) -> None:
        found = self.of(self.study(), "fixed")
        compared = found["aspects"]["harm"]["comparison"]
        assert (found["raters"], compared["generalises_over"]) == ("fixed", ["preference pairs"])
        assert "not of other raters" in found["caveat"] and "raters_fixed" in compared["warnings"]
        assert compared["quasi_t_p"] is None and compared["reasons"]["quasi_t_p"] == "raters_fixed"

    def test_sampled_ones_widen_the_interval_and_are_tested_over(self) -> None:
        study = self.study()
        fixed, sampled = (self.of(study, raters)["aspects"]["harm"] for raters in ("fixed", "sampled"))
        one, other = fixed["comparison"], sampled["comparison"]
        assert other["mean_difference"] == pytest.approx(one["mean_difference"])
        assert sampled["chosen"]["mean"] == pytest.approx(fixed["chosen"]["mean"])
        assert other["generalises_over"] == ["preference pairs", "raters"]
        assert other["ci_method"] == "t over preference pairs and raters, crossed"
        assert other["headline_p"] == max(other[key] for key in ("sign_flip_p", "prompt_sign_flip_p", "quasi_t_p"))
        assert other["n_participants"] == 15 and "raters_fixed" not in other["warnings"]

    def test_a_rater_unlike_the_others_counts_only_where_raters_are_sampled(self) -> None:
        study = persona_study(pairs=15, raters=6)
        odd = Rating.objects.filter(aspect__key="harm", slot__assignment__participant__number=1)
        odd.filter(slot__persona__origin__direction="chosen").update(value=5)
        odd.filter(slot__persona__origin__direction="rejected").update(value=1)
        fixed, sampled = (self.of(study, raters)["aspects"]["harm"] for raters in ("fixed", "sampled"))
        for part in ("comparison", "chosen"):
            one, other = fixed[part]["ci"], sampled[part]["ci"]
            assert other[1] - other[0] > 1.5 * (one[1] - one[0]), part

    def test_few_of_them_cannot_reject_for_others_whatever_they_answer(self) -> None:
        compared = self.of(self.study(people=3), "sampled")["aspects"]["harm"]["comparison"]
        assert compared["headline_p"] >= 0.25
        assert "too_few_raters_to_reject_at_05" in compared["warnings"]

    def test_a_single_one_says_nothing_of_others(self) -> None:
        found = self.of(self.study(people=1), "sampled")
        harm = found["aspects"]["harm"]
        assert (harm["comparison"]["ci"], harm["comparison"]["reasons"]["ci"]) == (None, "single_rater")
        assert (harm["chosen"]["ci"], harm["chosen"]["reason"]) == (None, "single_rater")
        assert (found["accuracy"]["overall"]["ci"], found["accuracy"]["overall"]["reason"]) == (None, "single_rater")

    def test_those_who_rated_one_persona_of_a_pair_are_left_out_of_the_difference_and_that_is_said(self) -> None:
        study = persona_study(pairs=15, raters=6)
        one_sided = Assignment.objects.filter(participant__number=1, persona__origin__direction="chosen")
        one_sided.update(state="open", completed_at=None)
        harm = self.of(study, "sampled")["aspects"]["harm"]
        assert harm["comparison"]["n_pairs"] == 15 * 5
        assert "raters_of_one_persona_left_out" in harm["comparison"]["warnings"]
        assert harm["rejected"]["n"] == 15

    def test_sampled_ones_widen_the_interval_of_picks(self) -> None:
        study = persona_study(pairs=20, raters=6, accuracy=1.0)
        wrong = Rating.objects.filter(aspect__kind="pick", slot__assignment__participant__number=1)
        wrong.update(value=3 - F("value"))
        fixed, sampled = (self.of(study, raters)["accuracy"]["overall"] for raters in ("fixed", "sampled"))
        assert fixed["share"] == sampled["share"] == pytest.approx(5 / 6)
        assert sampled["ci"][1] - sampled["ci"][0] > 1.5 * (fixed["ci"][1] - fixed["ci"][0])


def test_a_gap_without_any_spread_has_no_interval_of_width_zero() -> None:
    accuracy = results(persona_study(pairs=5, accuracy=1.0))["persona"]["accuracy"]
    assert (accuracy["gap"], accuracy["gap_ci"], accuracy["reason"]) == (0.0, None, "no_variation_of_differences")


def test_accuracy_is_the_share_of_own_responses_picked_with_its_gap() -> None:
    study = persona_study(pairs=30, accuracy=0.85)
    accuracy = results(study)["persona"]["accuracy"]
    assert accuracy["overall"]["n"] == 180
    assert accuracy["overall"]["share"] == pytest.approx(0.85, abs=0.08)
    low, high = accuracy["overall"]["ci"]
    assert 0 < low < accuracy["overall"]["share"] < high < 1
    assert accuracy["gap"] == pytest.approx(accuracy["chosen"]["share"] - accuracy["rejected"]["share"])
    assert accuracy["gap_ci"][0] < accuracy["gap"] < accuracy["gap_ci"][1]
    assert list(accuracy["by_stratum"]) == ["BT", "HHH"]
    assert accuracy["by_inferring_system"]["LLaMA-405B"]["n"] == 180


def test_everybody_right_gives_a_share_of_one_whose_interval_does_not_collapse() -> None:
    overall = results(persona_study(pairs=5, accuracy=1.0))["persona"]["accuracy"]["overall"]
    assert overall["share"] == 1.0
    assert overall["ci"][0] < 0.8


def test_agreement_comes_by_condition_and_picks_are_about_responses() -> None:
    shared = results(persona_study(pairs=6, accuracy=1.0))["agreement"]["designs"]["shared_personas"]
    assert shared["preferred_response"]["pooled"]["krippendorff_alpha"] == 1.0
    assert list(shared["harm"]["by_condition"]) == ["chosen", "rejected"]
    assert shared["harm"]["pooled"]["raters"] == 3
    assert list(shared["harm"]["by_stratum"]) == ["BT", "HHH"]


def test_people_and_judge_are_compared_per_persona_in_their_picks() -> None:
    study = persona_study(pairs=4, accuracy=1.0)
    verdicts = []
    for number in range(4):  # the judge takes the chosen response whatever the persona
        verdicts += both_orders(f"pair-{number}:chosen", "persona", "test")
        verdicts += both_orders(f"pair-{number}:rejected", "persona", "test")
    judge = results(study, judgements=verdicts)["persona"]["accuracy"]["judge"]
    assert (judge["n"], judge["agreement"], judge["judge_accuracy"]) == (24, 0.5, 0.5)


def test_without_any_pick_there_is_no_accuracy_and_without_data_a_reason() -> None:
    study = persona_study(pairs=2)
    Rating.objects.filter(aspect__kind="pick").delete()
    accuracy = results(study)["persona"]["accuracy"]
    assert (accuracy["overall"]["reason"], accuracy["gap"], accuracy["reason"]) == ("no_data", None, "no_data")
    study.aspects.filter(kind="pick").delete()
    assert results(study)["persona"]["accuracy"] is None


def test_an_assessment_that_nobody_took_gives_reasons() -> None:
    study = persona_study(pairs=2, raters=0)
    found = results(study)["persona"]["aspects"]["harm"]
    assert (found["chosen"]["mean"], found["chosen"]["reason"]) == (None, "no_data")
    assert found["comparison"]["reasons"]["mean_difference"] == "no_data"


def test_few_preference_pairs_are_called_so_and_not_participants() -> None:
    one = results(persona_study(pairs=1))["persona"]["aspects"]["harm"]["comparison"]
    assert one["reasons"]["ci"] == "single_pair"
    assert "too_few_pairs_to_reject_at_05" in one["warnings"]


def test_rejected_personas_alone_give_no_comparison() -> None:
    study = persona_study(pairs=3)
    Assignment.objects.filter(persona__origin__direction="chosen").update(state="open", completed_at=None)
    found = results(study)["persona"]
    assert found["aspects"]["harm"]["comparison"]["n_pairs"] == 0
    assert found["aspects"]["harm"]["rejected"]["n"] == 3
    assert found["accuracy"]["reason"] == "one_direction_only"


def judged_study(items: int, people: int = 1) -> tuple[Study, list[Verdict]]:
    """Return a study in which all people prefer test on every second item, and a judge that does on every third."""
    study = make_bound_study(written_items=items, written_per_participant=items, overlap_share=0.25)
    author, *others = (add_participant(study) for _ in range(people))
    verdicts = []
    for number in range(items):
        persona = own_persona(author, f"item-{number + 1}")
        values = {"answerability": (3, 3), "personalization": (4, 2) if number % 2 else (2, 4)}
        rate(author, persona, values, choice=3)
        for other in others:
            rate(other, persona, values, kind=Assignment.Kind.OVERLAP, choice=3)
        verdicts += both_orders(persona.key, "personalization", "base" if number % 3 else "test")
    return study, verdicts


class TestJudgeOfOutputs:
    def study(self) -> tuple[Study, list[Persona]]:
        """Four units: people prefer test, test, base and neither; the first has a second rater who agrees."""
        study = make_bound_study(written_items=4, written_per_participant=4, overlap_share=0.25)
        author, other = add_participant(study), add_participant(study)
        personas = [own_persona(author, f"item-{number}") for number in range(1, 5)]
        for persona, both in zip(personas, [(1, 5), (2, 3), (4, 2), (3, 3)], strict=True):
            first = rate(author, persona, {"answerability": (3, 3), "personalization": both}, choice=3)
            if persona == personas[3]:
                values = {"answerability": (3, 3), "personalization": (5, 1)}
                rate(author, persona, values, kind=Assignment.Kind.REPEAT, repeat_of=first, choice=1)
        values = {"answerability": (3, 3), "personalization": (2, 4)}
        rate(other, personas[0], values, kind=Assignment.Kind.OVERLAP, choice=3)
        return study, personas

    def test_the_table_counts_people_against_the_judge_with_its_order_consistency(self) -> None:
        study, personas = self.study()
        verdicts = [
            *both_orders(personas[0].key, "personalization", "test"),
            *both_orders(f"item-2 {personas[1].key}", "personalization", "base"),
            Verdict("item-3", "personalization", "base_first", "A"),  # then the other: inconsistent
            Verdict("item-3", "personalization", "test_first", "A"),
            Verdict("item-4", "personalization", "base_first", None),
            *both_orders("elsewhere", "personalization", "test"),
            *both_orders("item-1", "fluency", "test"),
        ]
        judge = results(study, judgements=verdicts)["judge"]
        assert (judge["unmatched"], judge["metrics_not_asked"]) == (2, ["fluency"])
        found = judge["metrics"]["personalization"]
        assert found["table"]["human win"] == {"judge win": 2, "judge tie": 0, "judge loss": 1}
        assert found["table"]["human loss"] == {"judge win": 0, "judge tie": 1, "judge loss": 0}
        assert found["agreement_with_ties"] == 0.5
        assert found["agreement_without_ties"] == pytest.approx(2 / 3)
        assert found["judge_order_consistency"] == pytest.approx(2 / 3)
        assert (found["invalid"], found["human_ceiling"], found["ceiling_units"]) == (1, 1.0, 1)

    def test_every_coefficient_has_an_interval_over_items_or_says_why_not(self) -> None:
        study, verdicts = judged_study(12)
        found = results(study, judgements=verdicts)["judge"]["metrics"]["personalization"]
        assert (found["items"], found["n"], found["n_judged"]) == (12, 12, 12)
        for name in ("agreement_with_ties", "agreement_without_ties", "kappa", "judge_order_consistency"):
            low, high = found[f"{name}_ci"]
            assert low <= found[name] <= high and low < high, name
        assert found["judge_order_consistency_ci"] == pytest.approx([0.025 ** (1 / 12), 1])
        assert found["warnings"]["judge_order_consistency"] == ["one_sided_interval"]
        assert found["reasons"]["human_ceiling_ci"] == "no_overlap"
        few = results(study, judgements=verdicts[:18])["judge"]["metrics"]["personalization"]
        assert (few["kappa_ci"], few["reasons"]["kappa_ci"]) == (None, "few_judged_items")
        assert few["agreement_with_ties_ci"] is not None

    def test_people_who_say_the_same_of_an_item_are_one_cluster(self) -> None:
        study, verdicts = judged_study(12, people=3)
        thrice = results(study, judgements=verdicts)["judge"]["metrics"]["personalization"]
        Assignment.objects.filter(kind=Assignment.Kind.OVERLAP).update(state="open", completed_at=None)
        once = results(study, judgements=verdicts)["judge"]["metrics"]["personalization"]
        assert (thrice["n"], once["n"]) == (36, 12)
        for name in ("agreement_with_ties_ci", "kappa_ci"):
            assert thrice[name] == pytest.approx(once[name])

    def test_quality_is_compared_with_answerability(self) -> None:
        study, _ = self.study()
        found = results(study, judgements=both_orders("item-1", "quality", "tie"))["judge"]["metrics"]["quality"]
        assert (found["aspect"], found["agreement_with_ties"], found["kappa"]) == ("answerability", 1.0, None)
        assert found["reasons"]["kappa"] == "no_variation"

    def test_without_judgements_there_is_no_comparison_and_with_none_in_common_a_reason(self) -> None:
        study, _ = self.study()
        assert results(study)["judge"] is None
        only_invalid = [Verdict("item-1", "personalization", "base_first", None)]
        found = results(study, judgements=only_invalid)["judge"]["metrics"]["personalization"]
        assert found["reasons"]["agreement_with_ties"] == "no_valid_verdicts"


def test_judgements_are_read_with_the_aspects_of_the_study_as_metrics(tmp_path: Path) -> None:
    path = tmp_path / "judge.jsonl"
    row = {"pair_id": "item-1", "metric": "preference", "order": "base_first", "verdict": "A"}
    path.write_text(json.dumps(row) + "\n")
    assert read_judgements(path, ["preference"]) == [Verdict("item-1", "preference", "base_first", "A")]
    with pytest.raises(TableError, match='line 1, metric: "preference" is none of "personalization", "quality"'):
        read_judgements(path, [])
    path.write_text("\n".join(json.dumps({**row, "set": name}) for name in ("a", "b")))
    with pytest.raises(TableError, match="holds the sets a, b; a study is compared with one"):
        read_judgements(path, ["preference"])
