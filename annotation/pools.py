"""The units of a study as the choice looks them up: among the tallies, by a few steps along one index.

Nothing here goes through all units. `tally_ring` holds them by kind of participant, source, block, number of people
who hold them, and draw: levels are found by jumping from one to the next, and what a choice compares lies together.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from django.db import connection
from django.utils import timezone

from annotation.allocation import LOOKED_AT, RING, Level, Sides, Unit
from annotation.history import History
from annotation.models import Arm, Assignment, Item, Output, Persona, Study, UnitTally

FIRST_LOOK = 8  # units that are read at once: one of them nearly always keeps its item's sides balanced
_Source = UnitTally.Source
_TABLES = {
    "tally": UnitTally._meta.db_table, "arm": Arm._meta.db_table, "item": Item._meta.db_table,
    "output": Output._meta.db_table,
}  # fmt: skip
# Every level is the next one after another: of its block, else of its source, else of all. One comparison of three
# columns at once would say the same, but SQLite then reads all units of a level. The rest is asked along.
_LEVELS = """
WITH RECURSIVE level (id) AS (
    SELECT first.id FROM (
        SELECT id FROM {tally} WHERE study_id = %(study)s AND participant_kind = %(kind)s
        ORDER BY source, block, taken LIMIT 1
    ) AS first
    UNION ALL
    SELECT COALESCE(
        (SELECT id FROM {tally} WHERE study_id = %(study)s AND participant_kind = %(kind)s
            AND source = here.source AND block = here.block AND taken > here.taken
            ORDER BY taken LIMIT 1),
        (SELECT id FROM {tally} WHERE study_id = %(study)s AND participant_kind = %(kind)s
            AND source = here.source AND block > here.block
            ORDER BY block, taken LIMIT 1),
        (SELECT id FROM {tally} WHERE study_id = %(study)s AND participant_kind = %(kind)s
            AND source > here.source
            ORDER BY source, block, taken LIMIT 1)
    )
    FROM level JOIN {tally} AS here ON here.id = level.id
)
SELECT here.source, here.block, here.taken,
    (SELECT COUNT(*) FROM {arm} WHERE study_id = %(study)s),
    (SELECT MIN(planted_part) FROM {item} WHERE study_id = %(study)s AND planted_part IS NOT NULL),
    EXISTS (
        SELECT 1 FROM {tally}
        WHERE study_id = %(study)s AND participant_kind = %(kind)s AND recount_at <= %(now)s
    )
FROM level JOIN {tally} AS here ON here.id = level.id
"""


_UNITS = """
SELECT id, item_id, persona_id, draw, sides FROM {tally} AS unit
WHERE study_id = %s AND participant_kind = %s AND source = %s AND block = %s AND taken = %s AND draw BETWEEN %s AND %s
    {offered}
ORDER BY draw LIMIT %s
"""
# Counted, since PostgreSQL would turn NOT EXISTS into a join with all outputs.
_NOT_FAILED = "AND (SELECT COUNT(*) FROM {output} WHERE persona_id = unit.persona_id AND state = %s) = 0"


@dataclass(frozen=True, kw_only=True)
class TallyUnit(Unit):
    """A unit with what its tally says besides. Its key is the tally's."""

    item: int
    persona: int | None


@dataclass(frozen=True)
class Board:
    """All levels of a study for one kind of participant, by source; without any, there are no tallies yet."""

    levels: dict[str, list[Level]]
    arms: int = 0
    first_planted: int | None = None
    is_overdue: bool = False

    @property
    def is_made(self) -> bool:
        """Whether there are tallies."""
        return bool(self.levels)


def board_of(study: Study, kind: str) -> Board:
    """Return the levels as the tallies stand, and whether an assignment has expired that some still count."""
    now = connection.ops.adapt_datetimefield_value(timezone.now())
    with connection.cursor() as cursor:
        cursor.execute(_LEVELS.format(**_TABLES), {"study": study.pk, "kind": kind, "now": now})
        rows = cursor.fetchall()
    if not rows:
        return Board({})
    levels: defaultdict[str, list[Level]] = defaultdict(list)
    for source, block, taken, *_ in rows:
        levels[source].append((block, taken))
    _, _, _, arms, first_planted, is_overdue = rows[0]
    return Board(dict(levels), arms, first_planted, bool(is_overdue))


class TallyPool:
    """The units of one source that a participant has not seen."""

    def __init__(self, board: Board, history: History, source: UnitTally.Source) -> None:
        study = history.participant.study
        places = 1 if source == _Source.OVERLAP else study.raters_per_item
        self._levels = [level for level in board.levels.get(source, []) if level[1] < places]
        self._of = (study.pk, history.participant.kind, source)
        self._offered, self._values = _offered(history, source)

    def levels(self) -> Collection[Level]:
        """Return the levels whose units have a place left."""
        return self._levels

    def ring(self, level: Level, start: int) -> Iterator[TallyUnit]:
        """Yield up to LOOKED_AT units of a level by their draws, from `start` on and once round."""
        left, asked = LOOKED_AT, FIRST_LOOK
        for low, high in ((start, RING - 1), (0, start - 1)):
            while left:
                units = self._arc(level, low, high, asked)
                yield from units
                left -= len(units)
                if len(units) < asked:
                    break
                low, asked = units[-1].draw + 1, left

    def has_unit(self) -> bool:
        """Whether a unit is left that has a place."""
        return any(True for level in self._levels for _ in self.ring(level, 0))

    def _arc(self, level: Level, low: int, high: int, limit: int) -> list[TallyUnit]:
        block, taken = level
        with connection.cursor() as cursor:
            cursor.execute(
                _UNITS.format(offered=self._offered, **_TABLES),
                (*self._of, block, taken, low, high, *self._values, limit),
            )
            return [
                TallyUnit(
                    key=pk, draw=draw, taken=taken, sides=sides_read(sides), block=block, item=item, persona=persona
                )
                for pk, item, persona, draw, sides in cursor.fetchall()
            ]


def sides_written(sides: Sides, arms: int) -> str:
    """Return the counts as a tally keeps them."""
    rows = [[sides[arm, position] for position in range(1, arms + 1)] for arm in range(arms)]
    return json.dumps(rows, separators=(",", ":"))


def sides_read(text: str) -> Sides:
    """Return the counts that a tally keeps."""
    rows = json.loads(text)
    return Sides({(arm, place): n for arm, row in enumerate(rows) for place, n in enumerate(row, start=1)})


def _offered(history: History, source: UnitTally.Source) -> tuple[str, list[int | str]]:
    """Return a condition that leaves out what the participant has seen and what could not be made, with its values."""
    if source == _Source.WRITTEN:
        main, written = Assignment.Kind.MAIN, Persona.Source.WRITTEN
        seen = [part.item for part in history.parts if part.kind == main and part.source == written]
        return _none_of("item_id", seen), [*seen]
    seen = [part.persona for part in history.parts]
    if source == _Source.OVERLAP:
        return _none_of("persona_id", seen), [*seen]
    # Everybody would meet the same failure.
    return f"{_none_of('persona_id', seen)} {_NOT_FAILED.format(**_TABLES)}", [*seen, Output.State.FAILED]


def _none_of(column: str, ids: list[int]) -> str:
    return f"AND {column} NOT IN ({', '.join(['%s'] * len(ids))})" if ids else ""
