"""What one participant is at or has done: read once, for all that handing out their next part asks of it."""

from collections import Counter
from dataclasses import dataclass

from annotation.allocation import Sides, repeats_of
from annotation.armorder import arm_numbers
from annotation.models import Assignment, Participant, Persona, Study
from annotation.prepared import KeptQuery

_Kind, _State = Assignment.Kind, Assignment.State
_PLANNED = {
    Persona.Source.WRITTEN: "written_personas_per_participant",
    Persona.Source.GIVEN: "given_personas_per_participant",
}
# What a participant is at or has done; whatever was skipped, set aside or released is as if it had never been theirs.
HELD = (_State.OPEN, _State.COMPLETED)
_PART = ("pk", "kind", "state", "ordinal", "repeat_of_id", "persona_id", "persona__item_id", "persona__source",
         "persona__block", "persona__item__stratum", "persona__condition")  # fmt: skip
_STOOD = ("slots__output__arm__code", "slots__position")
_FIELDS = ("withdrawn_at", "excluded_at", *(f"assignments__{name}" for name in (*_PART, *_STOOD)))
_ROWS = KeptQuery(
    lambda pk: Participant.objects.filter(pk=pk).order_by("assignments__ordinal").values_list(*_FIELDS),
    numbers=("pk",),
)


@dataclass(frozen=True)
class PastPart:
    """One assignment of the participant; `condition` and `stratum` are what it may count for as a block, and `writing`
    is the condition in which its persona is written."""

    pk: int
    kind: str
    state: str
    ordinal: int
    repeat_of: int | None
    persona: int
    item: int
    source: str
    condition: str
    stratum: str
    writing: str


@dataclass(frozen=True)
class History:
    """All parts of a participant in their order, and where each arm has stood in them, planted outputs aside.

    Who is excluded may go on, and holds no place with it.
    `shows` says that a page waits which shows the next part at once, where it can.
    """

    participant: Participant
    has_left: bool
    is_excluded: bool
    parts: list[PastPart]
    sides: Sides
    shows: bool = False

    @property
    def is_at_work(self) -> bool:
        """Whether a part is open."""
        return any(part.state == _State.OPEN for part in self.parts)

    @property
    def next_ordinal(self) -> int:
        """The place in the participant's sequence that the next assignment takes."""
        return len(self.parts) + 1

    @property
    def chosen(self) -> int:
        """How many parts have been chosen for the participant: neither planted ones nor repetitions."""
        return sum(part.kind in (_Kind.MAIN, _Kind.OVERLAP) for part in self.parts)

    @property
    def items_seen(self) -> set[int]:
        """The items of which responses have been shown to the participant, or may have been."""
        return {part.item for part in self.parts}

    def held(self, kind: Assignment.Kind) -> list[PastPart]:
        """Return the parts of this kind that count."""
        return [part for part in self.parts if part.kind == kind and part.state in HELD]

    def sources_left(self) -> list[Persona.Source]:
        """Return the parts that are not done yet, in order. Own personas come before ready ones.

        Who has seen ready personas and their responses first would write others' personas, not their own.
        """
        done = Counter(part.source for part in self.held(_Kind.MAIN))
        study = self.participant.study
        return [source for source, planned in _PLANNED.items() if done[source] < getattr(study, planned)]

    def blocks(self) -> Counter[str]:
        """Return how many own parts of each block are held; empty where the study has no blocks."""
        mine = self.held(_Kind.MAIN)
        blocks = self.participant.study.blocks
        if blocks == Study.Blocks.STRATUM:
            return Counter(part.stratum for part in mine)
        return Counter(part.condition for part in mine) if blocks == Study.Blocks.CONDITION else Counter()

    def writing_conditions(self) -> Counter[str]:
        """Return how many own parts of each condition of writing are held."""
        return Counter(part.writing for part in self.held(_Kind.MAIN))

    def finished_own(self) -> list[int]:
        """Return the ids of the parts that the participant wrote the persona of and has finished rating."""
        own = [part for part in self.held(_Kind.MAIN) if part.source == Persona.Source.WRITTEN]
        return [part.pk for part in own if part.state == _State.COMPLETED]

    def repeatable(self) -> dict[int, int]:
        """Return the own parts that may be shown again, as ids with their ordinals; none once enough have been."""
        done = [part for part in self.held(_Kind.MAIN) if part.state == _State.COMPLETED]
        wanted = repeats_of(share=self.participant.study.repeat_share, parts=len(done))
        if len(self.held(_Kind.REPEAT)) >= wanted:
            return {}
        repeated = {part.repeat_of for part in self.parts}
        return {part.pk: part.ordinal for part in done if part.pk not in repeated}


def history_of(participant: Participant, *, shows: bool = False) -> History:
    """Return what the database holds of the participant's work; they have left where their row is gone."""
    rows = _ROWS.rows(pk=participant.pk)
    has_left, is_excluded, parts, sides = True, False, dict[int, PastPart](), Sides()
    numbers = arm_numbers(participant.study)
    for withdrawn_at, excluded_at, *values, arm, position in rows:
        has_left, is_excluded = withdrawn_at is not None, excluded_at is not None
        if values[0] is None:  # no part yet
            continue
        part = parts.setdefault(values[0], PastPart(*values))
        if arm is not None and part.state in HELD and part.kind != _Kind.CHECK:
            sides[numbers[arm], position] += 1
    return History(participant, has_left, is_excluded, list(parts.values()), sides, shows)


def planned_parts(study: Study) -> int:
    """Return how many parts of their own everybody is to do."""
    return sum(getattr(study, name) for name in _PLANNED.values())
