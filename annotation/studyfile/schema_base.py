"""What the sections of a study file are made of: values with their limits, and the rule that no key is ignored."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from annotation.fields import Line
from annotation.models import Aspect

SLUG = r"^[a-z0-9]+(?:[-_][a-z0-9]+)*$"
LONGEST_QUESTION = Aspect._meta.get_field("question").max_length

Question = Annotated[Line, Field(max_length=LONGEST_QUESTION)]


class FileSection(BaseModel):
    """A mapping of the file. A key that it does not know is a mistake, never ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)
