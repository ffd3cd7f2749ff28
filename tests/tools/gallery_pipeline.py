"""The analysts' pages of what the pipeline made, with runs in every state and pairs that are judged and retrieved."""

import random
from collections.abc import Sequence
from datetime import timedelta

from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page

from annotation.models import User
from annotation.permissions import Role
from annotation.services.members import role_give
from modelhub.demo import USERNAME
from modelhub.models import (
    InferredPersona,
    Judgement,
    PairOutput,
    PreferencePair,
    RetrievedPersona,
    Run,
    System,
)
from modelhub.runs.lifecycle import run_finish, run_heartbeat, run_start
from tests.factories import make_user
from tests.modelhub.pair_rows import make_pair, make_system
from tests.modelhub.verdict_rows import add_checks, add_comparison, add_retrieved
from tests.tools.gallery_judged import judged_spots
from tests.tools.gallery_systems import system_spots
from tests.tools.gallery_training import training_spots
from tests.tools.spots import Spot

DATASET = "evenings"
_ASKED = ["What should I cook tonight?", "How do I start to run?", "Which book should I read on a long train journey?"]
_WANTS = {
    "chosen": ["thorough explanations with several examples", "detailed steps that leave nothing open"],
    "rejected": ["concise answers rather than long ones", "to-the-point answers that can be used at once"],
}
_PEOPLE = ["is a patient beginner", "works night shifts", "enjoys planning ahead", "is new to the subject"]


def pipeline_spots() -> list[Spot]:
    """Return the pages, for the researcher of the demonstration, who is an analyst; made here where there is none."""
    if not User.objects.filter(username=USERNAME, groups__name=Role.ANALYST.value).exists():
        role_give(user=make_user(USERNAME), role=Role.ANALYST)
    empty = {name: reverse(f"modelhub:{name}") for name in ("runs", "pairs", "persona_accuracy", "persona_words")}
    first = _pairs_with_personas()
    # These before the runs, which are the newest then and stand on the first page.
    judged, systems = judged_spots(), system_spots()
    _finish_all()
    training = training_spots()
    running, failed = _runs()
    _record_plainly()
    pair = reverse("modelhub:pair", args=[first.pk])
    return [
        Spot("runs", empty["runs"], signed_in=True),
        Spot("runs-none", f"{empty['runs']}?state=lost", signed_in=True),
        Spot("run", reverse("modelhub:run", args=[running.key]), signed_in=True),
        Spot("run-failed", reverse("modelhub:run", args=[failed.key]), signed_in=True, act=_open_all),
        Spot("run-rows", reverse("modelhub:run", args=[first.run.key]), signed_in=True),
        Spot("pairs", f"{empty['pairs']}?split=test", signed_in=True),
        Spot("pairs-none", f"{empty['pairs']}?q=nowhere", signed_in=True),
        Spot("pair", pair, signed_in=True, act=_open_all),
        Spot("persona-accuracy", empty["persona_accuracy"], signed_in=True),
        Spot("persona-words", f"{empty['persona_words']}?min_count=3", signed_in=True),
        Spot("persona-words-wrong", f"{empty['persona_words']}?min_count=none", signed_in=True),
        Spot("preference-attributes", reverse("modelhub:preference_attributes"), signed_in=True),
        *judged,
        *systems,
        *training,
    ]


def _pairs_with_personas() -> PreferencePair:
    chance = random.Random(1)
    imported = run_start(stage="import_preferences", arguments={"dataset": DATASET}, total=30)
    systems, judge = [make_system("llama-8b-inference"), make_system("large-model")], make_system("judge-model")
    pairs = [
        make_pair(DATASET, "test", row, run=imported, prompt=f"{chance.choice(_ASKED)} I have {row + 1} evenings.")
        for row in range(1, 31)
    ]
    _finish(imported, done=30)
    for ease, system in zip((0.7, 0.95), systems, strict=True):
        _infer_and_judge(pairs, system, judge, ease, chance)
    for rank, source in enumerate(pairs[4:7], start=1):
        add_retrieved(pairs[0], source, rank, 24.5 - rank)
    for found in Run.objects.filter(stage="retrieve_personas"):
        _finish(found, done=1)
    first = pairs[0].personas.get(direction="chosen", system=systems[0])
    kinds = {
        "copied": "Shares “I have 2 evenings” with the prompt.",
        "length": "It has 41 words; at most 40 are wanted.",
    }
    flags = [{"kind": kind, "detail": detail} for kind, detail in kinds.items()]
    InferredPersona.objects.filter(pk=first.pk).update(flags=flags)
    return pairs[0]


def _infer_and_judge(
    pairs: Sequence[PreferencePair], system: System, judge: System, ease: float, chance: random.Random
) -> None:
    runs = {
        name: _begun(name, minutes=100, total=60) for name in ("infer_personas", "check_personas", "compare_personas")
    }
    for pair in pairs:
        personas = []
        for direction, wants in _WANTS.items():
            text = f"The user {chance.choice(_PEOPLE)} and prefers {chance.choice(wants)}."
            inferred = InferredPersona.objects.create(
                pair=pair, direction=direction, system=system, text=text, run=runs["infer_personas"]
            )
            picks = _drawn("+++++++++?", "-", ease, chance)
            add_checks(inferred, judge, picks, run=runs["check_personas"])
            personas.append(inferred)
        better = _drawn("ccr", "r?", ease, chance)
        add_comparison(personas[0], personas[1], judge, better, run=runs["compare_personas"])
    for run in runs.values():
        _finish(run, done=60)


def _drawn(likely: str, otherwise: str, ease: float, chance: random.Random) -> str:
    """Return the outcomes of two orders."""
    return "".join(chance.choice(likely if chance.random() < ease else otherwise) for _ in range(2))


def _runs() -> tuple[Run, Run]:
    """Return a run that works and one that failed; beside them there are a silent and a stopped one."""
    lost = _begun("infer_personas", minutes=90, total=600)
    run_heartbeat(run=lost, done=128)
    past = timezone.now() - timedelta(minutes=70)
    Run.objects.filter(pk=lost.pk).update(heartbeat_at=past, lease_until=past)
    stopped = _begun("check_personas", minutes=30, total=240)
    run_heartbeat(run=stopped, done=64)
    run_finish(run=stopped, state=Run.State.STOPPED, message="Stopped by a signal. The same command goes on from here.")
    failed = _begun("compare_personas", minutes=8, total=120)
    run_heartbeat(run=failed, done=40, failed=3)
    usage = {"requests": 43, "prompt_tokens": 20500, "completion_tokens": 4100, "cost": 0.31}
    message = "The server refused the key: set OPENAI_API_KEY to one that it knows."
    run_finish(run=failed, state=Run.State.FAILED, message=message, usage=usage)
    running = _begun("infer_personas", minutes=12, total=600)
    run_heartbeat(run=running, done=256, failed=2, lease_seconds=86_400)  # alive as long as the pages are looked at
    return running, failed


def _begun(stage: str, *, minutes: float, total: int) -> Run:
    conditions = {"template": "persona-inference/1", "profile": "evenings", "shots": 5}
    arguments = {
        "subject": f"{DATASET} by large-model",
        "selection": "test",
        "conditions": conditions,
        "batch_size": 64,
    }
    run = run_start(stage=stage, arguments=arguments, total=total, seed=0)
    Run.objects.filter(pk=run.pk).update(
        started_at=timezone.now() - timedelta(minutes=minutes),
        command=f"manage.py {stage} --dataset {DATASET} --split test --system large-model",
    )
    return Run.objects.get(pk=run.pk)


def _finish(run: Run, *, done: int) -> None:
    run_heartbeat(run=run, done=done)
    run_finish(run=run, state=Run.State.FINISHED)


def _finish_all() -> None:
    """Let what made the rows above have taken a while, and have come to its end."""
    made = {
        "import_preferences": PreferencePair, "infer_personas": InferredPersona, "retrieve_personas": RetrievedPersona,
        "generate": PairOutput, "judge": Judgement,
    }  # fmt: skip
    for run in Run.objects.filter(study=None, stage__in=made):
        done = made[run.stage]._default_manager.filter(run=run).count()
        ended = run.started_at - timedelta(minutes=100)
        Run.objects.filter(pk=run.pk).update(
            total=done, done=done, started_at=ended - timedelta(seconds=done / 2), heartbeat_at=ended,
            finished_at=ended, state=Run.State.FINISHED,
        )  # fmt: skip


def _record_plainly() -> None:
    """Let no picture show the machine that it was taken on."""
    process, packages = {"host": "gpu-1", "pid": 4711}, {"Django": "5.2.8", "torch": "2.9.1", "trl": "0.25.1"}
    recorded = {
        "git": {"commit": "3f" * 20, "dirty": False}, "python": "3.11.9", "os": "Linux-6.8.0-x86_64-with-glibc2.39",
        "process": process, "packages": packages,
    }  # fmt: skip
    for run in Run.objects.filter(study=None):
        command = run.command if run.command.startswith("manage.py") else f"manage.py {run.stage} --dataset {DATASET}"
        Run.objects.filter(pk=run.pk).update(command=command, provenance=recorded)


def _open_all(page: Page) -> None:
    for summary in page.locator("summary").all():
        summary.click()
