"""Columns of an export, and those that many tables begin with."""

from dataclasses import dataclass, field
from typing import Literal

from annotation.models import Participant, Persona

ColumnType = Literal["string", "integer", "number", "boolean", "timestamp"]


@dataclass(frozen=True)
class Column:
    """One column. `values` maps each allowed value to its meaning; empty where any value may stand.

    `typed` columns hold people's own words, or what was made from them: they may tell who somebody is.
    """

    name: str
    type: ColumnType
    meaning: str
    values: dict[str, str] = field(default_factory=dict)
    typed: bool = False


STUDY = (
    Column("study", "string", "The study's slug."),
    Column("study_version", "integer", "The study's version."),
    Column("protocol_hash", "string", "SHA-256 of the study's frozen definition; empty for a draft."),
)
PARTICIPANT = (
    Column("participant", "string", "The participant's public code."),
    Column("participant_kind", "string", "Who answered.", dict(Participant.Kind.choices)),
    Column("withdrawn", "boolean", "The participant left the study and let it keep the data."),
    Column("excluded", "boolean", "A researcher excluded the participant; nothing was removed."),
)
HOW_WRITTEN = (
    Column(
        "writing_condition",
        "string",
        "The condition that was assigned for writing this persona; empty for given ones, and in studies without the "
        "section `elicitation`.",
        dict(Persona.Condition.choices),
    ),
    Column(
        "written_as",
        "string",
        "What its author did, which may differ from what was assigned; empty for given ones.",
        dict(Persona.WrittenAs.choices),
    ),
)
