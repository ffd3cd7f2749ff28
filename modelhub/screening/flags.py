"""What a scan or a screening found in a text. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Flag:
    """One thing to look at: its kind, such as loop or copied, and what was found."""

    kind: str
    detail: str
