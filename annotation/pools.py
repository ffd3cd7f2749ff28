"""The units of a study as the choice looks them up: among the tallies, by a few steps along one index.

Nothing here goes through all units. `tally_ring` holds them by kind of participant, source, block, number of people
who hold them, and draw: levels are found by jumping from one to the next, and what a choice compares lies together.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from annotation.allocation import LOOKED_AT, Level, Sides, Unit
from annotation.history import History
from annotation.models import Arm, Assignment, Output, Persona, Study, UnitTally

_Source = UnitTally.Source
_FIELDS = ("pk", "item_id", "persona_id", "draw", "sides", "recount_at")
# Every level is the next one after another, by the index. The rest is asked along, to be told in the same answer.
_LEVELS = """
WITH RECURSIVE level (id) AS (
    SELECT first.id FROM (
        SELECT id FROM {tally} WHERE study_id = %(study)s AND participant_kind = %(kind)s
        ORDER BY source, block, taken LIMIT 1
    ) AS first
    UNION ALL
    SELECT (
        SELECT later.id FROM {tally} AS later
        WHERE later.study_id = %(study)s AND later.participant_kind = %(kind)s
            AND (later.source, later.block, later.taken) > (here.source, here.block, here.taken)
        ORDER BY later.source, later.block, later.taken LIMIT 1
    )
    FROM level JOIN {tally} AS here ON here.id = level.id
)
SELECT here.source, here.block, here.taken,
    (SELECT COUNT(*) FROM {arm} WHERE study_id = %(study)s),
    EXISTS (
        SELECT 1 FROM {tally}
        WHERE study_id = %(study)s AND participant_kind = %(kind)s AND recount_at <= %(now)s
    )
FROM level JOIN {tally} AS here ON here.id = level.id
"""


@dataclass(frozen=True, kw_only=True)
class TallyUnit(Unit):
    """A unit with what its tally says besides. Its key is the tally's."""

    item: int
    persona: int | None
    recount_at: datetime | None


@dataclass(frozen=True)
class Board:
    """All levels of a study for one kind of participant, by source; without any, there are no tallies yet."""

    levels: dict[str, list[Level]]
    arms: int
    is_overdue: bool

    @property
    def is_made(self) -> bool:
        """Whether there are tallies."""
        return bool(self.levels)


def board_of(study: Study, kind: str) -> Board:
    """Return the levels as the tallies stand, and whether an assignment has expired that some still count."""
    tables = {"tally": UnitTally._meta.db_table, "arm": Arm._meta.db_table}
    now = connection.ops.adapt_datetimefield_value(timezone.now())
    with connection.cursor() as cursor:
        cursor.execute(_LEVELS.format(**tables), {"study": study.pk, "kind": kind, "now": now})
        rows = cursor.fetchall()
    levels: defaultdict[str, list[Level]] = defaultdict(list)
    for source, block, taken, *_ in rows:
        levels[source].append((block, taken))
    return Board(dict(levels), arms=rows[0][3] if rows else 0, is_overdue=bool(rows and rows[0][4]))


class TallyPool:
    """The units of one source that a participant has not seen."""

    def __init__(self, board: Board, history: History, source: UnitTally.Source) -> None:
        study = history.participant.study
        places = 1 if source == _Source.OVERLAP else study.raters_per_item
        self._levels = [level for level in board.levels.get(source, []) if level[1] < places]
        self._units = UnitTally.objects.filter(
            study=study.pk, participant_kind=history.participant.kind, source=source
        ).exclude(_seen(history, source))
        if source == _Source.GIVEN:  # everybody would meet the same failure
            failed = Output.objects.filter(persona=OuterRef("persona"), state=Output.State.FAILED)
            self._units = self._units.exclude(Exists(failed))

    def levels(self) -> Collection[Level]:
        """Return the levels whose units have a place left."""
        return self._levels

    def ring(self, level: Level, start: int) -> Iterator[TallyUnit]:
        """Yield up to LOOKED_AT units of a level by their draws, from `start` on and once round."""
        block, taken = level
        there = self._units.filter(block=block, taken=taken).order_by("draw")
        found = 0
        for arc in (there.filter(draw__gte=start), there.filter(draw__lt=start)):
            for unit in _units(arc[: LOOKED_AT - found], level):
                found += 1
                yield unit
            if found == LOOKED_AT:
                return

    def has_unit(self) -> bool:
        """Whether a unit is left that has a place."""
        return any(self._units.filter(block=block, taken=taken).exists() for block, taken in self._levels)


def sides_written(sides: Sides, arms: int) -> str:
    """Return the counts as a tally keeps them."""
    rows = [[sides[arm, position] for position in range(1, arms + 1)] for arm in range(arms)]
    return json.dumps(rows, separators=(",", ":"))


def sides_read(text: str) -> Sides:
    """Return the counts that a tally keeps."""
    rows = json.loads(text)
    return Sides({(arm, place): n for arm, row in enumerate(rows) for place, n in enumerate(row, start=1)})


def _units(rows: QuerySet[UnitTally], level: Level) -> Iterator[TallyUnit]:
    block, taken = level
    for pk, item, persona, draw, sides, recount_at in rows.values_list(*_FIELDS):
        yield TallyUnit(
            key=pk, draw=draw, taken=taken, sides=sides_read(sides), block=block,
            item=item, persona=persona, recount_at=recount_at,
        )  # fmt: skip


def _seen(history: History, source: UnitTally.Source) -> Q:
    if source == _Source.WRITTEN:
        main, written = Assignment.Kind.MAIN, Persona.Source.WRITTEN
        return Q(item__in=[part.item for part in history.parts if part.kind == main and part.source == written])
    return Q(persona__in=[part.persona for part in history.parts])
