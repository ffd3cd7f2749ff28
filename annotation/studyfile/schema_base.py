"""What the sections of a study file are made of: values with their limits, and the rule that no key is ignored."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictInt, StrictStr

from annotation.models import Aspect
from annotation.studyfile.text import check_line, check_text

SLUG = r"^[a-z0-9]+(?:[-_][a-z0-9]+)*$"
SMALL = 32_767  # the largest number of a SMALLINT column
LONGEST_QUESTION = Aspect._meta.get_field("question").max_length

Text = Annotated[StrictStr, AfterValidator(check_text)]
Line = Annotated[StrictStr, AfterValidator(check_line)]
Question = Annotated[Line, Field(max_length=LONGEST_QUESTION)]
Count = Annotated[StrictInt, Field(ge=0, le=SMALL)]
Share = Annotated[float, Field(ge=0, le=1, strict=True)]
CountFromOne = Annotated[StrictInt, Field(ge=1, le=SMALL)]


class FileSection(BaseModel):
    """A mapping of the file. A key that it does not know is a mistake, never ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)
