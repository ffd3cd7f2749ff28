"""The pages of judged outputs, with comparisons of several kinds: with personas, and against none."""

import random
from collections.abc import Sequence
from urllib.parse import urlencode

from django.urls import reverse
from playwright.sync_api import Page

from modelhub.models import (
    Direction,
    InferredPersona,
    PairOutput,
    PersonaSource,
    PreferencePair,
    RetrievedPersona,
    System,
)
from modelhub.runs.lifecycle import run_start
from tests.modelhub.judged_rows import RUBRIC, add_judgements
from tests.modelhub.output_rows import make_output
from tests.modelhub.pair_rows import make_pairs, make_system
from tests.tools.spots import Spot

DATASETS = ("evenings", "mornings")
_ANSWER = "Start with what you have at home, and keep it small: {tip}. Then do it again tomorrow at the same time."
_TIPS = ("one pan and three vegetables", "a quarter of an hour of easy running", "the first chapter, without notes")
_PERSONA = "The user is a patient beginner and prefers detailed steps that leave nothing open."
_SOURCES = (PersonaSource.RETRIEVED_CHOSEN, PersonaSource.GOLD_CHOSEN, PersonaSource.RETRIEVED_REJECTED)
_PAIRS = 24
_INFERRER = "persona-llama-8b"


def judged_spots() -> list[Spot]:
    """Return the pages; a researcher who is an analyst must be there."""
    judgements = reverse("modelhub:judgements")
    base, test = _judge_everything()
    about = {
        "dataset": base.pair.dataset, "split": base.pair.split, "base": base.system.name, "base_source": base.source,
        "test": test.system.name, "source": test.source, "judge": "prometheus-2-7b", "rubric": RUBRIC,
        "inferred_by": _INFERRER,
    }  # fmt: skip
    pairs = reverse("modelhub:judged_pairs")
    return [
        Spot("judgements", judgements, signed_in=True),
        Spot("judged-pairs", f"{pairs}?{urlencode({**about, 'metric': 'quality'})}", signed_in=True),
        Spot(
            "judged-pairs-lost", f"{pairs}?{urlencode({**about, 'metric': 'quality', 'outcome': 'loss'})}",
            signed_in=True,
        ),
        Spot("judged-pair", reverse("modelhub:judged_pair", args=[base.pk, test.pk]), signed_in=True, act=_open_all),
    ]  # fmt: skip


def _judge_everything() -> tuple[PairOutput, PairOutput]:
    chance = random.Random(2)
    dpo, tailored, judge = (make_system(name) for name in ("dpo-llama-8b", "pt-dpo-llama-8b", "prometheus-2-7b"))
    inferrer, first, run = make_system(_INFERRER), None, run_start(stage="judge", arguments={})
    for dataset in DATASETS:
        pairs = make_pairs(dataset, "judged", _PAIRS)
        _infer_and_retrieve(pairs, inferrer)
        generic = _outputs(pairs, tailored, PersonaSource.NONE, chance)
        for source in _SOURCES:
            base, test = (_outputs(pairs, system, source, chance) for system in (dpo, tailored))
            first = first or (base[0], test[0])
            for metric, wins in (("personalization", 5), ("quality", 3)):
                likely = ["win"] * wins + ["tie"] * 3 + ["loss"] * 2
                add_judgements(base, test, judge, metric, [chance.choice(likely) for _ in pairs], run=run)
                if source == PersonaSource.GOLD_CHOSEN:
                    drawn = [chance.choice([*likely, "unreadable"]) for _ in pairs]
                    add_judgements(generic, test, judge, metric, drawn, run=run)
    assert first
    return first


def _infer_and_retrieve(pairs: Sequence[PreferencePair], inferrer: System) -> None:
    """Store where the personas of all sources come from: each pair finds its neighbour."""
    inferred, found = (run_start(stage=stage, arguments={}) for stage in ("infer_personas", "retrieve_personas"))
    InferredPersona.objects.bulk_create(
        InferredPersona(pair=pair, direction=direction, system=inferrer, text=_PERSONA, run=inferred)
        for pair in pairs
        for direction in Direction.values
    )
    RetrievedPersona.objects.bulk_create(
        RetrievedPersona(pair=pair, source=source, retriever="imported", rank=1, run=found)
        for pair, source in zip(pairs, [*pairs[1:], pairs[0]], strict=True)
    )


def _outputs(
    pairs: Sequence[PreferencePair], system: System, source: PersonaSource, chance: random.Random
) -> list[PairOutput]:
    persona, run = "" if source == PersonaSource.NONE else _PERSONA, run_start(stage="generate", arguments={})
    return [
        make_output(pair, system, source, persona=persona, text=_ANSWER.format(tip=chance.choice(_TIPS)), run=run)
        for pair in pairs
    ]


def _open_all(page: Page) -> None:
    for summary in page.locator("summary").all():
        summary.click()
