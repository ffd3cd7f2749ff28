"""What is wrong with a study file, said so that it can be found and put right."""

from collections.abc import Iterable
from dataclasses import dataclass

from annotation.errors import ServiceError


@dataclass(frozen=True)
class Problem:
    """One mistake. `place` is a line, or a row such as "row 7" of a Parquet file; `path` leads to the key."""

    file: str
    place: int | str | None
    path: str
    message: str

    def __str__(self) -> str:
        location = self.file if self.place is None else f"{self.file}:{self.place}"
        return f"{location}: {self.path}: {self.message}" if self.path else f"{location}: {self.message}"


class StudyFileError(ServiceError):
    """A study file with mistakes; `problems` holds every one of them."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))
