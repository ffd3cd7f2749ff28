"""The study file: one YAML file that defines a study, checked as a whole before anything is written."""

from annotation.studyfile.definition import (
    AspectDefinition,
    ItemDefinition,
    PracticeDefinition,
    StudyDefinition,
)
from annotation.studyfile.problems import Problem, StudyFileError
from annotation.studyfile.reader import read_study_file

__all__ = [
    "AspectDefinition",
    "ItemDefinition",
    "PracticeDefinition",
    "Problem",
    "StudyDefinition",
    "StudyFileError",
    "read_study_file",
]
