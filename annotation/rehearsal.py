"""Who would see what: the allocation played through in memory, as if people came one by one and all finished."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from annotation.allocation import Choice, Sides, Unit, UnitList, choose_unit, draw_of, sides_of


@dataclass(frozen=True)
class Walk:
    """One participant's own parts: the keys of the items, in order. A persona is written for the first `written`."""

    participant: int
    items: tuple[str, ...]
    written: int


def rehearse(document: dict[str, Any], participants: int) -> Iterator[Walk]:
    """Yield the walks of participants 1 to `participants` through a study as its definition document describes it.

    Second showings and parts of others depend on what people write, so they are left out; so are blocks by condition,
    which come with the personas and not with the file.
    """
    items = [item for item in document["items"] if item["planted_part"] is None]
    given = [item for item in items if item["persona"] is not None]
    to_write = [item for item in items if item["persona"] is None]
    state = _State(document)
    for number in range(1, participants + 1):
        walk = _Walker(document, state, number)
        written = walk.take(to_write, document["written_personas_per_participant"])
        shown = walk.take(given, document["given_personas_per_participant"])
        yield Walk(number, (*written, *shown), len(written))


class _State:
    """What has been handed out so far, by item."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.numbers = {item["key"]: number for number, item in enumerate(document["items"])}
        self.draws = {
            item["key"]: draw_of(document["seed"], item["key"], item["persona"] or "", 0) for item in document["items"]
        }
        self.taken: Counter[str] = Counter()
        self.sides: defaultdict[str, Sides] = defaultdict(Counter)


class _Walker:
    def __init__(self, document: dict[str, Any], state: _State, number: int) -> None:
        self.document, self.state, self.number = document, state, number
        self.sides: Sides = Counter()
        self.blocks: Counter[str] = Counter()
        self.block_of: Callable[[dict[str, Any]], str] = (
            (lambda item: item["stratum"]) if document["blocks"] == "stratum" else (lambda item: "")
        )

    def take(self, items: list[dict[str, Any]], wanted: int) -> list[str]:
        """Return the keys of up to `wanted` items, in the order in which they are handed out."""
        by_number = {self.state.numbers[item["key"]]: item for item in items}
        taken: list[str] = []
        while len(taken) < wanted:
            choice = self._choose(by_number)
            if choice is None:
                break
            item = by_number.pop(choice.unit.key)
            taken.append(item["key"])
            self._note(item, choice)
        return taken

    def _choose(self, items: dict[int, dict[str, Any]]) -> Choice[Unit] | None:
        state = self.state
        units = [
            Unit(
                key=number,
                draw=state.draws[item["key"]],
                taken=state.taken[item["key"]],
                sides=state.sides[item["key"]],
                block=self.block_of(item),
            )
            for number, item in items.items()
        ]
        return choose_unit(
            seed=self.document["seed"],
            participant=self.number,
            part=self.blocks.total() + 1,
            arms=len(self.document["arms"]),
            pool=UnitList(units, places=self.document["raters_per_item"]),
            participant_sides=self.sides,
            participant_blocks=self.blocks,
        )

    def _note(self, item: dict[str, Any], choice: Choice[Unit]) -> None:
        stood = sides_of(choice.order)
        self.sides += stood
        self.state.sides[item["key"]] += stood
        self.state.taken[item["key"]] += 1
        self.blocks[self.block_of(item)] += 1
