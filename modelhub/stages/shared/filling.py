"""Bring personas of the database into draft studies: to be assessed themselves, or to have outputs rated for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from annotation.errors import ServiceError
from annotation.models import Item, Study, User
from modelhub.files.pairs import SOURCES, Pair, PersonaRow
from modelhub.files.preferences import split_digest
from modelhub.models import Direction, PreferencePair, System
from modelhub.profiles import DatasetProfile
from modelhub.queries.datasets import inferring_system, splits_of
from modelhub.queries.personas import Texts, gold_personas, retrieved_personas, retriever_of
from modelhub.runs.parameters import Option, Parameters, Positive, Seed
from modelhub.runs.stage import Reporting
from modelhub.stages.shared import parameters as shared
from modelhub.stages.shared.study_personas import StudyPersonasReport, study_personas_add
from modelhub.stats.sampling import balanced_draw

_LONGEST_START = Item._meta.get_field("answer_start").max_length or 0


class FillOptions(Parameters):
    """Which personas are brought into a study. Of `split` none means all, of `system` none means the only one there is.

    Only pairs that have every persona asked for are taken; of these `limit` pairs, drawn by `seed`, as many of each
    data set as of the others.
    """

    study: shared.Study = Field(description=shared.STUDY)
    dataset: shared.Names = Field(description="as given to import_preferences")
    split: shared.Names = Field(default=(), description="only these splits; default: all")
    system: shared.Names = Field(default=(), description="what inferred them; default: the only one")
    persona: Annotated[str, Option(choices=lambda: SOURCES)] = Field(
        default="gold", description="inferred from the pair itself, or retrieved for it"
    )
    retriever: shared.Name = Field(default="", description="what retrieved; default: the only one")
    direction: Literal["chosen", "rejected", "both"] = Field(default="both", description="which personas")
    limit: Annotated[Positive | None, Option(metavar="N")] = Field(
        default=None, description="draw N pairs, balanced by data set"
    )
    seed: Annotated[Seed, Option(metavar="N")] = Field(default=0, description="decides the draw")

    @property
    def directions(self) -> Sequence[str]:
        """The directions that are meant."""
        return Direction.values if self.direction == "both" else [self.direction]


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


def fill_study(
    study: Study,
    wanted: FillOptions,
    stage: str,
    profiles: Mapping[str, DatasetProfile] | None = None,
    user: User | None = None,
) -> FillReport:
    """Bring personas with their pairs into a draft; what is there already stays as it is.

    With `profiles`, by data set, items say how answers start. Raises ServiceError for unknown names or where the study
    has another text for a persona; nothing is written then.
    """
    profiles = profiles or {}
    found = _Candidates()
    with_responses = study.kind == Study.Kind.PERSONA_ASSESSMENT and study.show_responses
    for dataset in dict.fromkeys(wanted.dataset):
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
        arguments={
            **wanted.stored(),
            "study": str(study),
            "profiles": {key: one.name for key, one in profiles.items()},
        },
        sha256s=[split_digest(sha256 for _, sha256 in pairs.values())],
        seed=wanted.seed,
        user=user,
    )
    return FillReport(report, found.incomplete)


def _collect(
    found: _Candidates, dataset: str, wanted: FillOptions, profile: DatasetProfile | None, *, with_responses: bool
) -> None:
    """Add the pairs of a data set that have everything asked for."""
    splits = splits_of(dataset, wanted.split)
    systems = [inferring_system(dataset, name) for name in wanted.system or [""]]
    texts = [(system, _texts(dataset, splits, system, wanted)) for system in systems]
    pairs = PreferencePair.objects.filter(dataset=dataset, split__in=splits).order_by("split", "row", "pk")
    for stored in pairs.iterator():
        personas = [
            PersonaRow(str(stored), text, direction, wanted.persona, system.name)
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


def _texts(dataset: str, splits: Sequence[str], system: System, wanted: FillOptions) -> Texts:
    if wanted.persona == "gold":
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


def report_filled(report: FillReport, reporting: Reporting) -> None:
    """Say what was brought into a study."""
    reporting.say(
        f"Run {report.study.run.key}: {report.study.pairs} pairs, {report.study.added} personas added, "
        f"{report.study.unchanged} were there already."
    )
    if report.incomplete:
        reporting.say(f"{report.incomplete} pairs lack a persona asked for, or a response to show.")
