"""The wide table: one row per assignment, one column per question and arm."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import islice
from typing import Any

from annotation.export import querysets as q
from annotation.export.rows import (
    ASSIGNMENT_PATHS,
    CHUNK,
    TIME_PATHS,
    Row,
    assignment_cells,
    how_written,
    read,
    seconds,
)
from annotation.export.scope import Scope
from annotation.models import Aspect, Rating, Slot
from annotation.orders import places_of


def wide(scope: Scope) -> Iterator[Row]:
    """Yield one row per assignment; a cell is None where the question is not answered."""
    paths = {"_pk": "pk", **ASSIGNMENT_PATHS, "shown_at": "shown_at", "completed_at": "completed_at"}
    paths |= {"skip_reason": "skip_reason", "persona_shown_at": "persona_shown_at", **TIME_PATHS}
    assignments = q.with_times(q.unplanted_of(scope), owner="assignment", path="pk")
    rows = read(assignments.order_by("participant__number", "ordinal"), paths)
    while chunk := list(islice(rows, CHUNK)):
        answers = _answers(scope, [row["_pk"] for row in chunk])
        empty = dict.fromkeys(answer_columns(scope))
        for row in chunk:
            yield {
                **scope.study_cells,
                **assignment_cells(row, scope.now),
                **empty,
                **answers[row["_pk"]],
                "shown_at": row["shown_at"],
                "completed_at": row["completed_at"],
                "skip_reason": row["skip_reason"],
                **seconds(row),
                **how_written(row),
                "persona_shown_at": row["persona_shown_at"],
            }


def answer_columns(scope: Scope) -> list[str]:
    """Return the columns for positions and answers. A dot parts them: neither a key nor a code holds one."""
    names = [f"position.{code}" for code in scope.arm_codes]
    for aspect in scope.rated_aspects:
        if aspect.kind in q.OF_A_PAIR:
            names += [f"choice.{aspect.key}", f"preferred_arm.{aspect.key}"]
        elif aspect.kind == Aspect.Kind.PERSONA:
            names.append(f"value.{aspect.key}")
        else:
            names += [f"value.{aspect.key}.{code}" for code in scope.arm_codes]
    return names


def _answers(scope: Scope, assignments: list[int]) -> dict[int, dict[str, Any]]:
    """Return the position and answer cells of each of these assignments."""
    cells: dict[int, dict[str, Any]] = defaultdict(dict)
    codes: dict[int, dict[int, str]] = defaultdict(dict)
    shown = Slot.objects.filter(assignment__in=assignments, kind=Slot.Kind.OUTPUT)
    for assignment, position, code in shown.values_list("assignment", "position", "output__arm__code"):
        cells[assignment][f"position.{code}"] = position
        codes[assignment][position] = code
    orders = {aspect.key: aspect.orders for aspect in scope.rated_aspects}
    current = q.with_preferred_arm(Rating.objects.filter(slot__assignment__in=assignments, superseded_by=None))
    current = current.exclude(aspect__kind=Aspect.Kind.CHECK)
    paths = ("slot__assignment", "aspect__key", "aspect__kind", "slot__output__arm__code", "value", "preferred_arm")
    for assignment, key, kind, code, value, preferred in current.values_list(*paths):
        if kind in q.OF_A_PAIR:
            cells[assignment] |= {f"choice.{key}": value, f"preferred_arm.{key}": preferred}
        elif kind in q.ORDERS:
            order = [codes[assignment][position] for position in orders[key][value - 1]]
            places = places_of(order, scope.arm_codes, all_places=kind == Aspect.Kind.RANKING)
            cells[assignment] |= {f"value.{key}.{code}": place for code, place in places.items()}
        elif kind == Aspect.Kind.PERSONA:
            cells[assignment][f"value.{key}"] = value
        else:
            cells[assignment][f"value.{key}.{code}"] = value
    return cells
