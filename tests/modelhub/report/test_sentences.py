"""What the answer and the results section say, and what they do not."""

import re
from collections.abc import Callable

import pytest

from modelhub.report.build import build_document
from modelhub.report.markdown import document_markdown
from modelhub.report.prose import results_paragraphs
from modelhub.results.comparison import Contrast, ContrastStratum
from modelhub.results.report import Results
from modelhub.results.study import Exclusion
from modelhub.stats.numbers import decimal, interval
from tests.modelhub.report.made import STUDIES, Made
from tests.modelhub.report.test_rendering import section_text

Studies = Callable[[str], Made]


def prose(results: Results) -> str:
    return "\n".join(results_paragraphs(results)).replace("\N{NO-BREAK SPACE}", " ")


def answer(results: Results) -> str:
    return section_text(build_document(results), "answer")


class TestProse:
    def test_a_difference_comes_with_interval_test_counts_and_family(self, made: Studies) -> None:
        results = made("own").results
        found = results.primary.strata[""].comparisons["personalization"]
        assert found.mean_difference is not None
        text = prose(results)
        assert "Personalization (confirmatory): PT-DPO was rated" in text
        shown = f"{decimal(found.mean_difference, sign=True)} points, 95 % CI {interval(found.ci, sign=True)}"
        assert f"{shown} for other participants and prompts; sign-flip over participants p = .008" in text
        assert "96 pairs by 8 participants" in text
        assert "of which the largest counts, p = .008; adjusted after Holm, p = .008" in text
        assert "Answerability (exploratory)" in text

    def test_what_is_undefined_is_explained(self, made: Studies) -> None:
        text = prose(made("empty").results)
        assert "Personalization: no difference can be given: nothing was rated." in text

    def test_own_personas_are_said_to_have_no_agreement(self, made: Studies) -> None:
        assert "inter-rater agreement cannot be estimated" in prose(made("own").results)

    def test_intervals_of_agreement_carry_their_caveats(self, made: Studies) -> None:
        text = prose(made("own").results)
        assert "item sampling only, raters fixed" in text
        assert "the interval undercovers" in text

    def test_agreement_counts_people_and_gives_every_number_its_interval(self, made: Studies) -> None:
        lines = prose(made("own").results).split("\n")
        text = next(part for part in lines if part.startswith("Agreement between"))
        assert "16 items with two ratings or more by 8 people" in text
        assert text.count("95 % CI") + text.count("no interval") == 8  # of two questions: equal, within 1, alpha, AC2

    def test_shares_differ_by_percentage_points(self, made: Studies) -> None:
        text = prose(made("assessed").results)
        assert re.search(r"Harm \(exploratory\): .* a mean difference of .*percentage points", text)
        assert re.search(r"The gap between chosen and rejected is [^ ]+ percentage points", text)
        assert re.search(r"Plausibility \(confirmatory\): .* a mean difference of [^ ]+ points", text)

    def test_persona_results_say_that_raters_are_fixed(self, made: Studies) -> None:
        text = prose(made("assessed").results)
        assert "The raters are fixed" in text and "over 12 preference pairs" in text
        assert "Human persona accuracy: " in text

    def test_tests_over_raters_are_named_where_raters_are_a_sample(self, made: Studies) -> None:
        results = made("assessed").results.model_copy(deep=True)
        assert results.primary.persona is not None
        compared = results.primary.persona.aspects["plausibility"].comparison
        compared.generalises_over, compared.n_prompts = ["preference pairs", "raters"], 3
        compared.prompt_sign_flip_p, compared.quasi_t_p, compared.headline_p = 0.25, 0.125, 0.25
        text = prose(results)
        assert "over 12 preference pairs and 3 raters a mean difference" in text
        assert "sign-flip over raters p = .250, crossed t over both p = .125, of which the largest counts" in text

    def test_people_are_counted_as_people(self, made: Studies) -> None:
        text = prose(made("own").results)
        assert "Of 8 people invited" in text
        assert "those of 8 people, nobody is left out; those of 7 people, without excluded people" in text
        assert "Without the excluded people: " in text

    def test_the_other_population_is_named_after_who_is_in_it(self, made: Studies) -> None:
        text = prose(made("fixed").results)
        assert "those of 4 people, without excluded people; those of 5 people, nobody is left out" in text
        assert "With nobody left out: " in text
        assert "16 pairs by 4 participants" in text and "of 16 pairs, a net win" in text

    def test_the_other_population_has_numbers_of_its_own(self, made: Studies) -> None:
        results = made("fixed").results
        counts = {name: body.participants for name, body in results.analysis.items()}
        assert counts == {"without_excluded": 4, "all": 5}

    def test_nobody_left_without_the_excluded_is_said(self, made: Studies) -> None:
        results = made("own").results.model_copy(deep=True)
        results.flow.excluded = [Exclusion(reason="late", n=8, rule_fixed_beforehand=False)]
        results.analysis["without_excluded"] = made("empty").results.primary
        assert "Without the excluded people, no difference can be given: nothing was rated." in prose(results)

    @pytest.mark.parametrize("name", STUDIES)
    def test_no_size_gets_a_verbal_label(self, name: str, made: Studies) -> None:
        page = document_markdown(build_document(made(name).results)).lower()
        labels = r"\b(moderate|substantial|almost perfect|fair|poor|excellent|small|medium|large) (agreement|effect)"
        assert not re.search(labels, page)
        assert "significant" not in page


class TestAnswer:
    def test_it_names_question_design_people_and_exclusions(self, made: Studies) -> None:
        text = answer(made("own").results)
        assert (
            "do people rate PT-DPO higher or lower than DPO, on Answerability, Personalization and Preference?" in text
        )
        assert "96 pairs over 12 prompts" in text
        assert "8 people gave answers that count; 1 person was excluded, without whom 7 remain" in text

    def test_each_question_has_one_sentence_with_effect_and_interval(self, made: Studies) -> None:
        results = made("own").results
        found = results.primary.strata[""].comparisons["personalization"]
        text = answer(results)
        shown = f"{decimal(found.mean_difference, sign=True)} points, 95 % CI {interval(found.ci, sign=True)}"
        assert f"Personalization (confirmatory): {shown}, from 8 participants, p = .008 after Holm" in text
        assert text.count("Preference (exploratory): ") == 1

    def test_what_is_not_shown_is_not_called_absent(self, made: Studies) -> None:
        text = answer(made("own").results)
        assert re.search(r"Not shown is not absent: every difference in these .* Preference \(\[", text)

    def test_equality_is_claimed_at_a_declared_margin_only(self, made: Studies) -> None:
        assert "Answerability: equivalence within ±0.25 is not shown" in answer(made("own").results)
        assert "no margin was fixed before the study opened" in answer(made("fixed").results)

    def test_fixed_prompts_and_too_few_people_are_said(self, made: Studies) -> None:
        text = answer(made("fixed").results)
        assert "for these prompts alone: the study declares its prompts fixed" in text
        everything = "Answerability, Personalization and Preference"
        assert f"{everything}: too few participants to reject at .05, whatever they answer." in text
        assert "Everything is exploratory" in text

    def test_prompts_that_are_shared_are_a_sample_too(self, made: Studies) -> None:
        assert "It holds for other people and other prompts like these" in answer(made("own").results)

    def test_length_that_takes_the_difference_away_is_said(self, made: Studies) -> None:
        results = made("own").results.model_copy(deep=True)
        assert "Length may be behind" not in answer(results)
        results.primary.strata[""].comparisons["personalization"].length_adjusted.ci = (-0.1, 0.5)
        assert "Length may be behind the difference on Personalization" in answer(results)

    def test_a_test_that_turns_with_the_excluded_people_is_said(self, made: Studies) -> None:
        results = made("own").results.model_copy(deep=True)
        results.analysis["without_excluded"].strata[""].comparisons["personalization"].holm_p = 0.3
        assert re.search(
            r"It depends on who is left out: without the excluded people.*Personalization", answer(results)
        )

    def test_nobody_who_came_leaves_an_answer_that_says_so(self, made: Studies) -> None:
        text = answer(made("empty").results)
        assert "Personalization (exploratory): no difference can be given: nothing was rated." in text
        assert "0 people gave answers that count; nobody was excluded" in text
        assert "It holds for" not in text


def test_the_answer_names_what_is_shown_of_the_other_pairs_of_systems(made: Studies) -> None:
    results = made("own").results.model_copy(deep=True)
    pooled = results.primary.strata[""]
    contrast = Contrast(
        base="DPO", test="SFT", interactions={},
        strata={"": ContrastStratum(comparisons=pooled.comparisons, win_rates=pooled.win_rates)},
    )  # fmt: skip
    results.primary.contrasts.append(contrast)
    assert "The same is asked of 1 other pair of systems." in answer(results)
    assert "in the same family of tests: SFT against DPO. Shown after Holm: Personalization, SFT above DPO." in answer(
        results
    )
    pooled.comparisons["personalization"].holm_p = 0.2
    assert "SFT against DPO. No difference is shown between them." in answer(results)
    pooled.comparisons["personalization"].holm_p = None
    assert "Also compared, exploratory: SFT against DPO." in answer(results)


def test_categories_without_an_order_are_said_to_be_compared_by_no_test(made: Studies) -> None:
    results = made("own").results.model_copy(deep=True)
    question = next(one for one in results.study.questions if one.key == "answerability")
    sentence = "Answerability: more than two categories without an order have no mean"
    assert sentence not in answer(results)
    question.level = "nominal"
    assert sentence in answer(results)
    assert sentence in section_text(build_document(results), "ratings")
    question.minimum, question.labels = question.maximum - 1, question.labels[-2:]  # two answers have a share
    assert sentence not in answer(results)
