"""How long a study keeps what: the limits of its file, counted in days from its closing. Reads only."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from annotation.models import RetentionStep, Study

Kind = RetentionStep.Kind


@dataclass(frozen=True)
class Limit:
    """One limit of a study. `due_at` is None until the study is closed, `done_at` until it has been carried out."""

    kind: RetentionStep.Kind
    days: int
    due_at: datetime | None
    done_at: datetime | None

    def is_due(self, now: datetime) -> bool:
        """Return whether it is to be carried out now."""
        return self.done_at is None and self.due_at is not None and self.due_at <= now


def limits_of(study: Study) -> list[Limit]:
    """Return the limits that the study's file sets, in the order in which they are carried out."""
    done = dict(RetentionStep.objects.filter(study=study).values_list("kind", "done_at"))
    return [
        Limit(kind, days, study.closed_at + timedelta(days=days) if study.closed_at else None, done.get(kind))
        for kind in Kind
        if (days := study.retention.get(f"{kind}_days")) is not None
    ]
