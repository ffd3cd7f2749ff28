"""Small real studies and their results, each analysed once for all tests that read it."""

from collections.abc import Callable
from dataclasses import dataclass

from annotation.models import Item, Study
from modelhub.analysis.data import Data, load_data
from modelhub.analysis.results import analyze_data
from modelhub.report.facts import StudyFacts, study_facts
from modelhub.report.longtable import long_rows
from modelhub.results.report import Results
from modelhub.stats.winrate import Verdict
from tests.annotation.study_rows import add_participant
from tests.modelhub.analysis.asked import asked_study
from tests.modelhub.analysis.studies import make_bound_study, own_persona, own_persona_study, persona_study, rate

TITLE = "A made-up <study> & its results: 50 % of $5 #1_a {b} ~c^d \\e, Größe, α Δ, 中文, عربي"
HOSTILE = "x<b>&_" + "y" * 74  # as long as a name may be
ANALYSIS = {"family": ["personalization"], "margin": {"answerability": 0.25}}


@dataclass(frozen=True)
class Made:
    """A study's results, and what its report needs beside them."""

    results: Results
    facts: StudyFacts
    rows: list[dict[str, object]]


def analysed(study: Study, *, include_bots: bool = False, judgements: list[Verdict] | None = None) -> Made:
    data: Data = load_data(study, include_bots=include_bots)
    found = analyze_data(data, replicates=100, command="manage.py analyze", judgements=judgements)
    return Made(found, study_facts(study), list(long_rows(data)))


def own_study() -> Study:
    """Ratings of own personas over shared prompts of two data sets, one person excluded, some parts rated twice."""
    study = own_persona_study(participants=8, items=12, effect={"personalization": 1.2}, repeat_share=0.2,
                              overlap_share=0.3)  # fmt: skip
    Item.objects.filter(study=study, ordinal__lte=6).update(stratum="advice")
    Item.objects.filter(study=study, ordinal__gt=6).update(stratum="dialogue")
    Study.objects.filter(pk=study.pk).update(title=TITLE, analysis=ANALYSIS, exclusion_rules={"failed_checks": 2})
    study.participants.filter(number=8).update(excluded_at=study.opened_at, excluded_reason="Slept")
    study.refresh_from_db()
    people = list(study.participants.order_by("number"))
    for person, other in zip(people, [*people[1:], people[0]], strict=True):
        first, second = person.assignments.order_by("ordinal")[:2]
        again = {"answerability": (2, 3), "personalization": (3, 4)}
        rate(other, first.persona, again, kind="overlap")  # type: ignore[arg-type]
        rate(person, second.persona, again, kind="repeat", repeat_of=second)  # type: ignore[arg-type]
    return study


def fixed_study() -> Study:
    """Few people, prompts declared as fixed, and the people who were not excluded as the primary population."""
    study = own_persona_study(participants=5, items=4, effect={"personalization": 2.0})
    analysis = {"prompts": "fixed", "population": "without_excluded"}
    Study.objects.filter(pk=study.pk).update(analysis=analysis)
    study.participants.filter(number=5).update(excluded_at=study.opened_at, excluded_reason="Slept")
    study.refresh_from_db()
    return study


def three_study() -> Study:
    """Three systems, compared in pairs, one of them of a name that would break markup."""
    study = make_bound_study(systems=("C", "A", HOSTILE), written_items=3, written_per_participant=3, comparison=False)
    for number in range(4):
        person = add_participant(
            study, consented_at=study.opened_at, consent_hash="c" * 64, completed_at=study.opened_at
        )
        for item in (1, 2, 3):
            persona = own_persona(person, f"item-{item}", words=(5, 6, 7))
            rate(person, persona, {"answerability": (1, 2, 4 - item % 2), "personalization": (3, 2 + number % 3, 3)})
    return study


def assessed_study() -> Study:
    """A persona assessment with questions of two answers and picks."""
    study = persona_study(pairs=12, raters=3, effect={"applicability": -0.8})
    study.aspects.filter(key="harm").update(level="nominal", minimum=1, maximum=2, labels=["No", "Yes"])
    study.aspects.get(key="harm").ratings.update(value=1, minimum=1, maximum=2)
    Study.objects.filter(pk=study.pk).update(analysis={"family": ["plausibility", "applicability"]})
    study.refresh_from_db()
    return study


def empty_study() -> Study:
    """Nobody came."""
    return own_persona_study(participants=0, items=2)


def lone_study() -> Study:
    """One system, whose responses are rated and compared with nothing."""
    study = make_bound_study(systems=("Alone",), written_items=3, written_per_participant=3, comparison=False)
    for number in range(4):
        person = add_participant(study)
        for item in (1, 2, 3):
            persona = own_persona(person, f"item-{item}", words=(4 + item,))
            rate(person, persona, {"answerability": (2 + item % 2,), "personalization": (3 + number % 3,)})
    return study


STUDIES: dict[str, Callable[[], Study]] = {
    "own": own_study, "fixed": fixed_study, "three": three_study, "assessed": assessed_study, "empty": empty_study,
    "asked": asked_study, "alone": lone_study,
}  # fmt: skip
