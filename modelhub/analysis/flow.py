"""The participants' way through the study (CONSORT-like), and what the controls of quality found."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from statistics import median
from typing import Any

from annotation.controls.flags import rules_in_words
from annotation.models import Assignment
from modelhub.analysis.answers import Answer
from modelhub.analysis.data import ALL, WITHOUT_EXCLUDED, Data
from modelhub.results.study import CheckedParticipant, Checks, Exclusion, FlowStep, ParticipantFlow

_STEPS = (
    ("invited", "Invited"),
    ("consented", "Consented"),
    ("started", "Started"),
    ("completed", "Completed"),
    ("excluded", "Excluded"),
    ("analysed", "Analysed"),
)
_LEFT = (
    ("declined", "Declined consent"),
    ("screened_out", "Screened out"),
    ("returned", "Returned on the platform"),
    ("timed_out", "Timed out on the platform"),
)


def flow_report(data: Data) -> ParticipantFlow:
    """Return how many people reached each step, who was excluded and why, and whose answers are analysed.

    Excluded are all whom a researcher excluded, finished or not. `rule_fixed_beforehand` says that a rule of the study
    file, frozen at opening, flags these people.
    """
    analysed = {name: len({a.participant for a in data.population(name).main}) for name in (ALL, WITHOUT_EXCLUDED)}
    counts = Counter(step for person in data.people for step in _steps_of(person))
    counts["analysed"] = analysed[WITHOUT_EXCLUDED]
    reasons = Counter(
        (person["excluded_reason"], bool(person["flags"])) for person in data.people if person["excluded_at"]
    )
    return ParticipantFlow(
        steps=[FlowStep(key=key, label=label, n=counts[key]) for key, label in _STEPS],
        left=[FlowStep(key=key, label=label, n=counts[key]) for key, label in _LEFT],
        excluded=[
            Exclusion(reason=reason, n=n, rule_fixed_beforehand=fixed)
            for (reason, fixed), n in sorted(reasons.items(), key=lambda entry: (-entry[1], entry[0]))
        ],
        analysed=analysed[WITHOUT_EXCLUDED],
        analysed_all=analysed[ALL],
        withdrawn=sum(bool(person["withdrawn_at"] and not person["erased_at"]) for person in data.people),
        erased=sum(bool(person["erased_at"]) for person in data.people),
        excluded_pairs=len(data.excluded_personas),
    )


def checks_report(data: Data) -> Checks:
    """Return the flags, and one line per participant with answers that count; they exclude nobody by themselves."""
    present = {answer.participant for answer in data.answers}
    people = [person for person in data.people if person["participant"] in present]
    seconds = _median_seconds(data)
    repeats = _repeat_consistency(data)
    return Checks(
        rules=rules_in_words(data.study),
        flags=dict(Counter(rule for person in people for rule in person["flags"].splitlines())),
        failed=sum(person["checks_failed"] > 0 for person in people),
        participants=[
            CheckedParticipant(
                participant=person["participant"],
                checks_failed=person["checks_failed"],
                flags=person["flags"].splitlines(),
                excluded=person["excluded"],
                median_seconds=seconds.get(person["participant"]),
                repeat_exact=_share(repeats.get(person["participant"], [])),
                repeat_n=len(repeats.get(person["participant"], [])),
            )
            for person in people
        ],
    )


def _share(alike: list[bool]) -> float | None:
    return sum(alike) / len(alike) if alike else None


def _steps_of(person: Mapping[str, Any]) -> list[str]:
    state = person["platform_state"]
    reached = {
        "invited": True,
        "consented": person["consented_at"],
        "started": person["assignments"],
        "completed": person["completed_at"],
        "excluded": person["excluded_at"],
        "declined": person["declined_at"] or state == "no_consent",
        "screened_out": person["screened_out_at"] or state == "screened_out",
        "returned": state == "returned",
        "timed_out": state == "timed_out",
    }
    return [step for step, holds in reached.items() if holds]


def _median_seconds(data: Data) -> dict[str, float]:
    """Return the median focused seconds per rating page, by participant, where the browser reported any."""
    parts: defaultdict[str, dict[str, float]] = defaultdict(dict)
    for answer in data.answers:
        if data.seconds[answer.assignment] > 0:
            parts[answer.participant][answer.assignment] = data.seconds[answer.assignment]
    return {participant: median(own.values()) for participant, own in parts.items()}


def _repeat_consistency(data: Data) -> dict[str, list[bool]]:
    """Return whether each answer was given alike when a part came again, by participant."""
    first = {_question(answer, answer.assignment): answer for answer in data.main}
    alike: defaultdict[str, list[bool]] = defaultdict(list)
    for answer in data.answers:
        if answer.kind == Assignment.Kind.REPEAT and answer.repeat_of:
            before = first.get(_question(answer, answer.repeat_of))
            if before is not None:
                alike[answer.participant].append(_meaning(before) == _meaning(answer))
    return dict(alike)


def _question(answer: Answer, assignment: str) -> tuple[str, str, str | None]:
    return assignment, answer.aspect, answer.output


def _meaning(answer: Answer) -> object:
    """Return what was said: the preferred system where there is one, since sides may have changed."""
    return answer.preferred or answer.value
