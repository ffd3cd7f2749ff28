"""What the sections of a study file are made of: values with their limits, and the rule that no key is ignored."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from annotation.fields import Line, Text
from annotation.models import Aspect
from annotation.prompts_display import join_turns

SLUG = r"^[a-z0-9]+(?:[-_][a-z0-9]+)*$"
LONGEST_QUESTION = Aspect._meta.get_field("question").max_length

Question = Annotated[Line, Field(max_length=LONGEST_QUESTION)]


def _one_text(value: Any) -> Any:
    return join_turns(value) if isinstance(value, list) else value


Prompt = Annotated[Text, BeforeValidator(_one_text)]


class FileSection(BaseModel):
    """A mapping of the file. A key that it does not know is a mistake, never ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)
