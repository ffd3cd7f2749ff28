"""Where a participant of a recruiting platform stands, as a state machine. Pure: a state and an event in, a state out.

Nothing is ever sent to the platform. What happens there (a submission is returned or times out) the researcher brings
in with `manage.py prolific_sync`; what happens here the platform learns from the code that the participant enters.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any
from urllib.parse import urlencode

from annotation.flow import Step
from annotation.models import Event, Participant

State = Participant.PlatformState


class RecruitmentEvent(StrEnum):
    """What can happen to a participant, here or on the platform."""

    ARRIVES = "arrives"
    CONSENT_DECLINED = "consent_declined"
    RECONSIDERS = "reconsiders"
    SCREENED_OUT = "screened_out"
    COMPLETED = "completed"
    OVER_QUOTA = "over_quota"
    RETURNED = "returned"
    TIMED_OUT = "timed_out"
    ARRIVE_AGAIN = "arrive_again"


# What is not listed changes nothing. In particular, work that was finished stays finished whatever the platform says
# of the submission, and a person who was screened out stays so.
TRANSITIONS: Mapping[tuple[State, RecruitmentEvent], State] = {
    (State.NONE, RecruitmentEvent.ARRIVES): State.ACTIVE,
    (State.NONE, RecruitmentEvent.OVER_QUOTA): State.OVER_QUOTA,
    (State.ACTIVE, RecruitmentEvent.CONSENT_DECLINED): State.NO_CONSENT,
    (State.ACTIVE, RecruitmentEvent.SCREENED_OUT): State.SCREENED_OUT,
    (State.ACTIVE, RecruitmentEvent.COMPLETED): State.COMPLETED,
    (State.ACTIVE, RecruitmentEvent.OVER_QUOTA): State.OVER_QUOTA,
    (State.ACTIVE, RecruitmentEvent.RETURNED): State.RETURNED,
    (State.ACTIVE, RecruitmentEvent.TIMED_OUT): State.TIMED_OUT,
    (State.NO_CONSENT, RecruitmentEvent.RECONSIDERS): State.ACTIVE,
    (State.NO_CONSENT, RecruitmentEvent.RETURNED): State.RETURNED,
    (State.NO_CONSENT, RecruitmentEvent.TIMED_OUT): State.TIMED_OUT,
    (State.OVER_QUOTA, RecruitmentEvent.ARRIVE_AGAIN): State.ACTIVE,
    (State.OVER_QUOTA, RecruitmentEvent.RETURNED): State.RETURNED,
    (State.OVER_QUOTA, RecruitmentEvent.TIMED_OUT): State.TIMED_OUT,
    (State.RETURNED, RecruitmentEvent.ARRIVE_AGAIN): State.ACTIVE,
    (State.RETURNED, RecruitmentEvent.OVER_QUOTA): State.OVER_QUOTA,
    (State.TIMED_OUT, RecruitmentEvent.ARRIVE_AGAIN): State.ACTIVE,
    (State.TIMED_OUT, RecruitmentEvent.OVER_QUOTA): State.OVER_QUOTA,
}

# The page at which a state holds the participant; none for the states in which the study itself decides.
PAGES: Mapping[State, Step] = {
    State.OVER_QUOTA: Step.FULL,
    State.RETURNED: Step.RETURNED,
    State.TIMED_OUT: Step.RETURNED,
}

# The key in `recruitment.prolific` of the code that each state's page shows.
CODES: Mapping[State, str] = {
    State.COMPLETED: "completed",
    State.SCREENED_OUT: "screened_out",
    State.NO_CONSENT: "no_consent",
    State.OVER_QUOTA: "over_quota",
}

# What counts towards the quota, besides having finished: people who may be at work. Others' places have come back.
AT_WORK = frozenset({State.NONE, State.ACTIVE})

# A change that goes into the participant's log.
LOGGED: Mapping[RecruitmentEvent, Event.Kind] = {
    RecruitmentEvent.RETURNED: Event.Kind.RETURNED,
    RecruitmentEvent.TIMED_OUT: Event.Kind.TIMED_OUT,
}

# Longer than any id that a platform makes, and free of anything that could be markup or a template's placeholder.
_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
PARAMETERS = ("PROLIFIC_PID", "STUDY_ID", "SESSION_ID")
TOKEN_PARAMETER = "prolific_token"


def arrival(state: State, *, new_session: bool, room: bool) -> RecruitmentEvent | None:
    """Return what an arrival amounts to; None where it changes nothing.

    A submission that was returned or timed out is over: only a new session on the platform begins again. `room` says
    whether the study has a place left.
    """
    if state == State.NONE:
        return RecruitmentEvent.ARRIVES if room else RecruitmentEvent.OVER_QUOTA
    if state in (State.RETURNED, State.TIMED_OUT) and new_session:
        return RecruitmentEvent.ARRIVE_AGAIN if room else RecruitmentEvent.OVER_QUOTA
    if state == State.OVER_QUOTA and room:
        return RecruitmentEvent.ARRIVE_AGAIN
    return None


def platform_code(recruitment: Mapping[str, Any], state: State) -> str:
    """Return the code that a participant in `state` takes back to the platform; "" where there is none."""
    codes = recruitment.get("prolific", {})
    return str(codes.get(CODES[state], "")) if state in CODES else ""


def completion_url(code: str) -> str:
    """Return the address at which Prolific takes a code; the participant follows it by a click."""
    return f"https://app.prolific.com/submissions/complete?{urlencode({'cc': code})}"


def wrong_parameters(query: Mapping[str, list[str]]) -> list[str]:
    """Return the names of the arrival's parameters that are missing, given twice, or no ids. Never their values."""
    return [name for name in PARAMETERS if len(query.get(name, [])) != 1 or not _ID.fullmatch(query.get(name, [""])[0])]
