"""The long table: one row per rating, as a model of single ratings needs it."""

from collections.abc import Iterator
from typing import Any

from annotation.models import Aspect
from modelhub.analysis.data import Data

_SCALES = (Aspect.Kind.RATING, Aspect.Kind.PERSONA)


def long_rows(data: Data) -> Iterator[dict[str, Any]]:
    """Yield the ratings on scales, one dict per rating with the columns of rscript.COLUMNS."""
    scales = {question.key: question for question in data.of_kind(*_SCALES)}
    for answer in data.answers:
        question = scales.get(answer.aspect)
        if question is None:
            continue
        is_persona = question.kind == Aspect.Kind.PERSONA
        origin = data.origins.get(answer.persona)
        words = data.persona_words.get(answer.persona) if is_persona else data.output_words.get(answer.output or "")
        yield {
            "participant": answer.participant,
            "excluded": int(answer.is_left_out),
            "item": answer.item,
            "persona": answer.persona,
            "stratum": answer.stratum,
            "condition": (origin.direction if origin else None) if is_persona else answer.system,
            "aspect": answer.aspect,
            "kind": answer.kind,
            "position": answer.position,
            "part": answer.ordinal,
            "words": words,
            "value": answer.value,
        }
