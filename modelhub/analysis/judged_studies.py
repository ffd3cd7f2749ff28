"""What judges say of the very texts that people assessed in a study, in the form in which `analyze` compares both.

It holds opaque keys, orders and verdicts: neither texts nor systems. It tells, however, which output of a pair a judge
prefers, so it is read as unblinded results are: by analysts, once the study is closed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from annotation.errors import NotAllowedNow, ServiceError
from annotation.models import Output, Persona, Study
from modelhub.analysis.data import load_data
from modelhub.analysis.judge import PERSONA
from modelhub.analysis.systems import systems_of
from modelhub.models import ArmBinding, Judgement, PersonaCheck, PersonaVerdict, System
from modelhub.stats.winrate import ORDERS

_BASE_FIRST, _TEST_FIRST = ORDERS


@dataclass(frozen=True)
class StudyJudgements:
    """`rows` as `win_rates` reads them. Of the study's given `units`, so many are judged; of others the judge saw
    another text than participants did."""

    rows: list[dict[str, Any]]
    units: int
    judged: int
    other_text: int


@dataclass(frozen=True)
class _ShownPair:
    """A given persona of the study with the texts of base and test that participants saw for it."""

    key: str
    base: str
    test: str


def study_judgements(
    study: Study, judge: System, *, rubric: str = "", base: str | None = None, test: str | None = None
) -> StudyJudgements:
    """Return the verdicts of a judge on a closed study's outputs, or on its personas in a persona assessment.

    A unit is matched by the key of its pair, its persona and the texts of both outputs; base and test are those of the
    analysis. Raises NotAllowedNow unless the study is closed, and ServiceError if the judge has said nothing that fits,
    or under several rubrics of which none is named.
    """
    if study.state != Study.State.CLOSED:
        raise NotAllowedNow(f"{study} is {study.state}; judgements are compared with people once it is closed.")
    if study.kind == Study.Kind.PERSONA_ASSESSMENT:
        found = _persona_checks(study, judge, rubric)
    else:
        found = _output_judgements(study, judge, rubric, base, test)
    if not found.rows:
        raise ServiceError(
            f"{judge.name} has judged none of the {found.units} given personas of {study} with the texts that "
            f"participants saw; with other texts: {found.other_text}. See judge and check_personas."
        )
    return found


def _output_judgements(study: Study, judge: System, rubric: str, base: str | None, test: str | None) -> StudyJudgements:
    sides = _sides(study, base, test)
    made = Judgement.objects.filter(
        judge=judge, base__system__in=sides, test__system__in=sides, base__excluded_reason="",
        test__excluded_reason="", test__pair__key__in=study.items.values("key"),
    )  # fmt: skip
    rubric = _one_rubric(made.values_list("rubric", flat=True), judge, rubric)
    units = _units(study, sides)
    rows: dict[tuple[str, str, str], dict[str, Any]] = {}
    others = set()
    for one in made.filter(rubric=rubric).select_related("base", "test__pair").order_by("pk"):
        unit = units.get((one.test.pair.key, one.test.persona.strip()))
        if unit is None or one.base.system_id == one.test.system_id:
            continue
        as_analysed = sides[one.test.system_id] == "test"
        texts = (one.base.text, one.test.text) if as_analysed else (one.test.text, one.base.text)
        if (unit.base, unit.test) != tuple(text.strip() for text in texts):
            others.add(unit.key)
            continue
        order = one.order if as_analysed else _other(one.order)
        rows.setdefault((unit.key, one.metric, order), _row(unit.key, one.metric, order, one.verdict))
    return _found(rows, len(units), others)


def _persona_checks(study: Study, judge: System, rubric: str) -> StudyJudgements:
    """Return what the judge picked for each persona; the chosen response is the test."""
    made = PersonaCheck.objects.filter(judge=judge, persona__pair__key__in=study.items.values("key"))
    rubric = _one_rubric(made.values_list("rubric", flat=True), judge, rubric)
    personas = _given(study).select_related("item", "origin__inferring_system")
    units = {
        (one.item.key, one.origin.direction, one.origin.inferring_system_id): one
        for one in personas.filter(origin__isnull=False)
    }
    rows: dict[tuple[str, str, str], dict[str, Any]] = {}
    others = set()
    for check in made.filter(rubric=rubric).select_related("persona__pair").order_by("pk"):
        persona = check.persona
        unit = units.get((persona.pair.key, persona.direction, persona.system_id))
        if unit is None:
            continue
        if unit.text.strip() != persona.text.strip():
            others.add(unit.key)
            continue
        order = _TEST_FIRST if check.order == PersonaVerdict.Order.AS_IS else _BASE_FIRST
        rows.setdefault((unit.key, PERSONA, order), _row(unit.key, PERSONA, order, check.verdict))
    return _found(rows, len(units), others)


def _sides(study: Study, base: str | None, test: str | None) -> dict[int, str]:
    """Return `base` and `test` by the id of their system, as the analysis has them."""
    data = load_data(study, base=base, test=test)
    bound = dict(ArmBinding.objects.filter(arm__study=study).values_list("arm__ordinal", "system"))
    sides = {
        bound[system.arm]: side
        for system in systems_of(study)
        for side, name in (("base", data.base), ("test", data.test))
        if system.name == name and system.arm in bound
    }
    if len(sides) < 2:
        raise ServiceError(f"{study} does not compare two systems: bind its arms, or name others as base and test.")
    return sides


def _units(study: Study, sides: Mapping[int, str]) -> dict[tuple[str, str], _ShownPair]:
    """Return the given personas that have both outputs, by the key of their item and their text."""
    outputs = Output.objects.filter(
        persona__in=_given(study), arm__binding__system__in=sides, sample=0, planted=Output.Planted.NO
    )
    found: dict[tuple[str, str], dict[str, str]] = {}
    keys: dict[tuple[str, str], str] = {}
    for output in outputs.exclude(text="").select_related("persona__item", "arm__binding"):
        persona = output.persona
        place = (persona.item.key, persona.text.strip())
        keys[place] = persona.key
        found.setdefault(place, {})[sides[output.arm.binding.system_id]] = output.text.strip()
    return {place: _ShownPair(keys[place], **texts) for place, texts in found.items() if len(texts) == 2}


def _given(study: Study) -> Any:
    return Persona.objects.filter(item__study=study, source=Persona.Source.GIVEN)


def _one_rubric(known: Iterable[str], judge: System, wanted: str) -> str:
    found = sorted(set(known))
    if wanted:
        return wanted
    if len(found) > 1:
        raise ServiceError(f"{judge.name} was asked under several rubrics: {', '.join(found)}. Name one with --rubric.")
    return found[0] if found else ""


def _other(order: str) -> str:
    return _TEST_FIRST if order == _BASE_FIRST else _BASE_FIRST


def _row(unit: str, metric: str, order: str, verdict: str) -> dict[str, Any]:
    return {"pair_id": unit, "metric": metric, "order": order, "verdict": verdict or None}


def _found(rows: Mapping[tuple[str, str, str], dict[str, Any]], units: int, others: set[str]) -> StudyJudgements:
    judged = {unit for unit, _, _ in rows}
    return StudyJudgements(list(rows.values()), units, len(judged), len(others - judged))
