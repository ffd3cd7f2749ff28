"""Parameters that several stages have: the pairs, splits and personas that they work on."""

from typing import Annotated

from pydantic import AfterValidator, Field, StrictStr

from annotation.fields import OptionalName, check_line, optional
from modelhub.files.pairs import Columns
from modelhub.queries.persona_sources import Origin
from modelhub.runs.parameters import Option, Parameters, Positive

Name = Annotated[OptionalName, Option(metavar="NAME")]
Names = Annotated[tuple[OptionalName, ...], Option(metavar="NAME")]
# A name, or what lies elsewhere and may be longer: a path, a column, an account.
Place = Annotated[StrictStr, AfterValidator(optional(check_line)), Option(metavar="NAME")]
Study = Annotated[str, Option(positional=True)]
STUDY = "slug, or slug@version; the newest version if none is given"


class OfDataset(Parameters):
    """A stage that works on the pairs of a data set."""

    dataset: Name = Field(description="as given to import_preferences")


class OfSplit(OfDataset):
    """A stage that works on one split."""

    split: Name = Field(default="test", description="of the data set")


class OfSplits(OfDataset):
    """A stage that works on some splits."""

    split: Names = Field(default=(), description="only these splits; default: all")


class OfOrigin(Parameters):
    """A stage that gives systems a persona, which several may have inferred or retrieved."""

    inferring_system: Name = Field(default="", description="whose personas; default: the only one")
    retriever: Name = Field(default="", description="what retrieved; default: the only one")
    rank: Annotated[Positive, Option(metavar="N")] = Field(default=1, description="of what was retrieved")
    profile: Place = Field(default="", description="or a YAML file, for how answers start; default: the data set")

    @property
    def origin(self) -> Origin:
        """Whose personas are meant."""
        return Origin(inferring=self.inferring_system, retriever=self.retriever, rank=self.rank)


class OfStudy(Parameters):
    """A stage that works on a study, which its command names first."""

    study: Study = Field(description=STUDY)


class OfPairFiles(Parameters):
    """A stage that reads preference pairs from files, whose columns may have other names."""

    sources: Annotated[tuple[str, ...], Option(metavar="SOURCE", positional=True)] = Field(
        description="file, folder, or hub:owner/name[:config]"
    )
    prompt_column: Place = Field(default="prompt", description="what this column is called")
    chosen_column: Place = Field(default="chosen", description="what this column is called")
    rejected_column: Place = Field(default="rejected", description="what this column is called")
    system: Name = Field(default="", description="what inferred the personas of rows that name none")
    allow_empty: bool = Field(default=False, description="take rows with an empty response too")

    @property
    def columns(self) -> Columns:
        """The names of the columns, and what holds where a row does not say."""
        return Columns(self.prompt_column, self.chosen_column, self.rejected_column, system=self.system)
