"""Output ratings: planted effects come back, nothing comes of nothing, and each row counts where it belongs."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from django.utils import timezone

from annotation.errors import ServiceError
from annotation.export import study_tables
from annotation.export.writers import table_write
from annotation.models import Assignment, Participant, Persona, Study
from annotation.protocol import protocol_hash
from annotation.services.withdrawal import participant_erase
from modelhub.analysis import analyze
from modelhub.report.prose import results_paragraphs
from modelhub.results.report import Results
from tests.annotation.study_rows import add_participant
from tests.modelhub.analysis.rated import comparisons, results
from tests.modelhub.analysis.studies import (
    BASE,
    TEST,
    likert,
    make_bound_study,
    own_persona,
    own_persona_study,
    rate,
)

pytestmark = pytest.mark.django_db
Kind = Assignment.Kind


def test_a_planted_difference_is_found_in_its_aspect_and_in_no_other() -> None:
    found = comparisons(own_persona_study(effect={"personalization": 0.8}))
    assert found["personalization"]["mean_difference"] == pytest.approx(0.8, abs=0.3)
    assert found["personalization"]["sign_flip_p"] < 0.05 < found["answerability"]["headline_p"]
    low, high = found["answerability"]["ci"]
    assert low < 0 < high


def test_the_difference_is_test_minus_base_and_the_base_can_be_chosen() -> None:
    study = own_persona_study(effect={"personalization": 0.8}, participants=4, items=4)
    forwards, back = comparisons(study), comparisons(study, base=TEST)
    assert back["personalization"]["mean_difference"] == -forwards["personalization"]["mean_difference"]
    assert results(study, base="2")["study"]["base"] == TEST
    with pytest.raises(ServiceError, match="'GPT' is no system of this study; there are: 1 = DPO, 2 = PT-DPO"):
        analyze(study, base="GPT")


def test_a_control_or_the_study_file_says_which_system_is_the_base() -> None:
    study = own_persona_study(participants=2, items=2)
    study.arms.filter(ordinal=2).update(is_control=True)
    assert results(study)["study"]["base"] == TEST
    study.analysis = {"base": 1}
    assert results(study)["study"]["base"] == BASE


@pytest.mark.slow
def test_studies_without_an_effect_give_no_finding_more_often_than_they_may() -> None:
    studies = 30
    findings = 0
    for seed in range(studies):
        study = own_persona_study(seed=seed, slug=f"null-{seed}", items=6)
        study.analysis = {"family": ["answerability", "personalization"]}
        findings += any(report["holm_p"] <= 0.05 for report in comparisons(study).values())
    assert findings <= 5  # 1.5 expected; more than 5 has a probability below 0.002


def test_a_study_without_an_effect_gives_no_finding() -> None:
    study = own_persona_study(seed=5, items=6)
    study.analysis = {"family": ["answerability", "personalization"]}
    assert all(report["holm_p"] > 0.05 for report in comparisons(study).values())


def test_holm_corrects_the_declared_family_and_marks_the_rest_exploratory() -> None:
    study = own_persona_study(effect={"personalization": 0.8})
    study.analysis = {"family": ["personalization", "preference"], "margin": {"answerability": 0.5}}
    part = results(study)["analysis"]["all"]["strata"][""]
    confirmed, preference = part["comparisons"]["personalization"], part["win_rates"]["aspects"]["preference"]
    p, other = confirmed["headline_p"], preference["headline_p"]
    assert (confirmed["family"], confirmed["holm_p"]) == ("confirmatory", pytest.approx(min(1, 2 * min(p, other))))
    assert preference["family"] == "confirmatory"
    explored = part["comparisons"]["answerability"]
    assert (explored["family"], explored["holm_p"]) == ("exploratory", None)
    assert explored["reasons"]["holm_p"] == "exploratory"
    assert explored["non_inferiority"]["margin"] == 0.5
    assert confirmed["reasons"]["non_inferiority"] == "margin_not_specified"


def test_an_effect_of_length_alone_vanishes_when_length_is_adjusted_for() -> None:
    found = comparisons(own_persona_study(per_word=0.06, participants=12))["answerability"]
    assert found["mean_difference"] < -0.4
    assert found["ci"][1] < 0
    adjusted = found["length_adjusted"]
    assert adjusted["ci"][0] < 0 < adjusted["ci"][1]
    assert abs(adjusted["mean_difference"]) < 0.25
    assert adjusted["slope_per_100_words"] == pytest.approx(5, abs=1.5)
    assert adjusted["words_difference"] < -5


def test_adjusting_for_length_leaves_an_effect_that_has_nothing_to_do_with_it() -> None:
    found = comparisons(own_persona_study(effect={"answerability": 0.8}))["answerability"]
    assert found["length_adjusted"]["mean_difference"] == pytest.approx(found["mean_difference"], abs=0.1)


def test_repeats_and_overlaps_stay_out_of_the_main_comparison_and_serve_agreement() -> None:
    study = make_bound_study(written_items=2, written_per_participant=2, overlap_share=0.5, repeat_share=0.5)
    author, other = add_participant(study), add_participant(study)
    persona = own_persona(author, "item-1")
    first = rate(author, persona, {"answerability": (2, 4), "personalization": (2, 3)})
    rate(author, persona, {"answerability": (5, 1), "personalization": (2, 3)}, kind=Kind.REPEAT, repeat_of=first)
    rate(other, persona, {"answerability": (5, 1), "personalization": (2, 3)}, kind=Kind.OVERLAP)
    found = results(study)["analysis"]["all"]
    (mean,) = found["strata"][""]["comparisons"]["answerability"]["participant_means"]
    assert mean == {"participant": author.code, "difference": 2.0, "pairs": 1}
    assert found["strata"][""]["descriptives"]["answerability"][BASE]["n"] == 1
    assert found["order"]["answerability"]["n"] == 0
    assert found["length"]["of"] == 4
    designs = found["agreement"]["designs"]
    assert list(designs) == ["overlap", "repeat"]
    overlap, repeat = (designs[name]["answerability"]["pooled"] for name in ("overlap", "repeat"))
    assert (overlap["raters"], overlap["ratings"], overlap["percent_agreement"]) == (2, 4, 0.0)
    assert (repeat["ratings"], repeat["percent_agreement"]) == (4, 0.0)
    assert designs["repeat"]["personalization"]["pooled"]["percent_agreement"] == 1.0
    assert designs["overlap"]["personalization"]["by_system"][TEST]["items"] == 1
    lines = {line["participant"]: line for line in found["checks"]["participants"]}
    assert (lines[author.code]["repeat_exact"], lines[author.code]["repeat_n"]) == (0.5, 4)
    assert lines[other.code]["repeat_exact"] is None


def test_own_personas_without_other_designs_say_that_agreement_cannot_be_estimated() -> None:
    agreement = results(own_persona_study(participants=2, items=2))["analysis"]["all"]["agreement"]
    assert "inter-rater agreement cannot be estimated" in agreement["note"]
    assert agreement["designs"] == {}


def test_agreement_on_comparisons_is_about_systems_whatever_side_they_stood_on() -> None:
    study = make_bound_study(given_items=2, given_per_participant=2, systems=(BASE, TEST))
    for number, person in enumerate([add_participant(study), add_participant(study)]):
        for persona in Persona.objects.filter(item__study=study):
            values = {"answerability": (3, 3), "personalization": (1, 5)}
            rate(person, persona, values, swapped=bool(number), choice=1 if number else 2)
    shared = results(study)["analysis"]["all"]["agreement"]["designs"]["shared_personas"]
    assert shared["preference"]["pooled"]["percent_agreement"] == 1.0
    assert shared["preference"]["pooled"]["reasons"]["krippendorff_alpha"] == "no_variation"
    assert shared["personalization"]["pooled"]["krippendorff_alpha"] == 1.0


def test_bots_and_previews_count_only_where_they_may() -> None:
    study = own_persona_study(kind=Participant.Kind.BOT, participants=3, items=2)
    preview = add_participant(study, kind=Participant.Kind.PREVIEW)
    rate(preview, own_persona(preview, "item-1"), {"answerability": (1, 5), "personalization": (1, 5)})
    assert results(study)["flow"]["analysed"] == 0
    with_bots = results(study, include_bots=True)
    assert (with_bots["flow"]["analysed"], with_bots["flow"]["steps"][0]["n"]) == (3, 3)
    assert with_bots["study"]["include_bots"] is True


def test_excluded_participants_count_in_one_population_only() -> None:
    study = own_persona_study(participants=4, items=2)
    excluded = study.participants.first()
    study.participants.filter(pk=excluded.pk).update(excluded_at=timezone.now(), excluded_reason="Too fast")
    found = results(study)
    counted = {name: part["participants"] for name, part in found["analysis"].items()}
    assert counted == {"all": 4, "without_excluded": 3}
    flow = found["flow"]
    assert (flow["analysed_all"], flow["analysed"]) == (4, 3)
    assert flow["excluded"] == [{"reason": "Too fast", "n": 1, "rule_fixed_beforehand": False}]


def test_an_exclusion_that_a_rule_of_the_study_file_asks_for_is_marked() -> None:
    study = own_persona_study(participants=2, items=5)
    Study.objects.update(exclusion_rules={"min_seconds_per_part": 60})  # all took 30
    study.refresh_from_db()
    study.participants.filter(number=1).update(excluded_at=timezone.now(), excluded_reason="Too fast")
    found = results(study)
    assert found["flow"]["excluded"] == [{"reason": "Too fast", "n": 1, "rule_fixed_beforehand": True}]
    checks = found["analysis"]["all"]["checks"]
    assert checks["flags"] == {"min_seconds_per_part": 2}
    assert checks["rules"] == ["a median of less than 60 seconds per part"]
    assert checks["participants"][0]["median_seconds"] == 30


def test_pairs_excluded_after_the_opening_leave_the_second_population() -> None:
    study = own_persona_study(participants=2, items=2)
    persona = Persona.objects.first()
    assert persona is not None
    persona.outputs.update(excluded_at=timezone.now(), excluded_reason="Loops")
    found = results(study)
    pairs = [part["strata"][""]["comparisons"]["answerability"]["n_pairs"] for part in found["analysis"].values()]
    assert pairs == [4, 3]
    assert found["flow"]["excluded_pairs"] == 1


def test_who_withdrew_and_left_the_data_counts_and_who_was_erased_does_not() -> None:
    study = own_persona_study(participants=4, items=2)
    kept, erased = study.participants.all()[:2]
    study.participants.filter(pk=kept.pk).update(withdrawn_at=timezone.now())
    participant_erase(participant=erased)
    found = results(study)
    assert (found["flow"]["withdrawn"], found["flow"]["erased"], found["flow"]["analysed"]) == (1, 1, 3)
    means = found["analysis"]["all"]["strata"][""]["comparisons"]["answerability"]["participant_means"]
    assert [mean["participant"] for mean in means] == [kept.code, *(p.code for p in study.participants.all()[2:])]


def test_the_text_of_an_erased_author_has_no_length() -> None:
    study = make_bound_study(written_items=1, written_per_participant=1, overlap_share=1)
    author, other = add_participant(study), add_participant(study)
    persona = own_persona(author, "item-1")
    rate(other, persona, {"answerability": (2, 4), "personalization": (2, 3)}, kind=Kind.OVERLAP)
    rate(author, persona, {"answerability": (2, 4), "personalization": (2, 3)})
    participant_erase(participant=author)
    found = results(study)["analysis"]["all"]
    assert found["strata"][""]["words"][BASE] == {"n": 0, "mean": None, "sd": None,
                                                  "reasons": {"mean": "no_data", "sd": "no_data"}}  # fmt: skip
    assert found["agreement"]["designs"]["overlap"]["answerability"]["pooled"]["ratings"] == 2


def test_unfinished_and_skipped_parts_do_not_count() -> None:
    study = own_persona_study(participants=1, items=1)
    person = study.participants.get()
    item = study.items.create(ordinal=9, key="more", prompt="More?")
    for state in (Assignment.State.OPEN, Assignment.State.SKIPPED):
        persona = own_persona(person, item.key)
        rate(person, persona, {"answerability": (1, 5), "personalization": (1, 5)}, state=state)
    assert comparisons(study)["answerability"]["n_pairs"] == 1


def test_everything_comes_by_stratum_too() -> None:
    study = own_persona_study(participants=4, items=4, effect={"personalization": 2})
    study.items.filter(ordinal__lte=1).update(stratum="")
    study.items.filter(ordinal=4).update(stratum="unseen")
    Assignment.objects.filter(persona__item__ordinal=4).update(state=Assignment.State.OPEN, completed_at=None)
    strata = results(study)["analysis"]["all"]["strata"]
    assert list(strata) == ["", "(none)", "test", "unseen"]
    counts = [part["comparisons"]["personalization"]["n_pairs"] for part in strata.values()]
    assert counts == [12, 4, 8, 0]
    assert strata["unseen"]["comparisons"]["personalization"]["reasons"]["mean_difference"] == "no_data"


def test_everything_comes_by_the_assigned_condition_of_writing_where_a_study_has_both() -> None:
    study = own_persona_study(participants=4, items=4, effect={"personalization": 2})
    assert list(results(study)["analysis"]["all"]["strata"]) == [""]
    study.elicitation = {"condition": "both", "questions": []}
    study.protocol_hash = protocol_hash(study)
    study.save(update_fields=["elicitation", "protocol_hash"])
    personas = Persona.objects.filter(author__study=study)
    personas.update(condition="elicited", written_as="free")  # whatever they did
    personas.filter(item__ordinal=1).update(condition="free")
    found = results(study)
    strata = found["analysis"]["all"]["strata"]
    assert list(strata) == ["", "personas to be written freely", "personas to be helped by questions"]
    assert [part["comparisons"]["personalization"]["n_pairs"] for part in strata.values()] == [16, 4, 12]
    text = " ".join(results_paragraphs(Results.model_validate(found)))
    assert "By condition of writing (exploratory): personas to be written freely" in text


def test_a_preference_for_the_left_is_told_apart_from_one_for_a_system() -> None:
    study = make_bound_study(written_items=8, written_per_participant=8)
    rng = np.random.default_rng(3)
    for _ in range(6):
        person = add_participant(study)
        for number in range(1, 9):
            swapped = number % 4 == 0  # the test system stands left in a quarter only
            left, right = likert(3.6, rng), likert(2.6, rng)
            values = (right, left) if swapped else (left, right)
            rate(person, own_persona(person, f"item-{number}"), {"answerability": values, "personalization": (3, 3)},
                 swapped=swapped, choice=1)  # fmt: skip
    position = results(study)["analysis"]["all"]["position"]
    assert position["answerability"]["difference"] == pytest.approx(1, abs=0.4)
    assert position["answerability"]["p"] < 0.01
    assert position["preference"] == {
        "left_mean": 1.0, "right_mean": 0.0, "difference": pytest.approx(1), "ci": None, "p": None,
        "n": 48, "reason": "no_variation_of_differences",
    }  # fmt: skip


def test_answers_that_rise_with_the_parts_show_as_an_order_effect() -> None:
    study = make_bound_study(written_items=4, written_per_participant=4)
    for lenient in (0, 0, 1):
        person = add_participant(study)
        for number in range(1, 5):
            values = {"answerability": (number, number + lenient), "personalization": (3, 3)}
            rate(person, own_persona(person, f"item-{number}"), values)
    order = results(study)["analysis"]["all"]["order"]
    assert order["answerability"]["slope"] == pytest.approx(1)
    assert order["personalization"]["slope"] == 0


def test_preferences_are_counted_as_wins_of_systems() -> None:
    study = make_bound_study(written_items=4, written_per_participant=4)
    for _ in range(2):
        person = add_participant(study)
        for number, choice in enumerate((1, 2, 3, 4), start=1):
            values = {"answerability": (3, 3), "personalization": (3, 4)}
            rate(person, own_persona(person, f"item-{number}"), values, swapped=number == 1, choice=choice)
    rates = results(study)["analysis"]["all"]["strata"][""]["win_rates"]
    preference = rates["aspects"]["preference"]
    assert [preference[name] for name in ("n", "win", "tie", "both_bad", "loss")] == [8, 4, 2, 2, 0]
    assert (preference["net_win"], preference["win_share"]) == (0.5, 1.0)
    assert rates["aspects"]["personalization"]["win"] == 8
    assert rates["delta_pq"] is None  # answerability has ties only
    assert rates["reasons"]["delta_pq"] == "no_decided_pairs"


def test_preferences_on_shared_prompts_are_tested_over_prompts_too() -> None:
    study = make_bound_study(written_items=2, written_per_participant=2)
    for _ in range(8):
        person = add_participant(study)
        for number in (1, 2):
            values = {"answerability": (3, 3), "personalization": (3, 3)}
            rate(person, own_persona(person, f"item-{number}"), values, choice=2)
    preference = results(study)["analysis"]["all"]["strata"][""]["win_rates"]["aspects"]["preference"]
    assert preference["sign_flip_p"] < 0.01
    assert preference["headline_p"] == preference["prompt_sign_flip_p"] == 0.5


def test_more_than_two_systems_are_described_and_two_of_them_compared() -> None:
    study = make_bound_study(systems=("C", "A", "B"), written_items=2, written_per_participant=2, comparison=False)
    for _ in range(2):
        person = add_participant(study)
        for number in (1, 2):
            persona = own_persona(person, f"item-{number}", words=(5, 6, 7))
            rate(person, persona, {"answerability": (1, 2, 4), "personalization": (3, 3, 3)})
    found = results(study)
    assert (found["study"]["base"], found["study"]["test"]) == ("A", "B")
    part = found["analysis"]["all"]["strata"][""]
    assert part["comparisons"]["answerability"]["mean_difference"] == 2
    assert {name: row["mean"] for name, row in part["descriptives"]["answerability"].items()} == {
        "C": 1,
        "A": 2,
        "B": 4,
    }
    assert comparisons(study, base="C", test="B")["answerability"]["mean_difference"] == 3


def test_the_data_hash_is_that_of_the_exported_ratings(tmp_path: Path) -> None:
    study = own_persona_study(participants=2, items=2)
    with (tmp_path / "ratings.jsonl").open("wb") as sink:
        table_write(study_tables(study)["ratings"], sink, format="jsonl")
    expected = hashlib.sha256((tmp_path / "ratings.jsonl").read_bytes()).hexdigest()
    assert results(study)["footer"]["data_sha256"] == expected


def test_the_same_seed_gives_the_same_results() -> None:
    study = own_persona_study(participants=3, items=3)
    first, second = results(study, seed=7), results(study, seed=7)
    assert first["analysis"] == second["analysis"]


@pytest.mark.parametrize("systems", [(BASE, TEST), (TEST, TEST)])
def test_two_arms_of_one_system_keep_apart(systems: tuple[str, str]) -> None:
    study = make_bound_study(systems=systems)
    names = [system["name"] for system in results(study)["study"]["systems"]]
    assert len(set(names)) == 2
