"""Keep the tallies of units what a fresh count of the assignments would give.

Every service that changes which assignments hold a place calls one of these in the same transaction, in the study's
turn, so that no count is lost to another one made at once. Time alone ends assignments too: a tally knows when the
first of its own expires, and is counted afresh before anything is chosen after that. Saves put the end off without
telling: then it is merely counted once too often.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from annotation.allocation import Order, Sides, draw_of, sides_of
from annotation.armorder import arm_numbers
from annotation.models import Assignment, Item, Participant, Persona, Study, UnitTally
from annotation.pools import TallyUnit, sides_written

_Kind, _State, _Source = Assignment.Kind, Assignment.State, UnitTally.Source
_BATCH = 500
_COUNTED = ("taken", "sides", "recount_at")
_HOLDING = (
    "pk", "kind", "state", "surplus", "expires_at", "persona_id", "persona__item_id", "persona__source",
    "participant__number", "participant__excluded_at", "participant__withdrawn_at",
    "slots__output__arm__code", "slots__position",
)  # fmt: skip

# In one statement: the sides are those of the item, which may have several units, and the rest is of this one alone.
_TAKE = """
UPDATE {tally} SET
    sides = %s,
    taken = taken + CASE WHEN id = %s THEN 1 ELSE 0 END,
    recount_at = CASE WHEN id = %s AND (recount_at IS NULL OR recount_at > %s) THEN %s ELSE recount_at END
WHERE item_id = %s AND participant_kind = %s
"""


def tallies_make(*, study: Study, kind: str) -> None:
    """Make the tallies of a study for one kind of participant, unless they are there; call it in the study's turn."""
    if UnitTally.objects.filter(study=study, participant_kind=kind).exists():
        return
    counted = _count(_holding(kind).filter(persona__item__study=study), study)
    units = [*_items_to_write(study, kind), *_given_personas(study, kind)]
    rows = [*units, *counted.overlap_units(units)]
    for row in rows:
        counted.write(row)
    UnitTally.objects.bulk_create(rows, batch_size=_BATCH)


def tallies_drop(*, study: Study) -> None:
    """Forget the tallies of a draft whose units change; they are made anew when somebody needs them."""
    UnitTally.objects.filter(study=study).delete()


def tallies_refresh(*, study: Study, kind: str) -> None:
    """Count afresh whatever has lost an assignment to time; make what is not there. Call it in the study's turn."""
    tallies_make(study=study, kind=kind)
    overdue = UnitTally.objects.filter(study=study, participant_kind=kind, recount_at__lte=timezone.now())
    items = sorted(set(overdue.values_list("item_id", flat=True)))
    for start in range(0, len(items), _BATCH):
        units_recount(study=study, kind=kind, items=items[start : start + _BATCH])


def participant_recount(*, participant: Participant) -> None:
    """Count afresh all units of whose items the participant has had a part; call it in the study's turn."""
    units_recount(study=participant.study, kind=participant.kind, items=items_of(participant))


def items_of(participant: Participant) -> set[int]:
    """Return the items whose units a participant's assignments count for."""
    counting = participant.assignments.filter(kind__in=(_Kind.MAIN, _Kind.OVERLAP))
    return set(counting.order_by().values_list("persona__item_id", flat=True))


def assignment_recount(*, assignment: Assignment) -> None:
    """Count afresh the units of an assignment's item; call it in the study's turn."""
    if assignment.kind in (_Kind.MAIN, _Kind.OVERLAP):
        participant = assignment.participant
        units_recount(study=participant.study, kind=participant.kind, items=[assignment.persona.item_id])


def units_recount(*, study: Study, kind: str, items: Collection[int]) -> None:
    """Count afresh all units of some items for one kind of participant, where they have tallies."""
    rows = list(UnitTally.objects.filter(item__in=items, participant_kind=kind))
    if not rows:
        return
    counted = _count(_holding(kind).filter(persona__item__in=items), study)
    gone = [row.pk for row in rows if row.source == _Source.OVERLAP and row.persona_id not in counted.rated]
    changed = [row for row in rows if row.pk not in gone and counted.write(row)]
    new = [row for row in counted.overlap_units(rows) if counted.write(row)]
    if gone:
        UnitTally.objects.filter(pk__in=gone).delete()
    if changed:
        UnitTally.objects.bulk_update(changed, _COUNTED, batch_size=_BATCH)
    if new:
        UnitTally.objects.bulk_create(new)


def item_sides(*, study: Study, kind: str, item: int) -> Sides:
    """Return where each arm has stood in the live main assignments of an item."""
    return _count(_holding(kind).filter(persona__item=item), study).sides[item]


def unit_take(*, unit: TallyUnit, kind: str, order: Order, arms: int, expires_at: datetime) -> None:
    """Count an assignment that has just been made, with its order where this is one that tells of its item's sides."""
    end = connection.ops.adapt_datetimefield_value(expires_at)
    sides = sides_written(unit.sides + sides_of(order), arms)
    with connection.cursor() as cursor:
        cursor.execute(
            _TAKE.format(tally=UnitTally._meta.db_table), (sides, unit.key, unit.key, end, end, unit.item, kind)
        )


@dataclass
class _Counts:
    """What the assignments say of units: a unit goes by its source and the id of its item or its persona."""

    arms: int
    taken: Counter[tuple[str, int]] = field(default_factory=Counter)
    first_end: dict[tuple[str, int], datetime] = field(default_factory=dict)
    sides: defaultdict[int, Sides] = field(default_factory=lambda: defaultdict(Counter))
    # Written personas that their authors, who stay in the study, have rated: their items, and the authors' numbers.
    rated: dict[int, tuple[int, int]] = field(default_factory=dict)

    def write(self, row: UnitTally) -> bool:
        """Let the row say what was counted; return whether it said something else."""
        unit = (row.source, row.persona_id or row.item_id)
        values = (self.taken[unit], sides_written(self.sides[row.item_id], self.arms), self.first_end.get(unit))
        if values == (row.taken, row.sides, row.recount_at):
            return False
        row.taken, row.sides, row.recount_at = values
        return True

    def overlap_units(self, units: Iterable[UnitTally]) -> list[UnitTally]:
        """Return rows, to be written, for the rated personas of the items among `units` that have none there."""
        there = {unit.persona_id for unit in units}
        own = {unit.item_id: unit for unit in units if unit.source == _Source.WRITTEN}
        return [
            UnitTally(
                study_id=own[item].study_id,
                participant_kind=own[item].participant_kind,
                source=_Source.OVERLAP,
                item_id=item,
                persona_id=persona,
                block=own[item].block,
                # Never by the persona's text: what an erasure leaves must not tell whether a text was there.
                draw=draw_of(own[item].draw, number),
            )
            for persona, (item, number) in self.rated.items()
            if persona not in there and item in own
        ]


def _holding(kind: str) -> QuerySet[Assignment]:
    """Return what may hold a place among participants of this kind; the counting leaves out what does not."""
    return Assignment.objects.filter(kind__in=(_Kind.MAIN, _Kind.OVERLAP), participant__kind=kind)


def _count(assignments: QuerySet[Assignment], study: Study) -> _Counts:
    numbers = arm_numbers(study)
    counts, now, seen = _Counts(arms=len(numbers)), timezone.now(), set[int]()
    for pk, *values, arm, position in assignments.order_by().values_list(*_HOLDING):
        held = _Held(*values)
        if held.excluded_at:
            continue
        if pk not in seen:
            seen.add(pk)
            _count_one(counts, held, now, overlap=bool(study.overlap_share))
        if arm is not None and held.kind == _Kind.MAIN and held.is_live(now):
            counts.sides[held.item][numbers[arm], position] += 1
    return counts


class _Held(NamedTuple):
    kind: str
    state: str
    surplus: bool
    expires_at: datetime
    persona: int
    item: int
    source: str
    number: int
    excluded_at: datetime | None
    withdrawn_at: datetime | None

    def is_live(self, now: datetime) -> bool:
        """Whether it holds a place; the same as `holds_place` asks of the database."""
        is_open = self.state == _State.OPEN
        return self.expires_at > now if is_open else self.state == _State.COMPLETED and not self.surplus

    @property
    def unit(self) -> tuple[str, int]:
        if self.kind == _Kind.OVERLAP:
            return _Source.OVERLAP, self.persona
        is_given = self.source == Persona.Source.GIVEN
        return (_Source.GIVEN, self.persona) if is_given else (_Source.WRITTEN, self.item)


def _count_one(counts: _Counts, held: _Held, now: datetime, *, overlap: bool) -> None:
    is_own = held.kind == _Kind.MAIN and held.source == Persona.Source.WRITTEN
    if overlap and is_own and held.state == _State.COMPLETED and held.withdrawn_at is None:
        counts.rated[held.persona] = (held.item, held.number)
    if held.is_live(now):
        counts.taken[held.unit] += 1
        if held.state == _State.OPEN:
            counts.first_end[held.unit] = min(held.expires_at, counts.first_end.get(held.unit, held.expires_at))


def _items_to_write(study: Study, kind: str) -> Iterator[UnitTally]:
    by_stratum = study.blocks == Study.Blocks.STRATUM
    items = Item.objects.filter(study=study, planted_part__isnull=True).exclude(personas__source=Persona.Source.GIVEN)
    for pk, key, stratum in items.order_by("pk").values_list("pk", "key", "stratum"):
        yield UnitTally(
            study=study, participant_kind=kind, source=_Source.WRITTEN, item_id=pk,
            block=stratum if by_stratum else "", draw=draw_of(study.seed, key, "", 0),
        )  # fmt: skip


def _given_personas(study: Study, kind: str) -> Iterator[UnitTally]:
    blocks = {Study.Blocks.STRATUM: "item__stratum", Study.Blocks.CONDITION: "block"}
    block_of = blocks.get(Study.Blocks(study.blocks))
    personas = Persona.objects.filter(
        item__study=study, item__planted_part__isnull=True, source=Persona.Source.GIVEN
    ).exclude(outputs__excluded_at__isnull=False)
    fields = ("pk", "item_id", "item__key", "text", block_of or "pk")
    times: Counter[tuple[str, str]] = Counter()  # one text may be there twice, for two conditions
    for pk, item, key, text, block in personas.order_by("pk").values_list(*fields):
        yield UnitTally(
            study=study, participant_kind=kind, source=_Source.GIVEN, item_id=item, persona_id=pk,
            block=block if block_of else "", draw=draw_of(study.seed, key, text, times[key, text]),
        )  # fmt: skip
        times[key, text] += 1
