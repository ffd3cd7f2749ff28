"""Preference pairs with personas in the database, for the training commands."""

from typing import Any

from django.core.management import call_command

from modelhub.models import PreferencePair, System
from tests.modelhub.pair_rows import make_pair, make_persona, make_system
from tests.modelhub.training.making import examples

SPLITS = {"sft_train": (0, 12), "sft_val": (12, 16), "dpo_train": (0, 12), "dpo_val": (12, 16)}


def store_pairs(dataset: str = "tiny") -> System:
    """Store 12 training and 4 validation pairs per training, with gold personas; return what inferred them."""
    system = make_system("inferrer")
    for split, (first, last) in SPLITS.items():
        for row, one in enumerate(examples(first, last), start=1):
            prompt = f"{one.prompt} ({split})"
            pair = make_pair(dataset, split, row, prompt=prompt, chosen=one.response, rejected=one.other)
            for direction in ("chosen", "rejected"):
                make_persona(pair, direction, system, text=f"The user is {direction} and prefers steps.")
    return system


def pairs_of(split: str) -> list[PreferencePair]:
    """Return the stored pairs of a split."""
    return list(PreferencePair.objects.filter(split=split))


def train(command: str, **options: Any) -> None:
    """Call a training command with the tiny recipe."""
    call_command(command, **{"dataset": "tiny", "recipe": "tiny", **options})
