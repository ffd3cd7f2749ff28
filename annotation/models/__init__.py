"""The tables behind studies, participants and ratings."""

from annotation.models.adjudication import Adjudication
from annotation.models.amendment import Amendment
from annotation.models.elicitation import ElicitationAnswer, PersonaProposal
from annotation.models.hold import GuardCheck, PersonaFinding, PersonaHold
from annotation.models.log import AuditLog, Event
from annotation.models.member import StudyMember
from annotation.models.output import Output
from annotation.models.participant import Arrival, OpenLink, Participant
from annotation.models.persona import Persona
from annotation.models.rating import Assignment, Followup, PageVisit, Passage, QuestionnaireAnswer, Rating, Slot
from annotation.models.retention import RetentionStep
from annotation.models.study import Arm, Aspect, Item, Study, StudyImage
from annotation.models.tally import UnitTally
from annotation.models.upload import Upload
from annotation.models.user import User
from annotation.models.worker import ArmTrouble, OutputWorker

__all__ = [
    "Adjudication",
    "Amendment",
    "Arm",
    "ArmTrouble",
    "Arrival",
    "Aspect",
    "Assignment",
    "AuditLog",
    "ElicitationAnswer",
    "Event",
    "Followup",
    "GuardCheck",
    "Item",
    "OpenLink",
    "Output",
    "OutputWorker",
    "PageVisit",
    "Passage",
    "Participant",
    "Persona",
    "PersonaFinding",
    "PersonaHold",
    "PersonaProposal",
    "QuestionnaireAnswer",
    "Rating",
    "RetentionStep",
    "Slot",
    "Study",
    "StudyImage",
    "StudyMember",
    "UnitTally",
    "Upload",
    "User",
]
