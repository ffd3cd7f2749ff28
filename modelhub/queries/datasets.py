"""Reads of the stored preference pairs: which data sets, splits and inferring systems there are."""

from collections.abc import Sequence

from annotation.errors import ServiceError
from modelhub.models import InferredPersona, PreferencePair, System


def splits_of(dataset: str, wanted: Sequence[str] = ()) -> list[str]:
    """Return the wanted splits of a stored data set, all of them by default; raise ServiceError for unknown ones."""
    known = list(
        PreferencePair.objects.filter(dataset=dataset).order_by("split").values_list("split", flat=True).distinct()
    )
    if not known:
        names = PreferencePair.objects.order_by("dataset").values_list("dataset", flat=True).distinct()
        raise ServiceError(
            f"There is no data set called {dataset!r}. Imported: {', '.join(names) or 'none; see import_preferences'}."
        )
    missing = [name for name in wanted if name not in known]
    if missing:
        raise ServiceError(f"{dataset} has no split {', '.join(missing)}. It has: {', '.join(known)}.")
    return [name for name in known if name in wanted] if wanted else known


def system_named(name: str) -> System:
    """Return the registered system of this name; raise ServiceError naming the known ones otherwise."""
    system = System.objects.filter(name=name).first()
    if system is None:
        known = ", ".join(System.objects.values_list("name", flat=True)) or "none yet; see register_system"
        raise ServiceError(f"There is no system called {name!r}. Registered: {known}.")
    return system


def inferring_system(dataset: str, name: str = "") -> System:
    """Return the system whose personas of the data set are meant: the named one, or the only one there is.

    Raises ServiceError if it has inferred none, or if several have and none is named.
    """
    ids = InferredPersona.objects.filter(pair__dataset=dataset).order_by().values("system").distinct()
    found = list(System.objects.filter(pk__in=ids))
    if name:
        system = system_named(name)
        if system not in found:
            raise ServiceError(f"{name} has inferred no personas of {dataset}; see infer_personas.")
        return system
    if not found:
        raise ServiceError(
            f"{dataset} has no personas; see infer_personas, or import_preferences with persona columns."
        )
    if len(found) > 1:
        names = ", ".join(system.name for system in found)
        raise ServiceError(f"Several systems have inferred personas of {dataset}: {names}. Name one with --system.")
    return found[0]
