"""Find a participant's place: the one function behind the participant's page."""

from dataclasses import dataclass

from annotation.flow import Facts, Step, step_before_work, step_within_assignment
from annotation.models import Assignment, Participant, Study
from annotation.services.assignments import assignment_next
from annotation.services.participants import participant_complete
from annotation.units import has_free_unit


@dataclass(frozen=True)
class Place:
    """A step, and the assignment that is at hand while working."""

    step: Step
    assignment: Assignment | None = None


def participant_place(*, participant: Participant) -> Place:
    """Return where the participant belongs, handing out the next assignment when one is due.

    Reached again and again (reload, second tab, another device) it gives the same answer until something is done.
    """
    step = step_before_work(_facts(participant))
    if step == Step.CONSENT and not has_free_unit(participant):
        return Place(Step.FULL)  # told before any work is asked for
    if step is not None:
        return Place(step)
    assignment = open_assignment(participant) or assignment_next(participant=participant)
    if assignment is None:
        return _nothing_left(participant)
    # Spare the pages a query for what is already at hand.
    assignment.participant = participant
    states = [output.state for output in assignment.persona.outputs.all() if output.sample == 0]
    submitted = assignment.persona.submitted_at is not None
    return Place(step_within_assignment(persona_submitted=submitted, output_states=states), assignment)


def open_assignment(participant: Participant) -> Assignment | None:
    """Return the participant's unfinished assignment with all that its pages need."""
    return (
        Assignment.objects.filter(participant=participant, state=Assignment.State.OPEN)
        .select_related("persona__item")
        .prefetch_related("persona__outputs", "slots__output")
        .first()
    )


def _facts(participant: Participant) -> Facts:
    study = participant.study
    return Facts(
        study_state=Study.State(study.state),
        completed=participant.completed_at is not None,
        declined=participant.declined_at is not None,
        consented=participant.consented_at is not None,
        instructed=participant.instructed_at is not None,
        practice_left=len(study.practice) - participant.practice_done,
    )


def _nothing_left(participant: Participant) -> Place:
    if not participant.assignments.filter(state=Assignment.State.COMPLETED).exists():
        return Place(Step.FULL)
    participant_complete(participant=participant)
    participant.refresh_from_db(fields=["completed_at"])
    return Place(Step.DONE)
