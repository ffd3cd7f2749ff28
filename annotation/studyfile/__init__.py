"""The study file: one YAML file that defines a study, checked as a whole before anything is written."""

from annotation.studyfile.definition import (
    AspectDefinition,
    ItemDefinition,
    PracticeDefinition,
    StudyDefinition,
)
from annotation.studyfile.problems import Problem, StudyFileError
from annotation.studyfile.reader import read_study_data, read_study_file
from annotation.studyfile.writer import file_data, study_content, study_text

__all__ = [
    "AspectDefinition",
    "ItemDefinition",
    "PracticeDefinition",
    "Problem",
    "StudyDefinition",
    "StudyFileError",
    "file_data",
    "read_study_data",
    "read_study_file",
    "study_content",
    "study_text",
]
