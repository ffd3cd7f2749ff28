"""What all parts of results have in common."""

from pydantic import BaseModel, ConfigDict

Interval = tuple[float, float]


class Part(BaseModel):
    """A part of results. No number is NaN or infinite, and what is not of its form is refused.

    A number that is undefined is None; `reasons` of the part, or its `reason` where it holds one number, has the code
    of why. The words for codes stand in modelhub/stats/numbers.py.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
