"""What was studied, who took part, and what the controls of quality found."""

from typing import Literal

from modelhub.results.base import Part


class QuestionResult(Part):
    """An aspect as it was asked."""

    key: str
    name: str
    kind: str
    level: str
    question: str
    question_for_others: str
    minimum: int
    maximum: int
    labels: list[str]
    before_persona: bool = False

    @property
    def points(self) -> list[tuple[int, str]]:
        """The values that have a label: of a slider, whose level is interval, its ends and maybe its middle."""
        values = list(range(self.minimum, self.maximum + 1))
        if self.level == "interval":
            middle = [(self.minimum + self.maximum) // 2] * (len(self.labels) - 2)
            values = [self.minimum, *middle, self.maximum]
        return list(zip(values, self.labels, strict=True))


class SystemResult(Part):
    """The system behind an arm. `code` is what exports call the arm; results from before they had it leave it empty.

    `procedure` is how it comes to a response where that takes more than a prompt and a persona: `rubric`,
    `retrieved-exemplars` or `self-refine`. `has_adapter` is None where that is not told. `adapter_difference` is the
    largest difference that the adapter made to logits of its base on probe texts, when the system was registered; None
    where that was not probed.
    """

    name: str
    arm: int
    code: str = ""
    is_control: bool
    engine: str
    persona_style: str
    procedure: str = ""
    fingerprint: str
    has_adapter: bool | None = None
    adapter_difference: float | None = None


class StudyResult(Part):
    """The study as it was declared. `base` and `test` are the systems of the main contrast.

    `family` holds the keys of the confirmatory aspects, `margin` points by aspect. `prompts` and `raters` say what
    results are to hold for: other prompts and raters too (`sampled`), or these (`fixed`).
    """

    slug: str
    version: int
    title: str
    kind: str
    state: str
    protocol_hash: str
    demonstration: bool
    include_bots: bool
    questions: list[QuestionResult]
    systems: list[SystemResult]
    base: str | None
    test: str | None
    strata: list[str]
    writings: list[str]
    family: list[str]
    margin: dict[str, float]
    comparisons_declared: bool
    prompts: Literal["sampled", "fixed"]
    raters: Literal["sampled", "fixed"]
    population: Literal["all", "without_excluded"]


class FlowStep(Part):
    """How many people reached a step, or left so."""

    key: str
    label: str
    n: int


class Exclusion(Part):
    """People excluded for one reason; whether a rule of the study file, frozen at opening, flags them."""

    reason: str
    n: int
    rule_fixed_beforehand: bool


class ParticipantFlow(Part):
    """The participants' way through the study. `analysed` is after exclusions, `analysed_all` before."""

    steps: list[FlowStep]
    left: list[FlowStep]
    excluded: list[Exclusion]
    analysed: int
    analysed_all: int
    withdrawn: int
    erased: int
    excluded_pairs: int


class CheckedParticipant(Part):
    """What the controls of quality say of one participant."""

    participant: str
    checks_failed: int
    flags: list[str]
    excluded: bool
    median_seconds: float | None
    repeat_exact: float | None
    repeat_n: int


class Checks(Part):
    """Rules in words, participants by rule that flags them, and how many failed an attention check."""

    rules: list[str]
    flags: dict[str, int]
    failed: int
    participants: list[CheckedParticipant]


class Footer(Part):
    """How the results were made. `data_sha256` is that of `ratings.jsonl` as `export_ratings --format jsonl` writes."""

    command: str
    seed: int
    replicates: int
    versions: dict[str, str]
    git: dict[str, str | bool | None] | str | None
    data_sha256: str
    protocol_hash: str
    generated_at: str
