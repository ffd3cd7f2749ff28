"""Leave out answers that loop, in all systems of a comparison alike: marked, logged, reversible, never deleted.

Source of the measure: Balepur et al., "Whose Boat Does it Float?" (ACL 2025), which leaves out repetitive outputs.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from django.db import transaction
from django.db.models import QuerySet
from pydantic import Field

from annotation.errors import ServiceError
from modelhub.models import PairOutput, PersonaSource, Run, System
from modelhub.queries.datasets import splits_of, system_named
from modelhub.runs.parameters import Option
from modelhub.runs.recording import recorded_run
from modelhub.runs.stage import Remaining, Reporting, Stage
from modelhub.screening.scan import LOOP_GRAM, LOOP_SHARE, repeated_share
from modelhub.stages.shared.parameters import Names, OfSplit

NOTHING = "No mark was changed."
_MARK = "loop: "
_LONGEST = PairOutput._meta.get_field("excluded_reason").max_length or 0


class FilterOptions(OfSplit):
    """Which outputs belong to one comparison: those of a pair by these systems, with personas of these sources."""

    system: Names = Field(description="what is to be compared")
    persona: Annotated[tuple[str, ...], Option(metavar="SOURCE", choices=lambda: PersonaSource.values)] = Field(
        description=f"where personas come from: {', '.join(PersonaSource.values)}"
    )
    share: Annotated[float, Option(metavar="X")] = Field(default=LOOP_SHARE, description="of repeated sequences")
    undo: bool = Field(default=False, description="take the marks away")


@dataclass(frozen=True)
class FilterReport:
    """What the filter did: pairs looked at and left out, outputs newly marked, looping outputs by system."""

    run: Run
    pairs: int
    excluded: int
    marked: int
    loops: dict[str, int]


@dataclass(frozen=True)
class _Changes:
    """What a filter comes to: the reason that each output gets, by its id; "" takes a mark away."""

    found: int
    pairs: int
    excluded: int
    reasons: dict[int, str]
    loops: dict[str, int]


def filter_outputs(wanted: FilterOptions) -> FilterReport:
    """Mark every output of a pair in which any of the systems loops, or is left out already; or undo that.

    An output loops if more than `share` of its 5-word sequences occurred in it before. Raises ServiceError for unknown
    names, and where a system has no such outputs.
    """
    changes = _unmarked(wanted) if wanted.undo else _marked(wanted)
    counts = {
        "outputs_changed": len(changes.reasons), "pairs_left_out": changes.excluded, "looping_outputs": changes.loops,
    }  # fmt: skip
    with recorded_run(
        stage="filter_outputs",
        arguments={**wanted.stored(), "counts": counts},
        scope=f"filter_outputs:{wanted.dataset}:{wanted.split}"[:200],
        total=changes.found,
        renewed=False,
        leaves=NOTHING,
    ) as execution:
        with transaction.atomic():
            for pk, reason in changes.reasons.items():
                marked = {"excluded_reason": ""} if reason else {"excluded_reason__startswith": _MARK}
                PairOutput.objects.filter(pk=pk, **marked).update(excluded_reason=reason)
        execution.advance(len(changes.reasons))
    return FilterReport(execution.run, changes.pairs, changes.excluded, len(changes.reasons), changes.loops)


def filter_left(wanted: FilterOptions) -> Remaining:
    """Count the outputs that are to be marked, and those that need no mark or have one. Raises as `filter_outputs`."""
    changes = _marked(wanted)
    return Remaining(len(changes.reasons), changes.found - len(changes.reasons))


def _marked(wanted: FilterOptions) -> _Changes:
    found = _outputs(wanted)
    by_pair: dict[int, list[PairOutput]] = defaultdict(list)
    for output in found:
        by_pair[output.pair_id].append(output)
    loops: Counter[str] = Counter(dict.fromkeys(wanted.system, 0))
    reasons: dict[int, str] = {}
    excluded = 0
    for outputs in by_pair.values():
        shares = {output: repeated_share(output.text) for output in outputs}
        looping = [output for output in outputs if shares[output] > wanted.share]
        loops.update(output.system.name for output in looping)
        reason = _reason(looping, shares) or next((one.excluded_reason for one in outputs if one.excluded_reason), "")
        excluded += bool(reason)
        reasons |= {output.pk: reason for output in outputs if reason and not output.excluded_reason}
    return _Changes(len(found), len(by_pair), excluded, reasons, dict(loops))


def _unmarked(wanted: FilterOptions) -> _Changes:
    found = _outputs(wanted)
    marked = [output for output in found if output.excluded_reason.startswith(_MARK)]
    pairs = {output.pair_id for output in marked}
    reasons = dict.fromkeys((output.pk for output in marked), "")
    return _Changes(len(found), len({output.pair_id for output in found}), len(pairs), reasons, {})


def _outputs(wanted: FilterOptions) -> list[PairOutput]:
    if not 0 < wanted.share < 1:
        raise ServiceError(f"--share is {wanted.share}; it must lie between 0 and 1.")
    (split,) = splits_of(wanted.dataset, [wanted.split])
    systems = [system_named(name) for name in dict.fromkeys(wanted.system)]
    outputs = _of(wanted, split, systems)
    there = set(outputs.order_by().values_list("system__name", "source").distinct())
    absent = [
        f"{system.name} with {source}"
        for system in systems
        for source in wanted.persona
        if (system.name, source) not in there
    ]
    # A generic system may have outputs without a persona alone, but each system needs some, and each source too.
    without = [system.name for system in systems if not any(name == system.name for name, _ in there)]
    unused = [source for source in wanted.persona if not any(one == source for _, one in there)]
    if without or unused:
        raise ServiceError(f"No outputs for {wanted.dataset}/{split}: {', '.join(absent)}. See generate.")
    return list(outputs.select_related("system").order_by("pk"))


def _of(wanted: FilterOptions, split: str, systems: Sequence[System]) -> QuerySet[PairOutput]:
    return PairOutput.objects.filter(
        pair__dataset=wanted.dataset, pair__split=split, system__in=systems, source__in=wanted.persona
    )


def _reason(looping: Sequence[PairOutput], shares: dict[PairOutput, float]) -> str:
    if not looping:
        return ""
    worst = max(looping, key=lambda output: shares[output])
    more = f" and {len(looping) - 1} more" if len(looping) > 1 else ""
    said = f"{_MARK}{shares[worst]:.0%} of {LOOP_GRAM}-word sequences repeated by {worst.system.name}{more}"
    return said[:_LONGEST]


def _run(wanted: FilterOptions, reporting: Reporting) -> None:
    report = filter_outputs(wanted)
    if wanted.undo:
        reporting.say(f"Run {report.run.key}: {report.excluded} pairs, {report.marked} marks taken away.")
        return
    reporting.say(
        f"Run {report.run.key}: {report.excluded} of {report.pairs} pairs left out, {report.marked} outputs newly "
        "marked."
    )
    for name, count in report.loops.items():
        reporting.say(f"- {name}: {count} outputs loop")


STAGE = Stage(
    name="filter_outputs",
    summary="Mark pairs in which an output of any of the systems loops, in all of them alike; or undo that.",
    unit="outputs",
    parameters=FilterOptions,
    run=_run,
    leaves=NOTHING,
    left=filter_left,
)
