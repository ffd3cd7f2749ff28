"""The pages of runs: who may see them, how far runs are, what they recorded and made; and whose studies stay hidden."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotation.models import AuditLog, Study, StudyMember, User
from modelhub.access import may_see_pipeline
from modelhub.models import Generation, Run
from modelhub.queries.runs import RunProgress
from modelhub.runs.lifecycle import run_finish, run_heartbeat, run_start
from tests.factories import make_study, make_user
from tests.modelhub.pair_rows import make_pairs, make_persona, make_system
from tests.modelhub.reading import words_of
from tests.modelhub.verdict_rows import add_checks, add_comparison, add_retrieved

pytestmark = pytest.mark.django_db
RUNS = "/hub/runs/"


def add_run(stage: str = "infer_personas", *, minutes: float = 10, **fields: Any) -> Run:
    """Store a run that began some minutes ago and lives."""
    run = run_start(stage=stage, arguments=fields.pop("arguments", {}), study=fields.pop("study", None))
    Run.objects.filter(pk=run.pk).update(started_at=timezone.now() - timedelta(minutes=minutes), **fields)
    return Run.objects.get(pk=run.pk)


class TestWhoMaySeeThem:
    def test_an_analyst_may_unless_attached_to_any_study_as_a_researcher(self, analyst: User) -> None:
        assert may_see_pipeline(analyst)
        member = StudyMember.objects.create(study=make_study(), user=analyst, role="analyst")
        assert may_see_pipeline(analyst)
        StudyMember.objects.filter(pk=member.pk).update(role="researcher")
        assert not may_see_pipeline(analyst)

    def test_researchers_may_not_and_admins_may(self) -> None:
        assert not may_see_pipeline(make_user())
        admin = make_user("admin", is_superuser=True)
        StudyMember.objects.create(study=make_study(), user=admin, role="researcher")
        assert may_see_pipeline(admin)

    @pytest.mark.parametrize("name", ["runs", "pairs", "persona_accuracy", "persona_words"])
    def test_a_blinded_analyst_is_told_why(self, name: str, analyst: User, reader: Client) -> None:
        StudyMember.objects.create(study=make_study(), user=analyst, role="researcher")
        response = reader.get(reverse(f"modelhub:{name}"))
        assert response.status_code == 403
        assert "blinded in no study" in response.content.decode()

    def test_the_navigation_leads_analysts_there(self, reader: Client) -> None:
        studies = reverse("annotation:study_list")
        assert RUNS in reader.get(studies).content.decode()
        reader.force_login(make_user())
        assert RUNS not in reader.get(studies).content.decode()


class TestProgress:
    def test_rate_and_time_left_follow_from_rows_and_time(self) -> None:
        row = RunProgress(add_run(minutes=10, done=45, failed=5, total=100), timezone.now())
        assert row.rate == pytest.approx(5, rel=0.01)
        assert row.seconds_left == pytest.approx(600, rel=0.01)
        assert row.time_left in ("10 min 00 s", "9 min 59 s")

    def test_a_run_of_unknown_length_or_without_rows_has_no_time_left(self) -> None:
        for run in (add_run(done=5), add_run(total=5)):
            row = RunProgress(run, timezone.now())
            assert (row.seconds_left, row.time_left) == (None, "–")

    def test_an_ended_run_keeps_the_rate_it_had(self) -> None:
        run = add_run(minutes=10, done=100, total=200)
        run_finish(run=run, state=Run.State.STOPPED)
        row = RunProgress(Run.objects.get(pk=run.pk), timezone.now() + timedelta(days=1))
        assert row.rate == pytest.approx(10, rel=0.01) and row.seconds_left is None

    @pytest.mark.parametrize(
        ("stage", "unit"), [("train_dpo", "steps"), ("infer_personas", "personas"), ("import_preferences", "pairs")]
    )
    def test_progress_and_throughput_name_what_the_stage_counts(self, reader: Client, stage: str, unit: str) -> None:
        run = add_run(stage, minutes=10, done=50, total=100)
        shown = words_of(reader, reverse("modelhub:run", args=[run.key]))
        assert f"50 of 100 {unit}" in shown and f"5.0 {unit} per minute" in shown
        assert f"50 of 100 {unit}" in words_of(reader, RUNS)

    def test_a_run_past_its_lease_shows_no_sign_of_life(self, reader: Client) -> None:
        past = timezone.now() - timedelta(minutes=5)
        run = add_run(done=5, total=10, lease_until=past, heartbeat_at=past)
        row = RunProgress(run, timezone.now())
        assert row.is_silent and row.time_left == "–" and row.rate == pytest.approx(1, rel=0.01)
        assert "No sign of life" in words_of(reader, RUNS)


class TestList:
    def test_it_lists_the_newest_first_with_progress_and_failures(self, reader: Client) -> None:
        first, second = add_run(total=10), add_run("check_personas", done=3, failed=1, total=8)
        run_finish(run=second, state=Run.State.FAILED, message="The key was refused.")
        text = words_of(reader, RUNS)
        assert text.index(second.key) < text.index(first.key)
        assert "4 of 8" in text and "The key was refused." in text and "Failed" in text

    def test_it_can_be_narrowed_by_stage_state_and_study(self, analyst: User, reader: Client) -> None:
        study = make_study(owner=analyst)
        infer, check = add_run(), add_run("check_personas", study=study)
        run_finish(run=check, state=Run.State.FINISHED)
        for query, found, not_found in (
            ({"stage": "infer_personas"}, infer, check),
            ({"state": "finished"}, check, infer),
            ({"study": str(study.pk)}, check, infer),
        ):
            text = words_of(reader, RUNS, **query)
            assert found.key in text and not_found.key not in text
        assert infer.key in words_of(reader, RUNS, state="nonsense")

    def test_it_is_paged(self, reader: Client) -> None:
        oldest = add_run()
        for _ in range(25):
            add_run()
        assert oldest.key not in words_of(reader, RUNS)
        assert oldest.key in words_of(reader, RUNS, page="2")

    def test_it_renews_itself_only_while_something_runs(self, reader: Client) -> None:
        run = add_run()
        assert "hx-get" in reader.get(RUNS).content.decode()
        part = reader.get(RUNS, headers={"HX-Request": "true"})
        assert run.key in part.content.decode() and "<html" not in part.content.decode()
        assert "HX-Request" in part["Vary"]
        run_finish(run=run, state=Run.State.FINISHED)
        assert "hx-get" not in reader.get(RUNS).content.decode()

    def test_runs_of_studies_that_are_not_mine_are_hidden(self, analyst: User, reader: Client) -> None:
        hidden = add_run("import_outputs", study=make_study(slug="others"))
        mine = add_run("import_outputs", study=make_study(slug="mine", owner=analyst))
        text = words_of(reader, RUNS)
        assert mine.key in text and hidden.key not in text and "others" not in text
        assert reader.get(reverse("modelhub:run", args=[hidden.key])).status_code == 404

    def test_its_queries_do_not_grow(self, reader: Client, django_assert_num_queries: Any) -> None:
        for _ in range(3):
            add_run()
            with django_assert_num_queries(10):
                reader.get(RUNS)


class TestRun:
    def address(self, run: Run) -> str:
        return reverse("modelhub:run", args=[run.key])

    def test_it_shows_what_was_recorded(self, reader: Client) -> None:
        run = add_run(arguments={"batch_size": 8, "conditions": {"shots": 5}}, seed=3, total=4)
        run_heartbeat(run=run, done=3, failed=1)
        run_finish(run=run, state=Run.State.FINISHED, message="1 row failed.", usage={"requests": 4, "cost": 0.25})
        text = words_of(reader, self.address(run))
        for shown in ("1 row failed.", "4 of 4", "Batch size 8", '{"shots": 5}', "Seed 3", "Requests 4", "Cost 0.25"):
            assert shown in text
        assert "packages with their versions" in text and "Django==" in text

    @pytest.mark.parametrize(
        ("git", "says"),
        [
            ("not a git checkout", "not a git checkout"),
            ({"commit": "c0ffee", "dirty": True}, "c0ffee With changes that were not committed"),
        ],
    )
    def test_it_says_on_which_code_it_ran(self, git: object, says: str, reader: Client) -> None:
        assert says in words_of(reader, self.address(add_run(provenance={"git": git})))

    def test_its_rows_lead_to_their_pairs(self, reader: Client) -> None:
        pairs = make_pairs("advice", "test", 2)
        persona = make_persona(pairs[0], "chosen", make_system(), "The user is calm and prefers calm.")
        response = reader.get(self.address(persona.run))
        assert reverse("modelhub:pair", args=[pairs[0].pk]) in response.content.decode()
        assert "prefers calm" in response.content.decode()
        imported = words_of(reader, self.address(pairs[0].run))
        assert "Pairs (2)" in imported and pairs[1].prompt in imported

    def test_it_shows_each_kind_of_row(self, reader: Client) -> None:
        one, other = make_pairs("advice", "test", 2)
        system, judge = make_system(), make_system("judge")
        personas = [make_persona(one, "chosen", system), make_persona(one, "rejected", system)]
        run = add_run("check_personas")
        add_checks(personas[1], judge, "+?", run=run)
        add_comparison(personas[0], personas[1], judge, "cr", run=run)
        address = self.address(run)
        checks = words_of(reader, address)
        assert "Checks (2)" in checks and "Comparisons (2)" in checks
        assert "picked the rejected response" in checks and "unscored: It declares no verdict." in checks
        assert "picked the chosen persona" in words_of(reader, address, rows="comparisons")
        add_retrieved(one, other, 1, 17.25)
        retrieved = words_of(reader, self.address(Run.objects.get(stage="retrieve_personas")))
        assert "rank 1, score 17.250" in retrieved and "advice/test row 2" in retrieved

    def test_of_a_studys_outputs_it_shows_no_text_and_logs_the_look(self, analyst: User, reader: Client) -> None:
        study = make_study(owner=analyst)
        run = add_outputs(study, add_run("import_outputs", study=study))
        text = words_of(reader, self.address(run))
        assert "Outputs (8)" in text and f"{study}, item item-1, arm 1" in text
        assert "take a walk" not in text and "is a gardener" not in text
        assert AuditLog.objects.get(action="run_seen").data == {"run": run.key}

    def test_a_workers_run_shows_outputs_of_studies_of_mine_alone(self, analyst: User, reader: Client) -> None:
        run = add_run("serve_outputs")
        add_outputs(make_study(slug="mine", owner=analyst), run)
        add_outputs(make_study(slug="others"), run)
        text = words_of(reader, self.address(run))
        assert "Outputs (8)" in text and "mine" in text and "others" not in text

    def test_the_live_part_alone_is_renewed(self, reader: Client) -> None:
        run = add_run(done=1, total=2)
        part = reader.get(self.address(run), headers={"HX-Request": "true"}).content.decode()
        assert "1 of 2" in part and "hx-get" in part and "Git commit" not in part

    def test_its_queries_do_not_grow(self, reader: Client, django_assert_num_queries: Any) -> None:
        run, system = add_run(), make_system()
        for pair in make_pairs("advice", "test", 3):
            persona = make_persona(pair, "chosen", system)
            type(persona).objects.filter(pk=persona.pk).update(run=run)
            with django_assert_num_queries(16):
                reader.get(self.address(run))


def add_outputs(study: Study, run: Run) -> Run:
    """Let the run have made every output of the study."""
    for arm in study.arms.all():
        for output in arm.outputs.all():
            Generation.objects.create(run=run, output=output, finish_reason="stop", rendered_prompt="Prompt: secret")
    return run
