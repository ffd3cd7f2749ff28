"""What the study file declares of its analysis: which arms, which people and which prompts results are about."""

import pytest

from annotation.models import Study
from modelhub.analysis import analyze
from modelhub.results.comparison import Contrast
from modelhub.results.report import Results
from tests.annotation.study_rows import add_participant
from tests.modelhub.analysis.studies import make_bound_study, own_persona, own_persona_study, rate

pytestmark = pytest.mark.django_db


def three_arms(**analysis: object) -> Study:
    """Return a study of C, A and B, arms 1 to 3, which people rate 1, 2 and 4 for their answerability; the last 5."""
    study = make_bound_study(systems=("C", "A", "B"), written_items=2, written_per_participant=2, comparison=False)
    study.analysis = dict(analysis)
    study.save(update_fields=["analysis"])
    for extra in (0, 0, 1):
        person = add_participant(study)
        for number in (1, 2):
            persona = own_persona(person, f"item-{number}", words=(5, 6, 7))
            rate(person, persona, {"answerability": (1, 2, 4 + extra), "personalization": (3, 3, 3)})
    return study


def results_of(study: Study) -> Results:
    return analyze(study, replicates=50)


def difference(contrast: Contrast) -> tuple[str, str, float | None]:
    report = contrast.strata[""].comparisons["answerability"]
    return contrast.base, contrast.test, report.mean_difference


def test_of_three_arms_every_pair_is_compared() -> None:
    found = results_of(three_arms())
    assert (found.study.base, found.study.test) == ("A", "B")
    assert not found.study.comparisons_declared
    assert found.primary.strata[""].comparisons["answerability"].mean_difference == pytest.approx(7 / 3)
    assert [difference(one) for one in found.primary.contrasts] == [("A", "C", -1), ("B", "C", pytest.approx(-10 / 3))]


def test_only_the_declared_comparisons_are_made_the_first_of_them_as_the_main_one() -> None:
    found = results_of(three_arms(comparisons=[[3, 1], [1, 2]]))
    assert (found.study.base, found.study.test) == ("B", "C")
    assert [difference(one) for one in found.primary.contrasts] == [("C", "A", 1)]


def test_one_family_covers_all_pairs_of_arms() -> None:
    study = three_arms(comparisons=[[1, 2]], family=["answerability"])
    report = results_of(study).primary.strata[""].comparisons["answerability"]
    assert (report.family, report.holm_p) == ("confirmatory", report.headline_p)
    study.analysis = {"family": ["answerability"]}
    found = results_of(study)
    main = found.primary.strata[""].comparisons["answerability"]
    others = [one.strata[""].comparisons["answerability"] for one in found.primary.contrasts]
    assert [one.family for one in (main, *others)] == ["confirmatory"] * 3
    assert main.headline_p is not None
    assert main.holm_p == min(1.0, 3 * main.headline_p)


def test_the_declared_population_comes_first_and_is_the_primary_one() -> None:
    study = own_persona_study(participants=4, items=2)
    study.participants.filter(number=1).update(excluded_at=study.opened_at, excluded_reason="Slept")
    assert results_of(study).populations == ["all", "without_excluded"]
    assert results_of(study).primary.participants == 4
    study.analysis = {"population": "without_excluded"}
    found = results_of(study)
    assert found.populations == list(found.analysis) == ["without_excluded", "all"]
    assert found.primary.participants == 3


def test_results_hold_for_other_prompts_unless_the_study_declares_its_own_fixed() -> None:
    study = own_persona_study(participants=8, items=4, seed=2)
    sampled = results_of(study).primary.strata[""]
    study.analysis = {"prompts": "fixed"}
    fixed = results_of(study).primary.strata[""]
    for one, over in ((sampled, ["participants", "prompts"]), (fixed, ["participants"])):
        said = [(part.generalises_over, "prompts_fixed" in part.warnings) for part in one.comparisons.values()]
        said += [(part.generalises_over, "prompts_fixed" in part.warnings) for part in one.win_rates.aspects.values()]
        assert said == [(over, one is fixed)] * 5
    both = [one.comparisons["answerability"] for one in (sampled, fixed)]
    assert both[0].prompt_sign_flip_p is not None
    assert (both[1].prompt_sign_flip_p, both[1].quasi_t_p) == (None, None)
    assert both[1].headline_p == both[1].sign_flip_p


def test_a_difference_that_depends_on_the_data_set_is_found_as_an_interaction() -> None:
    study = make_bound_study(written_items=8, written_per_participant=8)
    for number, item in enumerate(study.items.order_by("ordinal")):
        item.stratum = "HHH" if number % 2 else "BeaverTails"
        item.save(update_fields=["stratum"])
    for extra in (0, 1, 0, 1, 0, 1):
        person = add_participant(study)
        for number in range(1, 9):
            gain = 2 if number % 2 == 0 else 0
            answers = {"answerability": (2, 2 + gain), "personalization": (2, 3)}
            answers["answerability"] = (2 + extra * (number % 3 == 0), answers["answerability"][1])
            rate(person, own_persona(person, f"item-{number}"), answers)
    found = results_of(study).primary.interactions
    answerability, personalization = found["answerability"], found["personalization"]
    assert answerability.strata == ["BeaverTails", "HHH"]
    assert answerability.p is not None
    assert answerability.p < 0.01
    assert (personalization.p, personalization.reason) == (None, "no_variation_of_differences")
