"""Let outputs be made while their reader is still reading, or rating the part before."""

from collections.abc import Iterator
from datetime import timedelta

from django.db.models import Count
from django.utils import timezone

from annotation.models import Output, Participant, Persona, Study
from annotation.services.handout import persona_foreseen
from annotation.services.queue import outputs_prepare, requested_outputs

# Who agreed longer ago has left, or their outputs have long been made.
_RECENT = timedelta(hours=6)
_AT_ONCE = 50  # people that one look goes through


class Foresight:
    """Looks at each participant once for each part of theirs, and brings forward what they will need next."""

    def __init__(self, study: Study | None) -> None:
        self._study = study
        self._seen: set[tuple[int, int]] = set()

    def look(self) -> None:
        """Bring forward the given personas that people who are at work will be handed next, as far as can be seen."""
        for participant, parts in self._unseen():
            self._seen.add((participant.pk, parts))
            foreseen = persona_foreseen(participant)
            if foreseen is not None:
                outputs_prepare(persona=Persona.objects.select_related("item").get(pk=foreseen))

    def _unseen(self) -> Iterator[tuple[Participant, int]]:
        bulk = requested_outputs().filter(urgency=Output.Urgency.BULK, arm__study__state=Study.State.OPEN)
        if self._study is not None:
            bulk = bulk.filter(arm__study=self._study)
        studies = list(bulk.order_by().values_list("arm__study", flat=True).distinct())
        if not studies:
            return
        people = Participant.objects.filter(
            study__in=studies, consented_at__gt=timezone.now() - _RECENT, completed_at=None, withdrawn_at=None,
            screened_out_at=None, excluded_at=None,
        )  # fmt: skip
        counted = people.annotate(parts=Count("assignments")).select_related("study").order_by("-consented_at")
        unseen = (one for one in counted if (one.pk, one.parts) not in self._seen)
        yield from ((one, one.parts) for one, _ in zip(unseen, range(_AT_ONCE), strict=False))
