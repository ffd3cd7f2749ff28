"""What an export covers."""

from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from annotation.models import Aspect, Participant, Study


@dataclass(frozen=True)
class Scope:
    """One study, whose answers count, and the clock at the start of the export."""

    study: Study
    kinds: tuple[str, ...]
    arm_codes: tuple[str, ...]
    aspects: tuple[Aspect, ...]
    now: datetime
    external_ids: bool = False

    @classmethod
    def of(cls, study: Study, *, include_bots: bool, external_ids: bool = False) -> "Scope":
        """Return the scope of `study`: persons alone, or every kind of participant; with the ids others know them by
        only if asked for."""
        return cls(
            study=study,
            kinds=tuple(Participant.Kind.values) if include_bots else (Participant.Kind.PERSON.value,),
            arm_codes=tuple(study.arms.order_by("code").values_list("code", flat=True)),
            aspects=tuple(study.aspects.order_by("ordinal")),
            now=timezone.now(),
            external_ids=external_ids,
        )

    @property
    def rated_aspects(self) -> tuple[Aspect, ...]:
        """The aspects without attention checks, which stand in one part only."""
        return tuple(aspect for aspect in self.aspects if aspect.kind != Aspect.Kind.CHECK)

    @property
    def study_cells(self) -> dict[str, object]:
        """The columns that every row of every table starts with."""
        return {
            "study": self.study.slug,
            "study_version": self.study.version,
            "protocol_hash": self.study.protocol_hash,
        }
