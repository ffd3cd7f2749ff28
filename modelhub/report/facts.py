"""What a study's definition says of how it was done, for whoever describes it. Nothing here is unblinded."""

from collections import Counter
from dataclasses import dataclass

from annotation.controls.flags import rules_in_words
from annotation.models import Aspect, Study


@dataclass(frozen=True)
class StudyFacts:
    """The definition of a study in numbers and words; `strata` counts prompts by data set."""

    slug: str
    version: int
    title: str
    kind: str
    state: str
    protocol_hash: str
    opened_at: str
    contact: str
    consent: str
    instructions: str
    content_warning: str
    arms: int
    prompts: int
    strata: dict[str, int]
    imported: bool
    written: int
    given: int
    raters_per_item: int
    overlap: float
    repeat: float
    blocks: str
    seed: int
    hours_per_part: int
    show_responses: bool
    practice_parts: int
    quiz_questions: int
    quiz_attempts: int
    attention_checks: int
    planted: int
    rules: tuple[str, ...]
    asked_before: tuple[str, ...]
    asked_after: tuple[str, ...]
    is_on_prolific: bool
    quota: int | None
    screens_personas: bool
    elicitation: str
    may_skip: bool

    @property
    def is_draft(self) -> bool:
        """Whether nothing is frozen yet."""
        return not self.protocol_hash


_AS_STORED = (
    "slug", "version", "title", "kind", "state", "protocol_hash", "contact", "consent", "instructions",
    "content_warning", "blocks", "seed", "show_responses", "raters_per_item",
)  # fmt: skip


def study_facts(study: Study) -> StudyFacts:
    """Return what the study's definition says."""
    items = study.items.filter(planted_part__isnull=True)
    questions = study.questionnaires
    return StudyFacts(
        **{name: getattr(study, name) for name in _AS_STORED},
        opened_at=study.opened_at.isoformat(timespec="seconds") if study.opened_at else "",
        arms=study.arms.count(),
        prompts=items.count(),
        strata=dict(sorted(Counter(items.values_list("stratum", flat=True)).items())),
        imported=study.items_imported,
        written=study.written_personas_per_participant,
        given=study.given_personas_per_participant,
        overlap=study.overlap_share,
        repeat=study.repeat_share,
        hours_per_part=study.assignment_hours,
        practice_parts=len(study.practice),
        quiz_questions=len(study.quiz.get("questions", [])),
        quiz_attempts=study.quiz.get("attempts", 0),
        attention_checks=study.aspects.filter(kind=Aspect.Kind.CHECK).count(),
        planted=study.planted_parts,
        rules=tuple(rules_in_words(study)),
        asked_before=tuple(one["question"] for one in questions.get("before", [])),
        asked_after=tuple(one["question"] for one in questions.get("after", [])),
        is_on_prolific="prolific" in study.recruitment,
        quota=study.recruitment.get("quota"),
        screens_personas=study.written_personas_per_participant > 0,
        elicitation=study.elicitation.get("condition", "free"),
        may_skip=bool(study.skip_reasons),
    )
