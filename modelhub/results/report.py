"""The results of a study as one document: what `results.json` holds, and what reports are made from.

Only completed parts count. The main comparison holds main assignments; overlap and repeat assignments serve agreement
alone (overlap ratings also stand beside the judge's). Differences are test minus base, or chosen minus rejected.
"""

from typing import Literal

from modelhub.results.agreement import DesignAgreement
from modelhub.results.base import Part
from modelhub.results.comparison import Contrast, Interaction, Stratum
from modelhub.results.judge import JudgeReport
from modelhub.results.persona import PersonaResults
from modelhub.results.presentation import LengthReport, OrderEffect, SideEffect
from modelhub.results.study import Checks, Footer, ParticipantFlow, StudyResult


class PopulationResults(Part):
    """The results of one set of people.

    `strata` compare the study's base and test; "" holds all answers, then come data sets, then conditions of writing.
    `contrasts` are the other pairs of systems, of studies with three arms or more. `interactions`, `position` and
    `order` are by aspect. `persona` is for persona assessments, `judge` for judgements that were given.
    """

    participants: int
    strata: dict[str, Stratum]
    interactions: dict[str, Interaction]
    contrasts: list[Contrast]
    position: dict[str, SideEffect]
    order: dict[str, OrderEffect]
    length: LengthReport
    agreement: DesignAgreement
    persona: PersonaResults | None
    judge: JudgeReport | None
    checks: Checks


class Results(Part):
    """All results of a study, by population; the primary one is named in `study` and comes first."""

    format: Literal[2] = 2
    study: StudyResult
    flow: ParticipantFlow
    populations: list[str]
    analysis: dict[str, PopulationResults]
    footer: Footer

    @property
    def primary(self) -> PopulationResults:
        """The results of the population that the study declares as its primary one."""
        return self.analysis[self.study.population]

    @property
    def other_population(self) -> str:
        """The population that is not the primary one."""
        return next(name for name in self.populations if name != self.study.population)

    @property
    def leaves_out(self) -> bool:
        """Whether people or pairs were excluded, so that the two populations differ."""
        return bool(self.flow.excluded or self.flow.excluded_pairs)
