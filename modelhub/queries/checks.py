"""Judges' checks of personas: which of them picked what, and which personas are good enough to learn from."""

from django.db.models import Exists, OuterRef, Q

from modelhub.models import Direction, InferredPersona, PersonaCheck, System

ANY, UNFLAGGED, CHECKED = "any", "unflagged", "checked"
QUALITIES = (ANY, UNFLAGGED, CHECKED)


def picked(shown_first: str, shown_second: str) -> Q:
    """Return the checks that picked the response explained (`A` where it was shown first, else `B`), or the other."""
    as_is, swapped = PersonaCheck.Order.AS_IS, PersonaCheck.Order.SWAPPED
    explained_first = Q(persona__direction=Direction.CHOSEN, order=as_is) | Q(
        persona__direction=Direction.REJECTED, order=swapped
    )
    explained_second = Q(persona__direction=Direction.CHOSEN, order=swapped) | Q(
        persona__direction=Direction.REJECTED, order=as_is
    )
    return (explained_first & Q(verdict=shown_first)) | (explained_second & Q(verdict=shown_second))


def unfit_personas(dataset: str, system: System, quality: str) -> set[tuple[int, str]]:
    """Return the personas that are not good enough, by the id of their pair and their direction.

    UNFLAGGED asks for one that the screening has nothing against, CHECKED also for checks by a judge all of which took
    the response that the persona explains for its user's choice: a persona that nobody has checked is not good enough.
    """
    if quality == ANY:
        return set()
    personas = InferredPersona.objects.filter(system=system, pair__dataset=dataset).order_by()
    unfit = ~Q(flags=[])
    if quality == CHECKED:
        checks = PersonaCheck.objects.filter(persona=OuterRef("pk"))
        unfit |= ~Exists(checks) | Exists(checks.exclude(picked("A", "B")))
    return set(personas.filter(unfit).values_list("pair_id", "direction"))
