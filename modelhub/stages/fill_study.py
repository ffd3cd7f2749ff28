"""Bring personas of the database into draft studies: to be assessed themselves, or to have outputs rated for them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from annotation.errors import ServiceError
from annotation.models import Item, Study, User
from modelhub.files.pairs import Pair, PersonaRow
from modelhub.files.preferences import split_digest
from modelhub.models import Direction, PreferencePair, System
from modelhub.profiles import DatasetProfile
from modelhub.queries.datasets import inferring_system, splits_of
from modelhub.queries.personas import Texts, gold_personas, retrieved_personas, retriever_of
from modelhub.stages.profiles import profile_of
from modelhub.stages.study_personas import StudyPersonasReport, study_personas_add, study_takes_personas
from modelhub.stats.sampling import balanced_draw

MAX_SEED = 2**31 - 1  # what a run can keep
_LONGEST_START = Item._meta.get_field("answer_start").max_length or 0


@dataclass(frozen=True)
class WantedPersonas:
    """Which personas are brought. Of `splits` none means all, of `systems` none means the only one there is.

    Only pairs that have every persona asked for are taken; of these `limit` pairs, drawn by `seed`, as many of each
    data set as of the others.
    """

    datasets: Sequence[str]
    splits: Sequence[str] = ()
    systems: Sequence[str] = ()
    source: str = "gold"
    retriever: str = ""
    directions: Sequence[str] = tuple(Direction.values)
    limit: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class FillReport:
    """What was brought into a study, and how many pairs could not be, since they lack a persona or a response."""

    study: StudyPersonasReport
    incomplete: int


@dataclass
class _Candidates:
    pairs: dict[tuple[str, str], tuple[Pair, str]] = field(default_factory=dict)
    """Pair and SHA-256 by data set and key."""
    incomplete: int = 0


def add_inferred_personas(*, study: Study, wanted: WantedPersonas, user: User | None = None) -> FillReport:
    """Bring personas with their pairs into a draft persona assessment; what is there already stays as it is.

    Raises NotAllowedNow unless the study is a draft that imports its items, ServiceError for unknown names or where the
    study has another text for a persona; nothing is written then.
    """
    study_takes_personas(study, Study.Kind.PERSONA_ASSESSMENT)
    return _fill(study, wanted, "add_inferred_personas", {}, user)


def add_personas_to_rate(
    *, study: Study, wanted: WantedPersonas, profile: str = "", user: User | None = None
) -> FillReport:
    """Bring prompts, each with its personas, into a draft output rating; outputs are made or imported later.

    `profile` says how answers start; by default it is the one called like the data set. Raises as
    `add_inferred_personas` does.
    """
    study_takes_personas(study, Study.Kind.OUTPUT_RATING)
    for dataset in wanted.datasets:
        splits_of(dataset, wanted.splits)  # before the profiles: a wrong name is no missing profile
    profiles = {dataset: profile_of(profile or dataset) for dataset in wanted.datasets}
    return _fill(study, wanted, "add_personas_to_rate", profiles, user)


def _fill(
    study: Study, wanted: WantedPersonas, stage: str, profiles: dict[str, DatasetProfile], user: User | None
) -> FillReport:
    if wanted.seed > MAX_SEED:
        raise ServiceError(f"--seed is {wanted.seed}; seeds go up to {MAX_SEED}.")
    found = _Candidates()
    with_responses = study.kind == Study.Kind.PERSONA_ASSESSMENT and study.show_responses
    for dataset in dict.fromkeys(wanted.datasets):
        _collect(found, dataset, wanted, profiles.get(dataset), with_responses=with_responses)
    if not found.pairs:
        raise ServiceError(
            f"No pair has all personas asked for; {found.incomplete} lack some of them, or a response to show."
        )
    drawn = balanced_draw(list(found.pairs), limit=wanted.limit, seed=wanted.seed)
    pairs: dict[str, tuple[Pair, str]] = {}
    for name in (name for name in found.pairs if name in drawn):
        pairs.setdefault(name[1], found.pairs[name])  # two data sets may share a pair; it is one item then
    report = study_personas_add(
        study=study,
        pairs=[pair for pair, _ in pairs.values()],
        stage=stage,
        arguments={"study": str(study), **asdict(wanted), "profiles": {key: one.name for key, one in profiles.items()}},
        sha256s=[split_digest(sha256 for _, sha256 in pairs.values())],
        seed=wanted.seed,
        user=user,
    )
    return FillReport(report, found.incomplete)


def _collect(
    found: _Candidates, dataset: str, wanted: WantedPersonas, profile: DatasetProfile | None, *, with_responses: bool
) -> None:
    """Add the pairs of a data set that have everything asked for."""
    splits = splits_of(dataset, wanted.splits)
    systems = [inferring_system(dataset, name) for name in wanted.systems or [""]]
    texts = [(system, _texts(dataset, splits, system, wanted)) for system in systems]
    pairs = PreferencePair.objects.filter(dataset=dataset, split__in=splits).order_by("split", "row", "pk")
    for stored in pairs.iterator():
        personas = [
            PersonaRow(str(stored), text, direction, wanted.source, system.name)
            for system, of_system in texts
            for direction in wanted.directions
            if (text := of_system.get(stored.pk, {}).get(direction))
        ]
        lacks_response = with_responses and not (stored.chosen and stored.rejected)
        if len(personas) < len(texts) * len(wanted.directions) or lacks_response:
            found.incomplete += 1
            continue
        pair = Pair(
            stored.key, stored.prompt.strip(), stored.chosen.strip(), stored.rejected.strip(), dataset, personas,
            answer_start(profile, stored) if profile else "",
        )  # fmt: skip
        found.pairs.setdefault((dataset, stored.key), (pair, stored.sha256))


def _texts(dataset: str, splits: Sequence[str], system: System, wanted: WantedPersonas) -> Texts:
    if wanted.source == "gold":
        return gold_personas(dataset, splits, system)
    return retrieved_personas(dataset, splits, system, retriever_of(dataset, splits, wanted.retriever))


def answer_start(profile: DatasetProfile, pair: PreferencePair) -> str:
    """Return the words that answers to the pair's item begin with; raise ServiceError if an item cannot hold them."""
    start = profile.answer_start(pair.prompt.strip())
    if len(start) > _LONGEST_START:
        raise ServiceError(
            f"{pair}: the answer would start with {len(start)} characters, and {_LONGEST_START} fit. Check the profile."
        )
    return start
