"""The units of a study as the choice looks them up: among the tallies, by a few steps along one index.

Nothing here goes through all units. `tally_ring` holds them by kind of participant, source, block, number of people
who hold them, and draw: levels are found by jumping from one to the next, and what a choice compares lies together.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from django.db import connection
from django.utils import timezone

from annotation.allocation import LOOKED_AT, RING, Level, Sides, Unit
from annotation.history import History
from annotation.models import Arm, Assignment, Item, Output, Persona, Study, UnitTally

FIRST_LOOK = 8  # units that are read at once: one of them is nearly always new to the participant
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


# No more conditions than those of the index, so that no database has a reason to read more than it is asked for. And
# failures are counted: of EXISTS, PostgreSQL makes a table of all that failed in any study.
_UNITS = """
SELECT id, item_id, persona_id, draw, sides,
    (SELECT COUNT(*) FROM {output} WHERE persona_id = unit.persona_id AND state = %s)
FROM {tally} AS unit
WHERE study_id = %s AND participant_kind = %s AND source = %s AND block = %s AND taken = %s AND draw BETWEEN %s AND %s
ORDER BY draw LIMIT %s
"""


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
        self._seen = _seen(history, source)
        # A second rater's side must follow neither from the author's nor from what they saw of the item before.
        self._by_lot = None if source == _Source.OVERLAP else history.items_seen

    def levels(self) -> Collection[Level]:
        """Return the levels whose units have a place left."""
        return self._levels

    def ring(self, level: Level, start: int) -> Iterator[TallyUnit]:
        """Yield up to LOOKED_AT units of a level by their draws, from `start` on and once round."""
        left, asked = LOOKED_AT, FIRST_LOOK
        for low, high in ((start, RING - 1), (0, start - 1)):
            while left:
                rows = self._arc(level, low, high, asked)
                for unit in islice(self._offered(level, rows), left):
                    left -= 1
                    yield unit
                if len(rows) < asked:
                    break
                low, asked = rows[-1].draw + 1, LOOKED_AT

    def has_unit(self) -> bool:
        """Whether a unit is left that has a place."""
        return any(True for level in self._levels for _ in self.ring(level, 0))

    def _arc(self, level: Level, low: int, high: int, limit: int) -> list["_TallyRow"]:
        values = (Output.State.FAILED, *self._of, *level, low, high, limit)
        with connection.cursor() as cursor:
            cursor.execute(_UNITS.format(**_TABLES), values)
            return [_TallyRow(*row) for row in cursor.fetchall()]

    def _offered(self, level: Level, rows: list["_TallyRow"]) -> Iterator[TallyUnit]:
        """Yield what this participant may be given: everybody would meet a failure that one of them has met."""
        block, taken = level
        by_item, is_given = (self._of[-1] == source for source in (_Source.WRITTEN, _Source.GIVEN))
        for row in rows:
            if (row.item if by_item else row.persona) in self._seen or (row.failed and is_given):
                continue
            yield TallyUnit(
                key=row.key, draw=row.draw, taken=taken, sides=sides_read(row.sides), block=block, item=row.item,
                persona=row.persona, by_lot=self._by_lot is None or row.item in self._by_lot,
            )  # fmt: skip


class _TallyRow(NamedTuple):
    key: int
    item: int
    persona: int | None
    draw: int
    sides: str
    failed: int


def sides_written(sides: Sides, arms: int) -> str:
    """Return the counts as a tally keeps them."""
    rows = [[sides[arm, position] for position in range(1, arms + 1)] for arm in range(arms)]
    return json.dumps(rows, separators=(",", ":"))


def sides_read(text: str) -> Sides:
    """Return the counts that a tally keeps."""
    rows = json.loads(text)
    return Sides({(arm, place): n for arm, row in enumerate(rows) for place, n in enumerate(row, start=1)})


def _seen(history: History, source: UnitTally.Source) -> set[int]:
    """Return what the participant has seen: the items they have written for, or the personas."""
    if source != _Source.WRITTEN:
        return {part.persona for part in history.parts}
    main, written = Assignment.Kind.MAIN, Persona.Source.WRITTEN
    return {part.item for part in history.parts if part.kind == main and part.source == written}
