"""Studies with too little in them to estimate anything."""

import pytest

from annotation.models import Persona, Rating
from tests.annotation.study_rows import add_participant
from tests.modelhub.analysis.rated import comparisons, results
from tests.modelhub.analysis.studies import (
    TEST,
    make_bound_study,
    own_persona,
    own_persona_study,
    rate,
)

pytestmark = pytest.mark.django_db


class TestDegenerateStudies:
    """Every one gives reasons, and `results` refuses NaN."""

    def test_nothing_rated(self) -> None:
        found = results(make_bound_study(written_items=2, written_per_participant=2, overlap_share=0.5))
        report = found["analysis"]["all"]["strata"][""]["comparisons"]["answerability"]
        assert (report["mean_difference"], report["reasons"]["mean_difference"]) == (None, "no_data")
        assert report["length_adjusted"]["reason"] == "no_data"
        pooled = found["analysis"]["all"]["agreement"]["designs"]["overlap"]["answerability"]["pooled"]
        assert pooled["reasons"]["krippendorff_alpha"] == "no_data"
        rates = found["analysis"]["all"]["strata"][""]["win_rates"]
        assert rates["aspects"]["preference"]["reasons"]["net_win"] == "no_data"
        assert found["analysis"]["all"]["position"]["answerability"]["reason"] == "no_data"

    def test_one_participant(self) -> None:
        found = results(own_persona_study(participants=1, items=3))["analysis"]["all"]
        report = found["strata"][""]["comparisons"]["answerability"]
        assert (report["ci"], report["reasons"]["ci"]) == (None, "single_participant")
        assert report["length_adjusted"]["reason"] == "single_participant"
        assert (
            found["strata"][""]["win_rates"]["aspects"]["preference"]["reasons"]["net_win_ci"] == "single_participant"
        )
        assert found["order"]["answerability"]["reason"] == "single_participant"

    def test_nobody_rated_the_same(self) -> None:
        study = make_bound_study(given_items=2, given_per_participant=1)
        for persona in Persona.objects.filter(item__study=study):
            rate(add_participant(study), persona, {"answerability": (2, 3), "personalization": (2, 3)})
        shared = results(study)["analysis"]["all"]["agreement"]["designs"]["shared_personas"]
        assert shared["answerability"]["pooled"]["reasons"]["krippendorff_alpha"] == "no_overlap"

    def test_no_variation_at_all(self) -> None:
        study = make_bound_study(written_items=2, written_per_participant=2)
        for _ in range(3):
            person = add_participant(study)
            for number in (1, 2):
                persona = own_persona(person, f"item-{number}", words=(9, 9))
                rate(person, persona, {"answerability": (3, 3), "personalization": (3, 3)}, choice=3)
        found = results(study)["analysis"]["all"]
        report = found["strata"][""]["comparisons"]["answerability"]
        assert report["sign_flip_p"] == 1
        assert report["length_adjusted"]["reason"] == "no_length_variation"
        assert found["position"]["answerability"]["reason"] == "not_counterbalanced"
        assert found["length"]["correlation"]["answerability"]["reason"] == "no_variation"
        rates = found["strata"][""]["win_rates"]
        assert rates["aspects"]["preference"]["reasons"]["win_share"] == "no_decided_pairs"
        assert rates["reasons"]["delta_pq"] == "no_decided_pairs"

    def test_one_system_only(self) -> None:
        study = own_persona_study(participants=2, items=2)
        Rating.objects.filter(slot__output__arm__ordinal=2).delete()
        report = comparisons(study)["answerability"]
        assert (report["n_pairs"], report["mean_difference"]) == (0, None)
        assert report["reasons"]["mean_difference"] == "no_data"

    def test_arms_without_systems(self) -> None:
        study = make_bound_study(written_items=1, written_per_participant=1)
        study.arms.get(ordinal=1).binding.delete()
        assert [system["name"] for system in results(study)["study"]["systems"]] == ["arm 1", TEST]

    def test_no_arms(self) -> None:
        study = make_bound_study(systems=(), comparison=False)
        found = results(study)
        assert (found["study"]["base"], found["study"]["test"]) == (None, None)
