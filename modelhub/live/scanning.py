"""Look at each output as it is made, as imported ones are looked at before a study opens."""

from collections.abc import Sequence

from annotation.models import Output
from annotation.screening import HOLD, screening_of
from annotation.services.holds import outputs_hold
from modelhub.models import OutputFinding
from modelhub.screening.flags import Flag
from modelhub.screening.scan import revealing_names, text_flags

_MAX_DETAIL = 200  # characters, as in OutputFinding.detail


def output_flags(output: Output, *, text: str, finish_reason: str) -> tuple[Flag, ...]:
    """Return what is found in a response before it is stored.

    Names of systems that are words like any other ("base") are left to the scan: here they would hold nearly all.
    """
    names = [name for name in revealing_names(output.persona.item.study) if not (name.isalpha() and name[1:].islower())]
    return text_flags(text, finish_reason=finish_reason, names=names)


def _fitting(detail: str) -> str:
    """Return what was found as its column holds it; where something is left out, that shows."""
    return detail if len(detail) <= _MAX_DETAIL else f"{detail[: _MAX_DETAIL - 1]}…"


def findings_store(*, output: Output, flags: Sequence[Flag]) -> None:
    """Keep what was found, and hold the persona's outputs if the study says so; call it where the output is stored.

    In the same transaction: there must be no moment at which a page could show them.
    """
    rows = [OutputFinding(output=output, kind=flag.kind, detail=_fitting(flag.detail)) for flag in flags]
    OutputFinding.objects.bulk_create(rows, ignore_conflicts=True)
    if flags and screening_of(output.persona.item.study).outputs == HOLD:
        outputs_hold(persona=output.persona, kinds=[flag.kind for flag in flags])
