"""Where a participant belongs. Pure: facts in, step out; the server alone decides, any address leads there."""

from dataclasses import dataclass
from enum import StrEnum

from annotation.models import Participant, Study


class Step(StrEnum):
    """A page of the participant's way."""

    NOT_OPEN = "not_open"
    PAUSED = "paused"
    CLOSED = "closed"
    FULL = "full"
    CONSENT = "consent"
    DECLINED = "declined"
    SURVEY_BEFORE = "survey_before"
    INSTRUCTIONS = "instructions"
    PRACTICE = "practice"
    QUIZ = "quiz"
    SCREENED_OUT = "screened_out"
    WARNING = "warning"
    WRITE = "write"
    WAIT = "wait"
    FAILED = "failed"
    HELD = "held"
    RATE = "rate"
    SURVEY_AFTER = "survey_after"
    DONE = "done"
    RETURNED = "returned"
    WITHDRAWN = "withdrawn"


# Steps for which an assignment is at hand.
WORKING = frozenset({Step.WARNING, Step.WRITE, Step.WAIT, Step.FAILED, Step.HELD, Step.RATE})


@dataclass(frozen=True)
class Facts:
    """What decides the step before any assignment is looked at."""

    study_state: Study.State
    completed: bool
    declined: bool
    consented: bool
    instructed: bool
    practice_left: int
    survey_due: bool = False
    quiz_due: bool = False
    screened_out: bool = False
    withdrawn: bool = False
    preview: bool = False
    platform: Step | None = None  # where a recruiting platform holds the participant; see recruitment.py


def takes_work(state: str, kind: str) -> bool:
    """Return whether a study in this state hands out parts to this kind of participant.

    It does while it is open; to previews also before that and while it is paused.
    """
    is_preview = kind == Participant.Kind.PREVIEW
    return state == Study.State.OPEN or (is_preview and state in (Study.State.DRAFT, Study.State.PAUSED))


def step_before_work(facts: Facts) -> Step | None:
    """Return the step a participant is held at, or None when the next assignment is what comes.

    Somebody who has finished always reaches the completion code, and somebody screened out the page that says so, also
    after the study has closed; somebody who has left is asked nothing more.
    """
    held: list[tuple[bool, Step | None]] = [
        (facts.withdrawn, Step.WITHDRAWN),
        (facts.completed, Step.DONE),
        (facts.platform is not None, facts.platform),
        (facts.screened_out, Step.SCREENED_OUT),
        (facts.study_state == Study.State.DRAFT and not facts.preview, Step.NOT_OPEN),
        (facts.study_state == Study.State.CLOSED, Step.CLOSED),
        (facts.study_state == Study.State.PAUSED and not facts.preview, Step.PAUSED),
        (facts.declined, Step.DECLINED),
        (not facts.consented, Step.CONSENT),
        (facts.survey_due, Step.SURVEY_BEFORE),
        (not facts.instructed, Step.INSTRUCTIONS),
        (facts.practice_left > 0, Step.PRACTICE),
        (facts.quiz_due, Step.QUIZ),
    ]
    return next((step for applies, step in held if applies), None)


def step_within_assignment(
    *, warning_due: bool, persona_submitted: bool, output_states: list[str], hold: str = ""
) -> Step:
    """Return the step inside an open assignment. Outputs are shown only when all of them are ready.

    `hold` is the stage at which the persona is held back, if it is. While a guard is asked there is nothing to be told
    yet, and outputs are held when all are there: before that they are waited for.
    """
    if warning_due:
        return Step.WARNING
    if not persona_submitted:
        return Step.WRITE
    if hold == "persona":
        return Step.HELD
    if "failed" in output_states and hold != "guard":
        return Step.FAILED
    if hold == "guard" or any(state != "ready" for state in output_states):
        return Step.WAIT
    return Step.HELD if hold else Step.RATE
