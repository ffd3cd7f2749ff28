"""Accuracy of inferred personas: counted by hand, with intervals that hold what they promise, printed and shown."""

import io
import json

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from scipy import stats

from annotation.permissions import Role
from annotation.services.members import role_give
from modelhub.models import InferredPersona
from modelhub.pipeline_results.accuracy import Pick, ResultGroup, accuracy_report, comparison_report
from modelhub.stats.multiplicity import wilson_interval
from modelhub.stats.scores import clustered_mean, paired_gap
from tests.factories import make_user
from tests.modelhub.pair_rows import make_pairs, make_persona, make_system
from tests.modelhub.verdict_rows import add_checks, add_comparison

GROUP = ResultGroup("advice", "inferrer", "judge", "r/1")


def picks(direction: str, *sides: str) -> list[Pick]:
    """One persona per pair; `c`, `r` and `?` are the sides picked in its orders."""
    names = {"c": "chosen", "r": "rejected", "?": ""}
    return [Pick(GROUP, pair, direction, names[side]) for pair, both in enumerate(sides) for side in both]


class TestAccuracy:
    def test_a_persona_is_worth_the_mean_of_its_scored_orders(self) -> None:
        (row,) = accuracy_report(picks("chosen", "cc", "cr", "rr", "c?", "??"))
        chosen = row["directions"]["chosen"]
        assert (chosen["personas"], chosen["n"]) == (5, 4)
        assert chosen["accuracy"] == pytest.approx((1 + 0.5 + 0 + 1) / 4)
        assert (chosen["both_orders"], chosen["disagreeing"]) == (3, 1)
        assert chosen["disagreement"] == pytest.approx(1 / 3)
        assert (chosen["unscored_answers"], chosen["unscored_personas"]) == (3, 1)

    def test_a_rejected_persona_is_right_where_the_judge_picks_the_rejected_response(self) -> None:
        (row,) = accuracy_report(picks("rejected", "rr", "cc", "rc"))
        assert row["directions"]["rejected"]["accuracy"] == pytest.approx(0.5)

    def test_both_directions_weigh_every_persona_alike(self) -> None:
        (row,) = accuracy_report([*picks("chosen", "cc", "cc", "cc"), *picks("rejected", "cc")])
        assert row["directions"]["both"]["n"] == 4
        assert row["directions"]["both"]["accuracy"] == pytest.approx(0.75)

    def test_the_gap_is_over_pairs_that_have_both_personas_scored(self) -> None:
        (row,) = accuracy_report([*picks("chosen", "cc", "cc", "cc", "rr"), *picks("rejected", "rr", "rc", "??")])
        assert row["gap"]["n"] == 2
        assert (row["gap"]["chosen"], row["gap"]["rejected"]) == (1.0, 0.75)
        assert row["gap"]["gap"] == pytest.approx(0.25)

    def test_what_was_not_asked_is_undefined_with_its_reason(self) -> None:
        (row,) = accuracy_report(picks("chosen", "cc", "cr"))
        rejected = row["directions"]["rejected"]
        assert (rejected["n"], rejected["accuracy"], rejected["ci"]) == (0, None, None)
        assert (rejected["disagreement"], rejected["reason"]) == (None, "no_data")
        assert (row["gap"]["gap"], row["gap"]["reason"]) == (None, "no_common_pairs")
        assert accuracy_report([]) == []

    def test_every_system_judge_and_data_set_is_a_row_of_its_own(self) -> None:
        groups = [
            GROUP,
            ResultGroup("advice", "inferrer", "second judge", "r/1"),
            ResultGroup("forum", "inferrer", "judge", "r/1"),
        ]
        rows = accuracy_report([Pick(group, 1, "chosen", "chosen") for group in reversed(groups)])
        assert [(row["dataset"], row["judge"]) for row in rows] == [
            ("advice", "judge"), ("advice", "second judge"), ("forum", "judge"),
        ]  # fmt: skip


class TestComparison:
    def test_orders_that_agree_decide_and_orders_that_disagree_are_a_tie(self) -> None:
        (row,) = comparison_report(picks("", "cc", "cc", "rr", "cr", "c?", "c"))
        assert (row["n"], row["unscored"]) == (4, 2)
        assert {side: row[side]["count"] for side in ("chosen", "tie", "rejected")} == {
            "chosen": 2, "tie": 1, "rejected": 1,
        }  # fmt: skip
        assert row["chosen"]["share"] == 0.5
        assert row["chosen"]["ci"] == pytest.approx(list(wilson_interval(2, 4) or ()))

    def test_nothing_scored_is_undefined(self) -> None:
        (row,) = comparison_report(picks("", "??"))
        assert (row["n"], row["unscored"], row["chosen"]["share"], row["reason"]) == (0, 1, None, "no_data")


class TestIntervals:
    def test_independent_answers_get_wilsons_interval_but_for_few_clusters(self) -> None:
        hits = [1.0] * 900 + [0.0] * 100
        found = clustered_mean(hits, range(1000), 1000)["ci"]
        assert found == pytest.approx(list(wilson_interval(900, 1000) or ()), abs=1e-3)
        few = clustered_mean([1.0] * 9 + [0.0], range(10), 10)["ci"]
        wilson = wilson_interval(9, 10) or (0, 0)
        assert few[0] < wilson[0] and few[1] > wilson[1]

    def test_answers_that_only_repeat_each_other_count_once(self) -> None:
        scores, pairs = [1.0, 1.0, 0.0, 1.0] * 25, list(range(100))
        once = clustered_mean(scores, pairs, 100)["ci"]
        assert clustered_mean(scores, pairs, 200)["ci"] == pytest.approx(once)  # each in two orders that agree
        assert clustered_mean(scores * 2, pairs * 2, 200)["ci"] == pytest.approx(once)  # two personas of a pair alike

    def test_where_all_is_right_the_interval_keeps_a_width(self) -> None:
        low, high = clustered_mean([1.0] * 20, range(20), 40)["ci"]
        assert high == 1.0 and low == pytest.approx((wilson_interval(20, 20) or (0,))[0])
        gap = paired_gap(dict.fromkeys(range(20), 1.0), dict.fromkeys(range(20), 1.0), 40)
        assert gap["difference"] == 0 and gap["ci"][0] < -0.1 and gap["ci"][1] > 0.1

    def test_one_pair_says_nothing_of_its_spread(self) -> None:
        found = clustered_mean([0.5], [1], 2)
        assert (found["mean"], found["ci"], found["reason"]) == (0.5, None, "single_pair")

    def test_the_gaps_interval_is_newcombes_for_paired_answers(self) -> None:
        """His method 10 without the continuity correction of phi, for 36/2/12/0 of 50 pairs: worked out by hand."""
        first = dict(enumerate([1.0] * 36 + [1.0] * 12 + [0.0] * 2))
        second = dict(enumerate([1.0] * 36 + [0.0] * 12 + [0.0] * 2))
        a, b, n = 48 / 50, 36 / 50, 50
        # The variance of a share over pairs has n - 1 below, and t its own quantile.
        size = n * (n - 1) / n * (stats.norm.ppf(0.975) / stats.t.ppf(0.975, n - 1)) ** 2
        (low_a, high_a), (low_b, high_b) = wilson_interval(a * size, size), wilson_interval(b * size, size)  # type: ignore[misc]
        phi = (36 * 2 - 12 * 0) / np.sqrt(48 * 2 * 36 * 14)
        below = np.sqrt((a - low_a) ** 2 - 2 * phi * (a - low_a) * (high_b - b) + (high_b - b) ** 2)
        above = np.sqrt((high_a - a) ** 2 - 2 * phi * (high_a - a) * (b - low_b) + (b - low_b) ** 2)
        assert paired_gap(first, second, 50)["ci"] == pytest.approx([a - b - below, a - b + above])

    @pytest.mark.slow
    @pytest.mark.parametrize("ease", [0.0, 2.0, 4.0])
    @pytest.mark.parametrize("pairs", [10, 30, 300])
    def test_intervals_cover_as_often_as_they_say(self, ease: float, pairs: int) -> None:
        """Answers share the ease of their pair and persona, the judge likes what is shown first, chosen is easier."""
        rng = np.random.default_rng(1)
        truth = [side.mean() for side in answers(rng, 400_000, ease)]
        held = np.zeros(3)
        runs = 800
        for _ in range(runs):
            chosen, rejected = answers(rng, pairs, ease)
            ids = list(range(pairs))
            intervals = [
                (clustered_mean(list(chosen), ids, 2 * pairs)["ci"], truth[0]),
                (clustered_mean([*chosen, *rejected], ids * 2, 4 * pairs)["ci"], sum(truth) / 2),
                (
                    paired_gap(dict(zip(ids, chosen, strict=True)), dict(zip(ids, rejected, strict=True)), 2 * pairs)[
                        "ci"
                    ],
                    truth[0] - truth[1],
                ),
            ]
            held += [ci[0] <= true <= ci[1] for ci, true in intervals]
        assert (held / runs > 0.925).all(), held / runs
        if pairs == 300:
            assert (held / runs < 0.975).all(), held / runs


def answers(rng: np.random.Generator, pairs: int, ease: float) -> list[np.ndarray]:
    """The accuracy of both personas of each pair, as a mean over two orders."""
    shared = rng.normal(0, 1.5, pairs)
    sides = []
    for harder in (0.0, 0.8):
        own = ease - harder + shared + rng.normal(0, 1, pairs)
        orders = [rng.random(pairs) < 1 / (1 + np.exp(-(own + liking))) for liking in (0.5, -0.5)]
        sides.append(np.mean(orders, axis=0))
    return sides


@pytest.fixture
def judged(db: None) -> None:
    """Three pairs: two accurate chosen personas and one whose orders disagree; rejected ones: right, wrong, unread."""
    inferrer, judge = make_system(), make_system("judge")
    for pair, chosen, rejected, better in zip(
        make_pairs("advice", "test", 3), ("++", "++", "+-"), ("++", "--", "??"), ("cc", "cr", "?r"), strict=True
    ):
        personas = [make_persona(pair, "chosen", inferrer), make_persona(pair, "rejected", inferrer)]
        add_checks(personas[0], judge, chosen)
        add_checks(personas[1], judge, rejected)
        add_comparison(personas[0], personas[1], judge, better)
    unreadable = make_persona(make_pairs("forum", "test", 1)[0], "chosen", inferrer)
    InferredPersona.objects.filter(pk=unreadable.pk).update(text="", flags=[{"kind": "empty", "detail": "Empty."}])


def printed(**options: object) -> str:
    out = io.StringIO()
    call_command("persona_accuracy", stdout=out, **options)
    return out.getvalue()


class TestCommand:
    def test_json_holds_every_number(self, judged: None) -> None:
        results = json.loads(printed(json=True))
        (row,) = results["accuracy"]
        assert (row["dataset"], row["system"], row["judge"]) == ("advice", "inferrer", "judge")
        assert row["directions"]["chosen"]["accuracy"] == pytest.approx(2.5 / 3)
        assert row["directions"]["rejected"]["accuracy"] == 0.5
        assert row["directions"]["rejected"]["unscored_answers"] == 2
        assert row["gap"]["n"] == 2 and row["gap"]["gap"] == 0.5
        (comparison,) = results["comparison"]
        assert (comparison["n"], comparison["unscored"]) == (2, 1)
        assert (comparison["chosen"]["count"], comparison["tie"]["count"]) == (1, 1)
        forum = next(row for row in results["inferred"] if row["dataset"] == "forum")
        assert (forum["system"], forum["personas"], forum["unreadable"], forum["flagged"]) == ("inferrer", 1, 1, 1)

    def test_text_shows_the_same_numbers(self, judged: None) -> None:
        text = printed()
        assert "83.3" in text and "+50.0" in text
        assert "Accuracy of personas" in text and "Better persona of a pair" in text

    def test_text_counts_the_unreadable_that_accuracies_leave_out(self, judged: None) -> None:
        lines = [line.split() for line in printed().splitlines()]
        assert ["data", "set", "system", "direction", "personas", "unreadable", "flagged"] in lines
        assert [line[3:] for line in lines if line[:2] == ["forum", "inferrer"]] == [["1", "1", "1"]]

    def test_one_data_set_can_be_asked_for_and_must_exist(self, judged: None) -> None:
        assert json.loads(printed(json=True, dataset="forum"))["accuracy"] == []
        with pytest.raises(CommandError, match="no data set called 'nowhere'. Imported: advice, forum"):
            printed(dataset="nowhere")

    def test_without_data_it_prints_dashes(self, db: None) -> None:
        assert printed().count("\n–") == 4


class TestPage:
    @pytest.fixture
    def analyst(self, db: None, client: Client) -> Client:
        user = make_user("analyst")
        role_give(user=user, role=Role.ANALYST)
        client.force_login(user)
        return client

    def test_it_shows_table_plot_and_outcomes(self, judged: None, analyst: Client) -> None:
        page = analyst.get(reverse("modelhub:persona_accuracy")).content.decode()
        assert "83.3\N{NO-BREAK SPACE}%" in page and "+50.0" in page and "<svg" in page
        assert "advice: the better persona" in page
        assert "style=" not in page

    def test_it_can_be_narrowed_to_a_data_set(self, judged: None, analyst: Client) -> None:
        page = analyst.get(reverse("modelhub:persona_accuracy"), {"dataset": "forum"}).content.decode()
        assert "No persona has been judged yet" in page

    def test_without_data_it_says_what_to_do(self, analyst: Client) -> None:
        page = analyst.get(reverse("modelhub:persona_accuracy")).content.decode()
        assert "check_personas" in page

    def test_its_queries_do_not_grow(self, judged: None, analyst: Client, django_assert_num_queries: object) -> None:
        for _ in range(2):
            with django_assert_num_queries(10):  # type: ignore[operator]
                analyst.get(reverse("modelhub:persona_accuracy"))
            inferrer, judge = make_system(f"more {_}"), make_system(f"judge {_}")
            for pair in make_pairs(f"more {_}", "test", 5):
                add_checks(make_persona(pair, "chosen", inferrer), judge, "+-")
