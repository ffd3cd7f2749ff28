"""A study as other tools see one: records with texts, questions with options, and who chose which.

One record is one persona: its prompt, its text, and an output of every arm. A question about an output is one question
for each arm; one about a pair has the arms as its options, since the side is not what other tools ask for.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby, islice
from operator import itemgetter

from annotation.export import querysets as q
from annotation.export.release import Found, looked_through
from annotation.export.rows import Row, rated
from annotation.export.scope import Scope
from annotation.export.tables import Table, study_tables
from annotation.models import Aspect, Assignment, Item, Rating, Study

_CHUNK = 200
_SIDES = {3: "tie", 4: "both_bad"}
ASKED = (Aspect.Kind.RATING, Aspect.Kind.COMPARISON, Aspect.Kind.PICK, Aspect.Kind.PERSONA)
LOST = (
    "Answers to attention checks and planted pairs, and in parts that are unfinished or were shown a second time.",
    "Answers of participants who were excluded, and in places that somebody else had filled.",
    "Earlier answers that were changed, times, flags, questionnaires, quizzes, reasons and remarks.",
    "Whether a participant wrote the persona, and the other wording of a question for those who did not.",
    "Which side a response stood on, except where it says so here; comparisons are told by arm.",
    "Questions of other kinds than ratings, comparisons, picks and ratings of the persona; passages are in `spans`.",
)


@dataclass(frozen=True)
class ToolQuestion:
    """A question with its options: (value, words). `arm` is the code of the arm whose output it is about, or ""."""

    name: str
    text: str
    options: tuple[tuple[str, str], ...]
    arm: str = ""


@dataclass
class RatedUnit:
    """One record. `outputs` by arm code; by participant: `answers` to questions, and the arm that was shown `first`."""

    key: str
    item: str
    prompt: str
    persona: str
    outputs: dict[str, str]
    image_file: str = ""
    image_alt: str = ""
    answers: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    first: dict[str, str] = field(default_factory=dict)


def plain(code: str) -> str:
    """Return an arm's code as a name that every tool takes for a field."""
    return code.replace("-", "_")


def questions_of(study: Study) -> list[ToolQuestion]:
    """Return the questions, in the order of the study file and of the arms' codes."""
    codes = list(study.arms.order_by("code").values_list("code", flat=True))
    asked: list[ToolQuestion] = []
    for aspect in study.aspects.filter(kind__in=ASKED).order_by("ordinal"):
        if aspect.kind in q.OF_A_PAIR:
            asked.append(ToolQuestion(aspect.key, aspect.question, _sides(aspect, codes)))
            continue
        options = tuple((str(value), f"{value} {label}") for value, label in aspect.options)
        if aspect.kind == Aspect.Kind.PERSONA:
            asked.append(ToolQuestion(aspect.key, aspect.question, options))
        else:
            asked += [ToolQuestion(_named(aspect.key, code), aspect.question, options, code) for code in codes]
    return asked


def _sides(aspect: Aspect, codes: list[str]) -> tuple[tuple[str, str], ...]:
    others = [_SIDES[value] for value, _ in aspect.options if value in _SIDES]
    return tuple((name, name) for name in (*codes, *others))


def _named(key: str, code: str) -> str:
    return f"{key}_{plain(code)}"


def units_of(study: Study, *, include_bots: bool, release: bool, found: Found) -> Iterator[RatedUnit]:
    """Yield the records of a study, by item, a chunk at a time; `release` puts marks in place of addresses."""
    scope, tables = Scope.of(study, include_bots=include_bots), study_tables(study, include_bots=include_bots)
    read = {name: _read(tables[name], found, release) for name in ("personas", "outputs", "items")}
    rows = {row["item"]: row for row in read["items"]}
    planted = set(Item.objects.filter(study=study, planted_part__isnull=False).values_list("key", flat=True))
    outputs = groupby((row for row in read["outputs"] if not row["planted"]), key=itemgetter("persona"))
    current = next(outputs, None)
    units: list[RatedUnit] = []
    for row in read["personas"]:
        made: list[Row] = []
        if current and current[0] == row["persona"]:
            made, current = list(current[1]), next(outputs, None)
        texts = {one["arm"]: one["text"] for one in made if one["sample"] == 0 and one["text"]}
        if row["item"] not in planted and len(texts) >= len(scope.arm_codes):
            item = rows[row["item"]]
            shown = (item["image_file"], item["image_alt"])
            units.append(RatedUnit(row["persona"], row["item"], item["prompt"], row["text"], texts, *shown))
        if len(units) == _CHUNK:
            yield from _answered(scope, units)
            units = []
    yield from _answered(scope, units)


def _read(table: Table, found: Found, release: bool) -> Iterator[Row]:
    return looked_through(table, found, release=release).rows()


def _answered(scope: Scope, units: list[RatedUnit]) -> Iterator[RatedUnit]:
    """Yield the units with their answers, which are read for all of them at once."""
    by_key = {unit.key: unit for unit in units}
    for row, _ in rated(scope, _analysed(scope, by_key), {}):
        unit, name = by_key[row["persona"]], row["aspect"]
        is_of_pair = row["aspect_kind"] in q.OF_A_PAIR
        value = row["preferred_arm"] or _SIDES[row["value"]] if is_of_pair else str(row["value"])
        if row["aspect_kind"] == Aspect.Kind.RATING:
            name = _named(name, row["arm"])
        unit.answers[row["participant"]][name] = value
        if row["position"] == 1 and row["arm"]:
            unit.first[row["participant"]] = row["arm"]
    yield from units


def _analysed(scope: Scope, by_key: dict[str, RatedUnit]) -> "q.QuerySet[Rating]":
    path = "slot__assignment__"
    return q.current_answers_of(scope).filter(**{
        f"{path}persona__key__in": list(islice(by_key, _CHUNK)),
        f"{path}state": Assignment.State.COMPLETED,
        f"{path}kind__in": (Assignment.Kind.MAIN, Assignment.Kind.OVERLAP),
        f"{path}surplus": False,
        f"{path}participant__excluded_at__isnull": True,
        "aspect__kind__in": ASKED,
    })  # fmt: skip
