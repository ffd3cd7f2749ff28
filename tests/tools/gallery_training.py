"""The analysts' pages of training: a DPO run that works, long curves with a loss that was no number, a comparison."""

import math
import random
from datetime import timedelta

from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page

from modelhub.models import Run, TrainingLog
from modelhub.runs.lifecycle import run_heartbeat
from tests.modelhub.training_rows import ARGUMENTS, make_training
from tests.tools.spots import Spot

_PER_EPOCH = 300


def training_spots() -> list[Spot]:
    """Return the pages; a researcher who is an analyst must be there."""
    empty = make_training()
    sft = [_trained("train_sft", epochs=10, ease=ease, seed=seed) for seed, ease in enumerate((1.0, 0.7, 0.5))]
    TrainingLog.objects.filter(run=sft[0], kind="train", step__in=[750, 760]).update(values={"loss": None})
    running = _trained("train_dpo", epochs=4.6, ease=0.8, seed=3, finished=False)
    run_heartbeat(run=running, done=0, lease_seconds=86_400)  # alive as long as the pages are looked at
    training = reverse("modelhub:training")
    chosen = "&".join(f"run={run.key}" for run in [*sft, running])
    return [
        Spot("run-training", reverse("modelhub:run", args=[running.key]), signed_in=True),
        Spot("run-trained", reverse("modelhub:run", args=[sft[0].key]), signed_in=True, act=_open_all),
        Spot("run-untrained", reverse("modelhub:run", args=[empty.key]), signed_in=True),
        Spot("training", training, signed_in=True),
        Spot("training-compared", f"{training}?{chosen}", signed_in=True),
    ]


def _trained(stage: str, *, epochs: float, ease: float, seed: int, finished: bool = True) -> Run:
    """Return a run with a log as a training leaves it: noisy on the training rows, overfitting on the others."""
    chance, dpo = random.Random(seed), stage == "train_dpo"
    personas = ("chosen", "rejected", "none", "chosen")[seed]
    arguments = ARGUMENTS | {"kind": stage.removeprefix("train_"), "data": ARGUMENTS["data"] | {"personas": personas}}
    if not dpo:
        recipe = {"epochs": 10, "learning_rate": 2e-5, "batch_size": 1, "gradient_accumulation": 4, "max_length": 512}
        arguments |= {
            "sft": "",
            "out": "/models/pt-sft",
            "recipe": {"lora": ARGUMENTS["recipe"]["lora"], "sft": recipe},
        }
    run = make_training(stage, arguments=arguments, finished=finished)
    logs = []
    for step in range(10, int(epochs * _PER_EPOCH) + 1, 10):
        epoch = step / _PER_EPOCH
        values = _measured(ease * epoch, chance.gauss(0, 0.25), dpo=dpo)
        logs.append(TrainingLog(run=run, kind="train", step=step, epoch=epoch, values=values | {"learning_rate": 5e-6}))
        if step % _PER_EPOCH == 0:
            values = _measured(ease * epoch, 0.04 * max(0.0, epoch - 4), dpo=dpo)
            named = {f"eval_{name}": value for name, value in values.items()}
            logs.append(TrainingLog(run=run, kind="eval", step=step, epoch=epoch, values=named))
    TrainingLog.objects.bulk_create(logs)
    began = timezone.now() - timedelta(minutes=3 * logs[-1].step / 60)
    Run.objects.filter(pk=run.pk).update(total=10 * _PER_EPOCH, done=logs[-1].step, started_at=began)
    return run


def _measured(learnt: float, noise: float, *, dpo: bool) -> dict[str, float]:
    if not dpo:
        return {"loss": 1.1 + 1.4 * math.exp(-learnt) + noise}
    margin = 1.5 * (1 - math.exp(-learnt)) - noise
    return {
        "loss": math.log1p(math.exp(-margin)),
        "rewards/margins": margin,
        "rewards/accuracies": min(1.0, max(0.0, round(0.5 + margin / 4, 2))),
    }


def _open_all(page: Page) -> None:
    for summary in page.locator("summary").all():
        summary.click()
