"""What admins and analysts touch: systems, runs, and all that runs made."""

from modelhub.models.finding import GuardBinding, OutputFinding
from modelhub.models.generation import Generation, SharedPrompt
from modelhub.models.job import Job, JobFile
from modelhub.models.persona import (
    Direction,
    InferredPersona,
    PersonaCheck,
    PersonaComparison,
    PersonaOrigin,
    PersonaVerdict,
    PreferencePair,
    RetrievedPersona,
)
from modelhub.models.run import Run
from modelhub.models.system import ArmBinding, ExemplarPool, System
from modelhub.models.tailoring import Judgement, PairOutput, PersonaSource, TrainingLog
from modelhub.models.trial import Trial

__all__ = [
    "ArmBinding",
    "Direction",
    "ExemplarPool",
    "Generation",
    "GuardBinding",
    "InferredPersona",
    "Job",
    "JobFile",
    "Judgement",
    "OutputFinding",
    "PairOutput",
    "PersonaCheck",
    "PersonaComparison",
    "PersonaOrigin",
    "PersonaSource",
    "PersonaVerdict",
    "PreferencePair",
    "RetrievedPersona",
    "Run",
    "SharedPrompt",
    "System",
    "TrainingLog",
    "Trial",
]
