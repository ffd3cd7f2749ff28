"""Find a participant's place: the one function behind the participant's page."""

from dataclasses import dataclass

from annotation.flow import Facts, Step, step_before_work, step_within_assignment
from annotation.holding import hold_stage, with_hold_stage
from annotation.models import Assignment, Output, Participant, Slot, Study
from annotation.prepared import KeptQuery, attach
from annotation.recruitment import PAGES, RecruitmentEvent
from annotation.services.entrance import link_has_room
from annotation.services.handout import assignment_next, has_free_unit
from annotation.services.participants import participant_complete
from annotation.services.platform import platform_move, quota_has_room

_OWN = with_hold_stage(Assignment.objects.select_related("persona__item"), persona="persona")
_OPEN = KeptQuery(
    lambda participant: _OWN.filter(participant=participant, state=Assignment.State.OPEN), numbers=("participant",)
)
_BY_KEY = KeptQuery(
    lambda participant, key: _OWN.filter(participant=participant, key=key), numbers=("participant",), texts=("key",)
)
_OUTPUTS = KeptQuery(lambda persona: Output.objects.filter(persona=persona), numbers=("persona",))
_ASKED = KeptQuery(lambda assignment: Slot.objects.filter(assignment=assignment), numbers=("assignment",))
_SHOWN = KeptQuery(
    lambda assignment: Slot.objects.filter(assignment=assignment).select_related("output"), numbers=("assignment",)
)
# What is done before a place of an open link is somebody's for good; see services/entrance.py.
HELD_FOR_A_TIME = (Step.CONSENT, Step.SURVEY_BEFORE, Step.INSTRUCTIONS)


@dataclass(frozen=True)
class Place:
    """A step, and the assignment that is at hand while working; `is_new` if it has been handed out just now."""

    step: Step
    assignment: Assignment | None = None
    is_new: bool = False


def participant_place(*, participant: Participant, at_hand: Assignment | None = None, shows: bool = False) -> Place:
    """Return where the participant belongs, handing out the next assignment when one is due.

    `at_hand` is an assignment of theirs that has just been read; while it is open it need not be looked for. `shows` is
    for the page that shows what a new assignment asks about.
    Reached again and again (reload, second tab, another device) it gives the same answer until something is done.
    """
    step = step_before_work(_facts(participant))
    if step == Step.CONSENT and not (quota_has_room(participant) and has_free_unit(participant)):
        return _full(participant)  # told before any work is asked for
    if step in HELD_FOR_A_TIME and not link_has_room(participant):
        return _full(participant)  # somebody else has begun in the place that was held for them
    if step == Step.CLOSED and _arrived_only(participant):
        return _full(participant)  # with the platform's code, which a closed study has for nobody else
    if step is not None:
        return Place(step)
    if participant.surveyed_after_at:  # they have said goodbye: a place that returns now is somebody else's
        return _nothing_left(participant)
    is_open = at_hand is not None and at_hand.state == Assignment.State.OPEN
    found = at_hand if is_open else open_assignment(participant)
    assignment = found or assignment_next(participant=participant, shows=shows)
    if assignment is None:
        return _nothing_left(participant)
    # Spare the pages a query for what is already at hand.
    assignment.participant = participant
    return Place(_step_within(assignment), assignment, is_new=not found)


def open_assignment(participant: Participant) -> Assignment | None:
    """Return the participant's unfinished assignment with all that its pages need."""
    return _to_work_on(participant, _OPEN.first(participant=participant.pk), _SHOWN)


def assignment_by_key(participant: Participant, key: str, *, with_outputs: bool = True) -> Assignment | None:
    """Return the participant's assignment with that key; `with_outputs` where they are shown."""
    found = _BY_KEY.first(participant=participant.pk, key=key)
    return _to_work_on(participant, found, _SHOWN if with_outputs else _ASKED)


def _to_work_on(participant: Participant, assignment: Assignment | None, slots: KeptQuery[Slot]) -> Assignment | None:
    if assignment is None:
        return None
    assignment.participant = participant
    found = list(slots.objects(assignment=assignment.pk))
    for slot in found:
        slot.assignment = assignment
    attach(assignment, "slots", found)
    return assignment


def _facts(participant: Participant) -> Facts:
    study = participant.study
    return Facts(
        study_state=Study.State(study.state),
        completed=participant.completed_at is not None,
        declined=participant.declined_at is not None,
        consented=participant.consented_at is not None,
        instructed=participant.instructed_at is not None,
        practice_left=len(study.practice) - participant.practice_done,
        survey_due=bool(study.questionnaires.get("before")) and participant.surveyed_before_at is None,
        quiz_due=bool(study.quiz) and participant.quiz_passed_at is None,
        screened_out=participant.screened_out_at is not None,
        withdrawn=participant.withdrawn_at is not None,
        preview=participant.kind == Participant.Kind.PREVIEW,
        platform=PAGES.get(Participant.PlatformState(participant.platform_state)),
    )


def _arrived_only(participant: Participant) -> bool:
    is_active = participant.platform_state == Participant.PlatformState.ACTIVE
    return is_active and participant.consented_at is None


def _step_within(assignment: Assignment) -> Step:
    persona = assignment.persona
    if persona.submitted_at is not None and assignment.shown_at is None:
        attach(persona, "outputs", list(_OUTPUTS.objects(persona=persona.pk)))
    return step_within_assignment(
        warning_due=bool(persona.item.warning) and assignment.warned_at is None,
        persona_submitted=persona.submitted_at is not None,
        # What has been on the page was ready, and stays so.
        output_states=[] if assignment.shown_at else [out.state for out in persona.outputs.all() if out.sample == 0],
        hold="" if assignment.shown_at or persona.submitted_at is None else hold_stage(assignment),
    )


def _nothing_left(participant: Participant) -> Place:
    finished = (Assignment.State.COMPLETED, Assignment.State.SKIPPED)
    if not participant.assignments.filter(state__in=finished).exists():
        return _full(participant)
    if participant.study.questionnaires.get("after") and participant.surveyed_after_at is None:
        return Place(Step.SURVEY_AFTER)
    participant_complete(participant=participant)
    participant.refresh_from_db(fields=["completed_at", "platform_state"])
    return Place(Step.DONE)


def _full(participant: Participant) -> Place:
    if participant.platform_state:  # others may come back when a place has returned
        platform_move(participant=participant, event=RecruitmentEvent.OVER_QUOTA)
    return Place(Step.FULL)
