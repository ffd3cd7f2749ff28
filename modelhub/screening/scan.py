"""The scan before a study opens: outputs that reveal their system, loop, are empty or were cut off."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from django.db.models import Prefetch

from annotation.models import Output, Persona, Study
from modelhub.models import ArmBinding
from modelhub.screening.flags import Flag
from modelhub.screening.self_references import self_references

LOOP_GRAM = 5  # words
LOOP_SHARE = 0.30  # a text is looping above this share of repeated 5-grams
_MIN_NAME = 3  # characters; shorter names of systems would be found in ordinary words


@dataclass(frozen=True)
class ScannedText:
    """An output with what the scan says about it; nothing here tells its arm."""

    text: str
    flags: tuple[Flag, ...]


@dataclass(frozen=True)
class ScannedPair:
    """All outputs of a persona, in the order of their random keys: the same at every look, and it tells nothing."""

    persona_key: str
    item_key: str
    prompt: str
    persona: str
    texts: tuple[ScannedText, ...]
    excluded_reason: str

    @property
    def flagged(self) -> bool:
        return any(text.flags for text in self.texts)


def text_flags(text: str, *, finish_reason: str, names: Sequence[str] = ()) -> tuple[Flag, ...]:
    """Return everything suspicious about one output. `names` must not occur in it: of systems, models and arms."""
    if not text.strip():
        return (Flag("empty", "The text is empty."),)
    flags = [Flag("reveal", f"Says “{found}”.") for found in _reveals(text, names)]
    share = repeated_share(text)
    if share > LOOP_SHARE:
        flags.append(Flag("loop", f"{share:.0%} of its {LOOP_GRAM}-word sequences are repeated."))
    if finish_reason == "length":
        flags.append(Flag("truncated", "The text was cut off at its greatest length."))
    return tuple(flags)


def repeated_share(text: str) -> float:
    """Return the share of 5-grams of words that occurred before in the text, 0 for a text too short to have any."""
    words = text.casefold().split()
    grams = [tuple(words[start : start + LOOP_GRAM]) for start in range(len(words) - LOOP_GRAM + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def scan_study(study: Study) -> list[ScannedPair]:
    """Return the study's units with a flag or an exclusion, in the order of its items.

    Texts are looked at when every arm's is there: seen one by one, as they come, they would say which arm is which.
    """
    names, arms = revealing_names(study), study.arms.count()
    made = Output.objects.filter(state=Output.State.READY).select_related("generation").order_by("key")
    personas = (
        Persona.objects.filter(item__study=study, outputs__state=Output.State.READY)
        .distinct()
        .select_related("item")
        .prefetch_related(Prefetch("outputs", queryset=made))
        .order_by("item__ordinal", "key")
    )
    pairs = [_pair(persona, names, arms) for persona in personas]
    return [pair for pair in pairs if pair.flagged or pair.excluded_reason]


def revealing_names(study: Study) -> list[str]:
    """Return what no output of the study may mention: its arms' codes, and the names of their systems and models."""
    names = list(study.arms.values_list("code", flat=True))
    for binding in ArmBinding.objects.filter(arm__study=study).select_related("system"):
        system = binding.system
        names += [system.name, *(PurePath(path).name for path in (system.model, system.adapter) if path)]
    return [name for name in names if len(name) >= _MIN_NAME]


def _reveals(text: str, names: Sequence[str]) -> list[str]:
    found = self_references(text)
    for name in names:
        match = re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE)
        if match:
            found.append(match[0])
    return list(dict.fromkeys(found))


def _pair(persona: Persona, names: Sequence[str], arms: int) -> ScannedPair:
    outputs = list(persona.outputs.all())
    is_whole = len({output.arm_id for output in outputs}) >= arms or any(output.planted for output in outputs)
    return ScannedPair(
        persona_key=persona.key,
        item_key=persona.item.key,
        prompt=persona.item.prompt,
        persona=persona.text,
        texts=tuple(
            ScannedText(output.text, text_flags(output.text, finish_reason=_finish_reason(output), names=names))
            for output in (outputs if is_whole else ())
        ),
        excluded_reason=next((output.excluded_reason for output in outputs if output.excluded_at), ""),
    )


def _finish_reason(output: Output) -> str:
    # An output may have no generation: it was erased, or stored by other means.
    return output.generation.finish_reason if hasattr(output, "generation") else "unknown"
