"""The scan before a study opens: outputs that reveal their system, loop, are empty or were cut off.

And what tells arms apart by shape alone.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from django.db.models import Prefetch

from annotation.models import Output, Persona, Study
from modelhub.models import ArmBinding
from modelhub.prompting.endings import REFUSALS
from modelhub.screening.flags import Flag
from modelhub.screening.self_references import self_references
from modelhub.screening.shapes import ArmShape, TextShape, arm_shape, pair_shapes, shape_of, telling_shapes

LOOP_GRAM = 5  # words
LOOP_SHARE = 0.30  # a text is looping above this share of repeated 5-grams
_CUT = {
    "length": "The text was cut off at its greatest length.",
    "content_filter": "A content filter cut the text off.",
}
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
    flags: tuple[Flag, ...] = ()  # of the pair as a whole

    @property
    def flagged(self) -> bool:
        return bool(self.flags) or any(text.flags for text in self.texts)


@dataclass(frozen=True)
class Scan:
    """The pairs to look at, and by what the arms of the study can be told apart without reading them."""

    pairs: list[ScannedPair]
    arms: list[ArmShape]
    flags: list[Flag]


def text_flags(text: str, *, finish_reason: str, names: Sequence[str] = ()) -> tuple[Flag, ...]:
    """Return everything suspicious about one output. `names` must not occur in it: of systems, models and arms."""
    if not text.strip():
        return (Flag("empty", REFUSALS.get(finish_reason, "The text is empty.")),)
    flags = [Flag("reveal", f"Says “{found}”.") for found in _reveals(text, names)]
    share = repeated_share(text)
    if share > LOOP_SHARE:
        flags.append(Flag("loop", f"{share:.0%} of its {LOOP_GRAM}-word sequences are repeated."))
    if cut := _CUT.get(finish_reason):
        flags.append(Flag("truncated", cut))
    return tuple(flags)


def repeated_share(text: str) -> float:
    """Return the share of 5-grams of words that occurred before in the text, 0 for a text too short to have any."""
    words = text.casefold().split()
    grams = [tuple(words[start : start + LOOP_GRAM]) for start in range(len(words) - LOOP_GRAM + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def scan_study(study: Study) -> Scan:
    """Return the study's units with a flag or an exclusion, in the order of its items, and the shapes of its arms.

    Texts are looked at when every arm's is there: seen one by one, as they come, they would say which arm is which.
    """
    names, arms = revealing_names(study), dict(study.arms.values_list("pk", "code"))
    made = Output.objects.filter(state=Output.State.READY).select_related("generation").order_by("key")
    personas = (
        Persona.objects.filter(item__study=study, outputs__state=Output.State.READY)
        .distinct()
        .select_related("item")
        .prefetch_related(Prefetch("outputs", queryset=made))
        .order_by("item__ordinal", "key")
    )
    shapes: dict[int, list[TextShape]] = {pk: [] for pk in arms}
    pairs = [_pair(persona, names, shapes) for persona in personas]
    found = [arm_shape(code, shapes[pk]) for pk, code in arms.items()]
    return Scan([pair for pair in pairs if pair.flagged or pair.excluded_reason], found, telling_shapes(found))


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


def _pair(persona: Persona, names: Sequence[str], shapes: dict[int, list[TextShape]]) -> ScannedPair:
    """Return the outputs of a persona, after adding their shapes to those of their arms."""
    outputs = list(persona.outputs.all())
    planted = any(output.planted for output in outputs)
    is_whole = len({output.arm_id for output in outputs}) >= len(shapes) or planted
    found = {output.arm_id: shape_of(output.text) for output in outputs} if is_whole and not planted else {}
    if not any(output.excluded_at for output in outputs):
        for arm, shape in found.items():
            shapes[arm].append(shape)
    return ScannedPair(
        persona_key=persona.key,
        item_key=persona.item.key,
        prompt=persona.item.prompt,
        persona=persona.text,
        texts=tuple(
            ScannedText(output.text, text_flags(output.text, finish_reason=_finish_reason(output), names=names))
            for output in (outputs if is_whole else ())
        ),
        flags=pair_shapes(list(found.values())),
        excluded_reason=next((output.excluded_reason for output in outputs if output.excluded_at), ""),
    )


def _finish_reason(output: Output) -> str:
    # An output may have no generation: it was erased, or stored by other means.
    return output.generation.finish_reason if hasattr(output, "generation") else "unknown"
