"""Rows of the export, unblinded and typed: what every part of the analysis starts from."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from operator import attrgetter
from typing import Any, Protocol, TypeVar

from annotation.elicitation.conditions import BOTH, ELICITED, FREE
from annotation.errors import ServiceError
from annotation.export import Table, study_tables
from annotation.export.writers import jsonl_lines
from annotation.models import Adjudication, Aspect, Assignment, Participant, Study
from modelhub.analysis.answers import Answer, Question, answers_as_ratings, question_of
from modelhub.analysis.systems import UnblindedArm, blinded_arms, find_system, systems_of
from modelhub.files.pairs import RESPONSES
from modelhub.models import PersonaOrigin
from modelhub.stats.texts import word_count

ALL, WITHOUT_EXCLUDED = "all", "without_excluded"
POPULATIONS = (ALL, WITHOUT_EXCLUDED)
POOLED = ""
# What the strata by the condition of writing are called: as it was assigned, whatever was done with it.
WRITINGS = {FREE: "personas to be written freely", ELICITED: "personas to be helped by questions"}
NO_STRATUM = "(none)"  # items without a stratum, in a study where others have one
CHOSEN, REJECTED = PersonaOrigin.Direction.CHOSEN.value, PersonaOrigin.Direction.REJECTED.value
_KINDS = (Assignment.Kind.MAIN, Assignment.Kind.OVERLAP, Assignment.Kind.REPEAT)


class HasStratum(Protocol):
    """An answer or a pair of them, which belongs to a data set and to a condition of writing."""

    @property
    def stratum(self) -> str: ...

    @property
    def writing(self) -> str: ...


Stratified = TypeVar("Stratified", bound=HasStratum)


@dataclass(frozen=True, slots=True)
class PersonaProvenance:
    """Where a given persona comes from."""

    direction: str
    source: str
    inferring_system: str


@dataclass(frozen=True)
class Data:
    """One study, ready to be analysed. `people` are rows of the export's table of participants.

    If `is_blinded`, arms are letters, and nothing is known of where personas come from.
    """

    study: Study
    questions: Mapping[str, Question]
    systems: tuple[UnblindedArm, ...]
    base: str | None
    test: str | None
    strata: tuple[str, ...]
    writings: tuple[str, ...]  # the conditions of writing, where a study has both
    answers: Sequence[Answer]
    people: Sequence[Mapping[str, Any]]
    seconds: Mapping[str, float]  # focused seconds on the rating page, by assignment
    output_words: Mapping[str, int]
    persona_words: Mapping[str, int]
    origins: Mapping[str, PersonaProvenance]
    excluded_personas: frozenset[str]
    sha256: str
    is_blinded: bool = False

    @property
    def declared(self) -> Mapping[str, Any]:
        """What the study file says of the analysis; blinded, without what tells the arms apart by their numbers."""
        analysis: dict[str, Any] = self.study.analysis
        hidden = ("base", "comparisons", "margin") if self.is_blinded else ()
        return {name: value for name, value in analysis.items() if name not in hidden}

    @property
    def prompts_fixed(self) -> bool:
        """Whether the study declares that its results are to hold for its own prompts alone."""
        return bool(self.declared.get("prompts") == "fixed")

    @property
    def raters_sampled(self) -> bool:
        """Whether a persona assessment declares that its results are to hold for other raters too."""
        return bool(self.declared.get("raters") == "sampled")

    @property
    def contrasts(self) -> list[tuple[str, str]]:
        """The pairs of systems that are compared, (base, test), that of `base` and `test` first.

        Those that the study file declares; else every pair, a base before the others, which stand by name.
        """
        if self.base is None or self.test is None:
            return []
        names = {system.arm: system.name for system in self.systems}
        declared = [(names[base], names[test]) for base, test in self.declared.get("comparisons", [])]
        others = [self.base, *sorted(name for name in names.values() if name != self.base)]
        wanted = declared or list(combinations(others, 2))
        main = (self.base, self.test)
        return [main, *(pair for pair in wanted if pair not in (main, main[::-1]))]

    def contrast(self, base: str, test: str) -> "Data":
        """Return the same answers with other systems compared."""
        return replace(self, base=base, test=test)

    @property
    def main(self) -> list[Answer]:
        """The answers of the main comparison."""
        return [answer for answer in self.answers if answer.kind == Assignment.Kind.MAIN]

    def of_kind(self, *kinds: str) -> list[Question]:
        """Return the questions of these kinds, in order."""
        return [question for question in self.questions.values() if question.kind in kinds]

    def population(self, name: str) -> "Data":
        """Return all, or what is left without excluded participants, parts set aside, and pairs excluded later on."""
        if name == ALL:
            return self
        kept = [a for a in self.answers if not a.is_left_out and a.persona not in self.excluded_personas]
        return self if len(kept) == len(self.answers) else replace(self, answers=kept)

    def stratum(self, name: str) -> "Data":
        """Return the answers on items of one stratum, or on personas of one condition, or everything for POOLED."""
        return self if name == POOLED else replace(self, answers=self.of_stratum(name, self.answers))

    def of_stratum(self, name: str, rows: Sequence[Stratified]) -> list[Stratified]:
        """Return the answers, or pairs of them, that belong to one stratum or condition, or all for POOLED."""
        of = attrgetter("writing" if name in self.writings else "stratum")
        return list(rows) if name == POOLED else [row for row in rows if of(row) == name]


def load_data(
    study: Study,
    *,
    include_bots: bool = False,
    base: str | None = None,
    test: str | None = None,
    blinded: bool = False,
) -> Data:
    """Read a study's export and unblind it, unless it is to stay `blinded`; a dozen queries, however large the study.

    Raises:
        ServiceError: `base` or `test` is no system of the study.
    """
    tables = study_tables(study, include_bots=include_bots)
    systems = blinded_arms(study) if blinded else systems_of(study)
    strata = _strata(study)
    names = {system.code: system.name for system in systems}
    rows, seconds, sha256 = _answers(tables["ratings"], names, has_strata=bool(strata))
    words, excluded = _outputs(tables["outputs"])
    aspects = {aspect.key: aspect for aspect in study.aspects.exclude(kind=Aspect.Kind.CHECK).order_by("ordinal")}
    rows = answers_as_ratings(rows, aspects)
    first, second = _first_two(systems) if blinded else _compared(study, systems, base, test)
    return Data(
        study=study,
        questions={key: question_of(aspect, arms=len(systems)) for key, aspect in aspects.items()},
        systems=systems,
        base=first,
        test=second,
        strata=strata,
        writings=tuple(WRITINGS.values()) if study.elicitation.get("condition") == BOTH else (),
        answers=rows,
        people=[row for row in tables["participants"].rows() if row["participant_kind"] != Participant.Kind.PREVIEW],
        seconds=seconds,
        output_words=words,
        persona_words={row["persona"]: word_count(row["text"]) for row in tables["personas"].rows() if row["text"]},
        origins={} if blinded else _origins(study),
        excluded_personas=excluded,
        sha256=sha256,
        is_blinded=blinded,
    )


def _strata(study: Study) -> tuple[str, ...]:
    """Return the strata by name, where the items are of two or more."""
    items = study.items.filter(planted_part__isnull=True).order_by()
    names = sorted({name or NO_STRATUM for name in items.values_list("stratum", flat=True).distinct()})
    return tuple(names) if len(names) > 1 else ()


def _compared(
    study: Study, systems: tuple[UnblindedArm, ...], base: str | None, test: str | None
) -> tuple[str | None, str | None]:
    """Return the names of the two systems that paired reports compare.

    Those asked for; else the first comparison that the study file declares, or its base, a control, the first by name.
    """
    declared = {system.arm: system.name for system in systems}
    pairs = [(declared[one], declared[other]) for one, other in study.analysis.get("comparisons", [])]
    if pairs and not base and not test:
        return pairs[0]
    first = find_system(systems, base) if base else _default_base(study, systems)
    others = sorted(system.name for system in systems if system.name != first)
    second = find_system(systems, test) if test else (others[0] if others else None)
    if first is not None and first == second:
        raise ServiceError(f"Base and test are both {first!r}; a comparison needs two systems.")
    return first, second


def _first_two(systems: Sequence[UnblindedArm]) -> tuple[str | None, str | None]:
    names = [system.name for system in systems]
    return next(iter(names), None), next(iter(names[1:]), None)


def _default_base(study: Study, systems: tuple[UnblindedArm, ...]) -> str | None:
    names = sorted(system.name for system in systems)
    if study.kind == Study.Kind.PERSONA_ASSESSMENT and set(RESPONSES.values()) == set(names):
        return RESPONSES[REJECTED]
    declared = [system.name for system in systems if system.arm == study.analysis.get("base")]
    controls = [system.name for system in systems if system.is_control]
    return next(iter([*declared, *controls, *names]), None)


def _answers(table: Table, names: Mapping[str, str], *, has_strata: bool) -> tuple[list[Answer], dict[str, float], str]:
    """Return the answers that count, the seconds by part, and the SHA-256 of the table as JSONL."""
    kept: list[Answer] = []
    seconds: dict[str, float] = {}

    def passing() -> Iterator[dict[str, Any]]:
        for row in table.rows():
            if _counts(row):
                kept.append(_answer(row, names, has_strata=has_strata))
                seconds[row["assignment"]] = row["rate_focused_seconds"]
            yield row

    digest = hashlib.sha256()
    for line in jsonl_lines(replace(table, rows=passing)):
        digest.update(line.encode())
    return kept, seconds, digest.hexdigest()


def _counts(row: Mapping[str, Any]) -> bool:
    return (
        row["participant_kind"] != Participant.Kind.PREVIEW
        and row["assignment_state"] == Assignment.State.COMPLETED
        and row["assignment_kind"] in _KINDS
        and row["aspect_kind"] != Aspect.Kind.CHECK
    )


def _answer(row: Mapping[str, Any], names: Mapping[str, str], *, has_strata: bool) -> Answer:
    return Answer(
        participant=row["participant"],
        excluded=row["excluded"],
        assignment=row["assignment"],
        kind=row["assignment_kind"],
        repeat_of=row["repeat_of"],
        ordinal=row["ordinal"],
        item=row["item"],
        stratum=row["stratum"] or (NO_STRATUM if has_strata else ""),
        persona=row["persona"],
        is_written=row["persona_source"] == "written",
        writing=WRITINGS.get(row["writing_condition"], ""),
        output=row["output"],
        system=names.get(row["arm"] or ""),
        position=row["position"],
        aspect=row["aspect"],
        value=row["value"],
        preferred=names.get(row["preferred_arm"] or ""),
        ranked=tuple(names.get(code, "") for code in (row["ranked_arms"] or "").split()),
        set_aside=row["adjudicated"] == Adjudication.Decision.SET_ASIDE,
    )


def _outputs(table: Table) -> tuple[dict[str, int], frozenset[str]]:
    """Return words by output, without those whose text was erased, and the personas whose outputs were excluded."""
    words, excluded = {}, set()
    for row in table.rows():
        if row["text"]:
            words[row["output"]] = word_count(row["text"])
        if row["excluded_at"]:
            excluded.add(row["persona"])
    return words, frozenset(excluded)


def _origins(study: Study) -> dict[str, PersonaProvenance]:
    rows = PersonaOrigin.objects.filter(persona__item__study=study).values_list(
        "persona__key", "direction", "source", "inferring_system__name"
    )
    return {key: PersonaProvenance(direction, source, name or "") for key, direction, source, name in rows}
