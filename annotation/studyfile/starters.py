"""Studies to start from: real study files, whose texts say where something has to be put in."""

from dataclasses import dataclass
from pathlib import Path

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from annotation.studyfile.definition import StudyDefinition
from annotation.studyfile.reader import read_study_file

FOLDER = Path(__file__).resolve().parent.parent / "starters"


@dataclass(frozen=True)
class Starter:
    """A study to start from; `name` is that of its file."""

    name: str
    title: str | Promise
    about: str | Promise

    def read(self) -> StudyDefinition:
        """Return the study that its file defines."""
        return read_study_file(FOLDER / f"{self.name}.yaml")


STARTERS = (
    Starter("own_personas", _("Own personas"), _("Participants describe a person; two systems answer, and are rated.")),
    Starter("given_personas", _("Given personas"), _("Two responses are rated for a person who is described.")),
    Starter("preference", _("Preference"), _("Which of two responses would the person described prefer?")),
    Starter("persona_assessment", _("Persona assessment"), _("Personas themselves are judged on four scales.")),
    Starter(
        "paper_user_study",
        _("The paper's user study"),
        _("18 own personas each, DPO beside PT-DPO: answerability and personalization from 1 to 5."),
    ),
    Starter(
        "paper_persona_study",
        _("The paper's persona study"),
        _("80 imported personas each: plausibility, applicability, harm and overfitting."),
    ),
)
