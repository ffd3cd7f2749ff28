"""Preference pairs and the personas inferred from them, as read from files or taken from the database. Pure."""

import hashlib
import json
from dataclasses import dataclass, field

from annotation.rowfiles.preferences import PairNames

DIRECTIONS = ("chosen", "rejected")
# Names of the systems that the arms are bound to: which response of a pair stands in which arm.
RESPONSES = {"chosen": "chosen response", "rejected": "rejected response"}
SOURCES = ("gold", "retrieved")


@dataclass(frozen=True)
class Columns:
    """Which columns hold the pair, and what holds where a row does not say."""

    prompt: str = "prompt"
    chosen: str = "chosen"
    rejected: str = "rejected"
    source: str = "gold"
    system: str = ""
    stratum: str = ""

    @property
    def names(self) -> PairNames:
        """The columns of the pair alone."""
        return PairNames(self.prompt, self.chosen, self.rejected)

    @property
    def needed(self) -> tuple[str, ...]:
        """The columns of the pair, whose lists have to be read."""
        return (self.prompt, self.chosen, self.rejected)


@dataclass(frozen=True)
class PersonaRow:
    """One inferred persona, where it was read, and what participants must not know about it."""

    place: str
    text: str
    direction: str
    source: str
    system: str

    @property
    def condition(self) -> tuple[str, str, str]:
        """What participants must not know of it: direction, source, and the name of the inferring system."""
        return (self.direction, self.source, self.system)


@dataclass
class Pair:
    """A prompt with both responses and the personas inferred from them."""

    key: str
    prompt: str
    chosen: str
    rejected: str
    stratum: str
    personas: list[PersonaRow] = field(default_factory=list)
    answer_start: str = ""


def pair_key(prompt: str, chosen: str, rejected: str) -> str:
    """Return 12 hex digits that name a pair by what it says; the order of the responses is not to be seen in it."""
    content = json.dumps([prompt, *sorted([chosen, rejected])], ensure_ascii=False)
    return hashlib.sha256(content.encode("utf-8")).hexdigest()[:12]
