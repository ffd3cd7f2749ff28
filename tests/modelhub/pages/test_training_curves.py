"""Training curves: where points lie, what long and broken logs become, who sees the pages, and when they renew."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from annotation.models import StudyMember, User
from modelhub.models import Run, TrainingLog
from modelhub.pipeline_results.training_curves import Entry, best_entry, comparison_plot, training_curves
from modelhub.queries.training import training_shown
from modelhub.runs.lifecycle import run_finish
from plots.curves import MOST_POINTS
from plots.shapes import AXIS_WIDTH, WIDTH
from tests.factories import make_study
from tests.modelhub.reading import tree_of, words_of
from tests.modelhub.training_rows import add_log, make_training

HTMX = {"HX-Request": "true"}


def entry(step: int, *, kind: str = "train", epoch: float | None = None, **values: float | None) -> Entry:
    """A log entry of a training with 10 steps per epoch."""
    return Entry(kind, step, step / 10 if epoch is None else epoch, values)


class TestCurves:
    def test_the_best_step_is_the_first_with_the_lowest_validation_loss(self) -> None:
        losses = {10: 1.5, 20: 1.1, 30: 1.1, 40: None}
        entries = [entry(step, kind="eval", eval_loss=loss) for step, loss in losses.items()]
        best = best_entry(entries)
        assert best is not None and best.step == 20
        curves = training_curves(entries)
        assert [line.is_best for line in curves.epochs] == [False, True, False, False]
        assert [line.values for line in curves.epochs] == [("1.5",), ("1.1",), ("1.1",), ("–",)]
        (ring,) = [circle for circle in curves.panels[0].plot.circles if circle.look == "best"]
        assert ring.x == (AXIS_WIDTH + WIDTH) / 2

    def test_epochs_are_marked_where_they_were_validated_and_not_too_many(self) -> None:
        entries = [entry(10 * epoch, kind="eval", eval_loss=1.0) for epoch in range(1, 41)]
        assert [text.words for text in training_curves(entries[:3]).panels[0].plot.texts[-3:]] == ["epoch 1", "2", "3"]
        assert [text.words for text in training_curves(entries).panels[0].plot.texts[-10:]] == [
            "epoch 4", "8", "12", "16", "20", "24", "28", "32", "36", "40",
        ]  # fmt: skip

    def test_dpo_has_margins_and_accuracies_beside_the_loss(self) -> None:
        entries = [
            Entry("train", 1, 0.1, {"loss": 0.69, "rewards/margins": 0.0, "rewards/accuracies": 0.5}),
            Entry("eval", 10, 1.0, {"eval_loss": 0.5, "eval_rewards/margins": 0.4, "eval_rewards/accuracies": 0.75}),
        ]
        curves = training_curves(entries)
        assert [panel.title for panel in curves.panels] == ["Loss", "Reward margins", "Reward accuracies"]
        assert curves.epochs[0].values == ("0.5", "0.4", "0.75")
        accuracies = curves.panels[2]
        assert [text.words for text in accuracies.plot.texts[:5]] == ["0", "0.25", "0.5", "0.75", "1"]
        assert "At step 10, where the validation loss is lowest: 0.75." in accuracies.description

    def test_a_mean_never_hides_the_line_itself(self) -> None:
        entries = [entry(step, loss=float(step % 2)) for step in range(1, 201)]
        (panel,) = training_curves(entries).panels
        assert [path.look for path in panel.plot.paths] == ["train", "mean"] and panel.smoothed == 9
        (short,) = training_curves(entries[:20]).panels
        assert [path.look for path in short.plot.paths] == ["train"] and short.smoothed == 0

    @pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
    def test_what_is_no_number_is_named_and_not_drawn(self, value: float | None) -> None:
        entries = [entry(1, loss=2.0), *(entry(step, loss=value, grad_norm=1.0) for step in range(2, 9))]
        curves = training_curves(entries)
        assert curves.problems == ("loss was no finite number at steps 2, 3, 4, 5, 6 and 2 more.",)
        assert curves.panels[0].plot.paths[0].d.count("M") == 1 and "L" not in curves.panels[0].plot.paths[0].d
        assert training_curves(entries[1:]).panels == ()

    def test_last_values_stand_beside_each_other_by_the_trainers_names(self) -> None:
        entries = [entry(9, loss=2.0, learning_rate=5e-6), entry(10, kind="eval", eval_loss=1.23456)]
        last = {line.name: (line.train, line.validation) for line in training_curves(entries).last}
        assert last == {"loss": ("2", "1.235"), "learning_rate": ("5e\N{MINUS SIGN}06", "–")}

    def test_without_a_log_there_is_nothing(self) -> None:
        curves = training_curves([])
        assert (curves.panels, curves.last, curves.epochs, curves.problems, curves.step) == ((), (), (), (), None)

    def test_runs_are_compared_over_epochs_whatever_their_steps(self) -> None:
        few = [entry(10 * epoch, kind="eval", epoch=epoch, eval_loss=1.0) for epoch in (1, 2)]
        many = [entry(500 * epoch, kind="eval", epoch=epoch, eval_loss=2.0) for epoch in (1, 2)]
        plot = comparison_plot([few, many])
        assert plot is not None
        assert [path.d for path in plot.paths] == ["M200,166L360,166", "M200,16L360,16"]
        assert [path.look for path in plot.paths] == ["run-1", "run-2"]


def page_of(run: Run) -> str:
    return reverse("modelhub:run", args=[run.key])


def curves_of(run: Run) -> str:
    return reverse("modelhub:run_curves", args=[run.key])


@pytest.mark.django_db
class TestRunPage:
    def test_it_shows_curves_their_numbers_and_what_was_asked(self, reader: Client) -> None:
        run = make_training("train_dpo")
        add_log(run, "train", 1, 0.1, loss=0.6931, rewards_margins=0.0)
        add_log(run, "train", 10, 1.0, loss=0.5, rewards_margins=0.5)
        add_log(run, "eval", 10, 1.0, eval_loss=0.55, eval_rewards_margins=0.25)
        text = words_of(reader, page_of(run))
        for shown in (
            "Base /models/llama-8b", "Goes on from /models/pt-sft", "1,200 examples of dpo_train trained on",
            "chosen: gold, inferred by large-model", "Left out 3 rows",
            "train: 4 prompts shortened at their start (by 60 tokens in all); validation: nothing had to be shortened",
            "10 epochs, learning rate 5e-06, beta 0.1, batches of 1, 4 per update, 512 tokens",
            "LoRA of rank 16, alpha 32, modules: default", "Best step 10, with validation loss 0.55",
            "Training: from 0.6931 at step 1 to 0.5 at step 10. Validation: 0.55 at step 10.", "Reward margins",
            "The numbers behind the curves",
        ):  # fmt: skip
            assert shown in text
        assert len(tree_of(reader.get(page_of(run))).xpath("//svg[@role='img']")) == 2

    def test_a_resumed_run_shows_the_whole_curve_of_its_own_log(self, reader: Client) -> None:
        stopped, resumed = make_training(), make_training()
        add_log(stopped, "train", 5, 0.5, loss=9.0)
        for step in (1, 5, 10):
            add_log(resumed, "train", step, step / 10, loss=1.0)
        curves = training_shown(resumed)["curves"]
        assert curves.step == 10 and len(curves.panels[0].plot.circles) == 3

    def test_it_renews_itself_while_the_run_trains_and_no_longer(self, reader: Client) -> None:
        run = make_training(finished=False)
        assert curves_of(run) in reader.get(page_of(run)).content.decode()
        assert "Nothing was logged yet" in words_of(reader, page_of(run))
        add_log(run, "train", 7, 0.7, loss=1.5)
        part = reader.get(curves_of(run), headers=HTMX).content.decode()
        assert "Logged up to step 7" in part and "hx-get" in part and "<html" not in part
        assert 'id="curve-numbers" hx-swap-oob="true"' in part and "<details" not in part
        run_finish(run=run, state=Run.State.FINISHED)
        ended = reader.get(curves_of(run), headers=HTMX).content.decode()
        assert "Logged up to step 7" in ended and "hx-get" not in ended
        assert "hx-get" not in reader.get(page_of(run)).content.decode()

    def test_without_htmx_the_address_of_the_curves_leads_to_the_page(self, reader: Client) -> None:
        run = make_training()
        response = reader.get(curves_of(run))
        assert response.status_code == 302 and response["Location"] == page_of(run)

    def test_an_empty_run_and_one_without_recorded_arguments_have_a_page(self, reader: Client) -> None:
        run = make_training(arguments={})
        assert "Nothing was logged." in words_of(reader, page_of(run))

    def test_a_loss_that_is_no_number_is_named(self, reader: Client) -> None:
        run = make_training()
        add_log(run, "train", 1, 0.1, loss=1.0)
        add_log(run, "train", 2, 0.2, loss=None)
        text = words_of(reader, page_of(run))
        assert "loss was no finite number at step 2." in text and "training diverges" in text

    def test_other_runs_have_no_curves(self, reader: Client) -> None:
        run = make_training("infer_personas")
        assert 'id="curves"' not in reader.get(page_of(run)).content.decode()
        assert reader.get(curves_of(run), headers=HTMX).status_code == 404

    def test_whom_the_pages_of_runs_are_closed_to_sees_no_curves(self, analyst: User, reader: Client) -> None:
        run = make_training()
        Run.objects.filter(pk=run.pk).update(study=make_study(slug="others"))
        assert reader.get(curves_of(run), headers=HTMX).status_code == 404
        assert run.key not in words_of(reader, reverse("modelhub:training"))
        StudyMember.objects.create(study=make_study(), user=analyst, role="researcher")
        for address in (curves_of(run), reverse("modelhub:training")):
            assert reader.get(address, headers=HTMX).status_code == 403
        reader.logout()
        assert reader.get(curves_of(run)).status_code == 302

    def test_a_long_run_stays_light_and_takes_as_many_queries_as_a_short_one(
        self, reader: Client, django_assert_num_queries: Any
    ) -> None:
        run = make_training("train_dpo")
        for steps in (range(1, 11), range(11, 3000)):
            measured = {
                step: {"loss": 1 / step, "rewards/margins": step % 7, "rewards/accuracies": 0} for step in steps
            }
            logs = [
                TrainingLog(run=run, kind="train", step=step, epoch=step / 300, values=values)
                for step, values in measured.items()
            ]
            TrainingLog.objects.bulk_create(logs)
            with django_assert_num_queries(16):
                response = reader.get(page_of(run))
        paths = tree_of(response).xpath("//path[contains(@class, 'curve-train')]/@d")
        assert len(paths) >= 3 and all(len(re.findall("[ML]", path)) <= MOST_POINTS for path in paths)
        assert len(response.content) < 60_000


@pytest.mark.django_db
class TestComparison:
    def address(self, *runs: Run) -> str:
        return f"{reverse('modelhub:training')}?{'&'.join(f'run={run.key}' for run in runs)}"

    def test_chosen_runs_of_one_stage_share_a_plot(self, reader: Client) -> None:
        sft, other, dpo = make_training(), make_training(), make_training("train_dpo")
        for run, loss in ((sft, 1.5), (other, 1.25), (dpo, 0.5)):
            add_log(run, "eval", 10, 1.0, eval_loss=loss)
            add_log(run, "eval", 20, 2.0, eval_loss=loss + 1)
        page = tree_of(reader.get(self.address(sft, other, dpo)))
        lines = [plot.xpath(".//path/@class") for plot in page.xpath("//svg[@role='img']")]
        assert lines == [["curve curve-run-1", "curve curve-run-2"], ["curve curve-run-1"]]
        assert {box.get("value") for box in page.xpath("//input[@checked]")} == {sft.key, other.key, dpo.key}
        assert "1.25 1 2.25" in " ".join(" ".join(page.itertext()).split())

    def test_more_than_four_are_cut_and_said_to_be(self, reader: Client) -> None:
        runs = [make_training() for _ in range(5)]
        text = words_of(reader, self.address(*runs))
        assert "At most 4 runs" in text and "No validation loss was measured yet" in text

    def test_it_lists_training_runs_and_ignores_what_is_none(self, reader: Client) -> None:
        assert "No model has been trained yet" in words_of(reader, f"{self.address()}run=nonsense")
        run, other = make_training(finished=False), make_training("infer_personas")
        text = words_of(reader, self.address(other))
        assert run.key in text and other.key not in text

    def test_its_queries_do_not_grow(self, reader: Client, django_assert_num_queries: Any) -> None:
        runs: list[Run] = []
        for _ in range(3):
            runs.append(make_training())
            add_log(runs[-1], "eval", 1, 1.0, eval_loss=1.0)
            with django_assert_num_queries(9):
                reader.get(self.address(*runs))
