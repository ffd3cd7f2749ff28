"""Preference pairs and scripted models for the tests of the pipeline."""

import hashlib
from pathlib import Path

import yaml

from modelhub.files.pairs import pair_key
from modelhub.models import InferredPersona, PreferencePair, Run, System
from modelhub.runs.lifecycle import run_start


def make_pairs(dataset: str, split: str, count: int) -> list[PreferencePair]:
    """Store `count` pairs of our own making."""
    run = run_start(stage="import_preferences", arguments={})
    return [make_pair(dataset, split, row, run=run) for row in range(1, count + 1)]


def make_pair(dataset: str, split: str, row: int, *, run: Run | None = None, **texts: str) -> PreferencePair:
    """Store one pair."""
    prompt = texts.get("prompt", f"Prompt {row} of {split}: how do I learn to cook?")
    chosen = texts.get("chosen", f"Begin with {row} simple recipes and repeat them until you know them by heart.")
    rejected = texts.get("rejected", f"Just watch {row} videos.")
    content = "\0".join((prompt, chosen, rejected))
    return PreferencePair.objects.create(
        dataset=dataset, split=split, row=row, key=pair_key(prompt, chosen, rejected), prompt=prompt, chosen=chosen,
        rejected=rejected, sha256=hashlib.sha256(content.encode()).hexdigest(),
        run=run or run_start(stage="import_preferences", arguments={}),
    )  # fmt: skip


def make_persona(pair: PreferencePair, direction: str, system: System, text: str = "") -> InferredPersona:
    """Store the persona of one response."""
    text = text or f"The user is {direction} and prefers row {pair.row}."
    return InferredPersona.objects.create(
        pair=pair, direction=direction, system=system, text=text, run=run_start(stage="infer_personas", arguments={})
    )


def make_system(name: str = "inferrer") -> System:
    """Store a system whose texts were made elsewhere."""
    return System.objects.create(name=name, engine="imported", persona_style="none", fingerprint=name)


def picking_script(folder: Path, *picks: str) -> Path:
    """Write a script whose answers are drawn from `picks` (decoding style `pick`)."""
    script = folder / "picks.yaml"
    fallback = {"general": "An answer.", "tailored": "An answer for you."}
    script.write_text(yaml.safe_dump({"prompts": [], "fallback": fallback, "picks": list(picks)}), encoding="utf-8")
    return script
