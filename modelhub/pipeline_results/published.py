"""The published results of persona tailoring, to be shown beside ours."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from annotation.errors import ServiceError
from modelhub.profiles import load_profile

_FILE = Path(__file__).with_name("published.yaml")


@dataclass(frozen=True)
class Published:
    """Published figures of one row: shares of win, tie and loss in percent by metric, and Delta-PQ."""

    delta_pq: float
    shares: dict[str, tuple[float, float, float]]


@dataclass(frozen=True)
class Tables:
    """Both published tables. Rows are named by data set (the name of its profile) and source of the personas."""

    base: str
    test: str
    with_persona: dict[tuple[str, str], Published]
    average: Published
    without_persona: dict[tuple[str, str, str], float]
    """Delta-PQ by test, data set and source."""

    @property
    def techniques(self) -> list[str]:
        """What the rows of the second table are called."""
        return list(dict.fromkeys(test for test, _, _ in self.without_persona))


@cache
def published_tables() -> Tables:
    """Return the two published tables."""
    content = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    first = content["with_persona"]
    return Tables(
        base=first["base"],
        test=first["test"],
        with_persona={(row["dataset"], row["source"]): _row(row) for row in first["rows"]},
        average=_row(first["average"]),
        without_persona={
            (row["test"], dataset, row["source"]): value
            for row in content["without_persona"]
            for dataset, value in row["delta_pq"].items()
        },
    )


def published_name(dataset: str) -> str:
    """Return the name by which the published tables know a data set; its own where they cannot."""
    try:
        return load_profile(dataset).name
    except ServiceError:
        return dataset


def _row(row: dict[str, Any]) -> Published:
    metrics = ("personalization", "quality")
    return Published(row["delta_pq"], {metric: tuple(row[metric]) for metric in metrics})
