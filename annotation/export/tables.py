"""The tables of an export: their columns, what each one means, and where its rows come from."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.utils.translation import get_language_info

from annotation.export import querysets as q
from annotation.export import rows, wide
from annotation.export.adjudicated import ADJUDICATED, adjudication_tables
from annotation.export.columns import HOW_WRITTEN, PARTICIPANT, STUDY, Column
from annotation.export.controls import control_tables
from annotation.export.eliciting import elicitation_tables
from annotation.export.flagged import ON_PARTICIPANTS
from annotation.export.holds import screening_tables
from annotation.export.scope import Scope
from annotation.export.spans import SPANS, spans, spans_of
from annotation.export.texts import text_tables
from annotation.models import Aspect, Assignment, Output, Participant, Persona, Slot, Study

Row = dict[str, Any]


@dataclass(frozen=True)
class Table:
    """One table. `rows()` starts a new pass over the database and yields dicts keyed by column name, in order."""

    name: str
    meaning: str
    columns: tuple[Column, ...]
    rows: Callable[[], Iterator[Row]]
    count: Callable[[], int]


def study_tables(study: Study, *, include_bots: bool = False, external_ids: bool = False) -> dict[str, Table]:
    """Return the tables of `study` by name. Bots and previews are left out unless `include_bots`.

    `external_ids` adds the ids of invitation lists and recruiting platforms, which may tell who somebody is.
    """
    scope = Scope.of(study, include_bots=include_bots, external_ids=external_ids)
    parts: tuple[_Part, ...] = (
        ("ratings", "One row per current answer.", _ratings(), rows.ratings, q.current_answers_of),
        ("ratings_wide", "One row per assignment, planted pairs left out.", _wide(scope), wide.wide, q.unplanted_of),
        ("history", "One row per answer ever saved, superseded ones too.", _history(), rows.history, q.answers_of),
        ("personas", "One row per persona, given or submitted.", _personas(), rows.personas, q.personas_of),
        (
            "outputs",
            "One row per output of personas that all arms have one for, made or asked for.",
            _outputs(),
            rows.outputs,
            q.whole_outputs_of,
        ),
        ("participants", "One row per participant.", _participants(scope), rows.participants, q.participants_of),
        (
            "spans",
            "One row per passage ever marked in an output, those of superseded answers too.",
            SPANS,
            spans,
            spans_of,
        ),
        *control_tables(),
        *adjudication_tables(),
        *screening_tables(),
        *elicitation_tables(),
        *text_tables(_ratings()),
    )
    return {
        name: Table(name, meaning, columns, partial(read, scope), covered(scope).count)
        for name, meaning, columns, read, covered in parts
    }


_Part = tuple[str, str, tuple[Column, ...], Callable[[Scope], Iterator[Row]], Callable[[Scope], QuerySet[Any]]]
ASSIGNMENT = (
    Column("assignment", "string", "Random key of the assignment: one participant on one persona."),
    Column("assignment_kind", "string", "What the assignment is for.", dict(Assignment.Kind.choices)),
    Column("repeat_of", "string", "Of a repeat: key of the assignment shown again; null (CSV: empty) for all others."),
    Column("assignment_state", "string", "How far the assignment is.", dict(Assignment.State.choices)),
    Column("ordinal", "integer", "The assignment's place in the participant's sequence, from 1."),
    Column("surplus", "boolean", "Finished, but the place was somebody else's: it had expired, or its owner excluded."),
    Column("expired", "boolean", "Unfinished when its time ran out, as of this export."),
)
BLOCK = Column("block", "string", "Random code of the condition an imported persona comes from; empty for all others.")
UNIT = (
    Column("item", "string", "The item's id in the study file."),
    Column("stratum", "string", "The data set the item comes from; may be empty."),
    Column("persona", "string", "Random key of the persona."),
    Column("persona_source", "string", "Where the persona's text comes from.", dict(Persona.Source.choices)),
    BLOCK,
    Column("is_author", "boolean", "The participant wrote this persona and was asked the aspect's `question`; "
           "otherwise `question_for_others`."),
    Column("persona_text", "string", "The persona, exactly as typed or given.", typed=True),
)  # fmt: skip
TIMES = tuple(
    Column(f"{phase}_{kind}_seconds", "number", f"Seconds on the {page} of this assignment {how}.")
    for phase, page in (("write", "writing page"), ("rate", "rating page"))
    for kind, how in (("focused", "in view and in use"), ("idle", "hidden, or untouched for 30 s"))
)
ANSWER = (
    Column("arm", "string", "Code of the arm that made the output; null (CSV: empty) where no output is rated."),
    Column("output", "string", "Random key of the output rated; null (CSV: empty) where none is."),
    Column("slot_kind", "string", "What was rated.", dict(Slot.Kind.choices)),
    Column("position", "integer", "Where it stood on the page: outputs from 1 (left or top), a comparison after them."),
    Column("aspect", "string", "Key of the question; its words and labels are listed under `aspects`."),
    Column("aspect_kind", "string", "What kind of question.", dict(Aspect.Kind.choices)),
    Column("value", "integer", "The answer. Comparisons and picks: 1 left, 2 right, 3 tie, 4 both bad, as the "
           "participant saw the sides. Rankings, and best and worst: the number of the order in `label`. Passages: how "
           "many are marked, 0 for nothing to mark; see `spans`."),
    Column("label", "string", "The written label of that value, empty where a slider has none. Rankings, and best and "
           "worst: positions on the page from the best to the worst."),
    Column("preferred_arm", "string", "Comparisons and picks: code of the arm on the preferred side; null (CSV: empty) "
           "for tie, both bad, and every other kind of answer."),
    Column("answer_version", "integer", "1 for the first answer to this question here, then 2, …"),
    Column("saved_at", "timestamp", "When the answer was saved (UTC)."),
    Column("planted", "string", "Outputs of planted pairs: which one; no arm made it, so `arm` is null (CSV: empty). "
           "Empty for all others.", {value: str(label) for value, label in Output.Planted.choices if value}),
    Column("expected", "integer", "Attention checks: the right answer; null (CSV: empty) for every other question."),
)  # fmt: skip


RANKED = Column(
    "ranked_arms",
    "string",
    "Rankings, and best and worst: codes of the arms from the best to the worst, parted by blanks; null (CSV: empty) "
    "for every other kind of answer.",
)

BEFORE_PERSONA = Column(
    "before_persona",
    "boolean",
    "The question was asked in a first step, with prompt and responses alone; its answers were fixed when the persona "
    "was shown.",
)


def _ratings() -> tuple[Column, ...]:
    return (
        *STUDY,
        *PARTICIPANT,
        *ASSIGNMENT,
        *UNIT,
        *ANSWER,
        *TIMES,
        *HOW_WRITTEN,
        RANKED,
        ADJUDICATED,
        BEFORE_PERSONA,
    )


def _history() -> tuple[Column, ...]:
    return (
        *STUDY,
        *PARTICIPANT,
        Column("assignment", "string", "Random key of the assignment."),
        Column("item", "string", "The item's id in the study file."),
        Column("persona", "string", "Random key of the persona."),
        *ANSWER,
        Column("rating", "string", "Random id of the answer."),
        Column("superseded_by", "string", "Id of the answer that replaced it; null (CSV: empty) while current."),
        RANKED,
    )


def _wide(scope: Scope) -> tuple[Column, ...]:
    """Columns by arm code: the order of the study file would tell more about an arm than its code does."""
    columns = [Column(f"position.{code}", "integer", f"Where the output of {code} stood.") for code in scope.arm_codes]
    for aspect in scope.rated_aspects:
        columns += _answers(aspect, scope.arm_codes)
    return (
        *STUDY,
        *PARTICIPANT,
        *ASSIGNMENT,
        *UNIT,
        *columns,
        Column("shown_at", "timestamp", "When the outputs first stood on the page (UTC)."),
        Column("completed_at", "timestamp", "When the assignment was completed (UTC)."),
        Column("skip_reason", "string", "Why it was skipped; empty where it was not.", typed=True),
        *TIMES,
        *HOW_WRITTEN,
        Column(
            "persona_shown_at",
            "timestamp",
            "When the first of two steps ended and the persona was shown (UTC); null (CSV: empty) before that, and in "
            "studies of one step.",
        ),
    )


def _answers(aspect: Aspect, arm_codes: tuple[str, ...]) -> list[Column]:
    if aspect.kind in q.OF_A_PAIR:
        return _choice(aspect)
    if aspect.kind == Aspect.Kind.PERSONA:
        return [Column(f"value.{aspect.key}", "integer", f"Answer on `{aspect.key}`.", _labels(aspect))]
    if aspect.kind in q.ORDERS:
        return _places(aspect, arm_codes)
    return _values(aspect, arm_codes)


def _values(aspect: Aspect, arm_codes: tuple[str, ...]) -> list[Column]:
    return [
        Column(
            f"value.{aspect.key}.{code}",
            "integer",
            f"Answer on `{aspect.key}` for the output of {code}.",
            _labels(aspect),
        )
        for code in arm_codes
    ]


def _places(aspect: Aspect, arm_codes: tuple[str, ...]) -> list[Column]:
    best, worst = aspect.labels
    what, values = f"Place on `{aspect.key}` of the output of", {"1": best, "-1": worst, "0": ""}
    if aspect.kind == Aspect.Kind.RANKING:
        values = {"1": best, str(len(arm_codes)): worst}
    return [Column(f"value.{aspect.key}.{code}", "integer", f"{what} {code}.", values) for code in arm_codes]


def _choice(aspect: Aspect) -> list[Column]:
    return [
        Column(f"choice.{aspect.key}", "integer", f"Answer on `{aspect.key}`, by side of the page.", _labels(aspect)),
        Column(f"preferred_arm.{aspect.key}", "string", "The same by arm code; null for tie and both bad."),
    ]


def _labels(aspect: Aspect) -> dict[str, str]:
    return {str(value): label for value, label in aspect.options}


def _personas() -> tuple[Column, ...]:
    return (
        *STUDY,
        Column("persona", "string", "Random key of the persona."),
        Column("item", "string", "The item's id in the study file."),
        Column("stratum", "string", "The data set the item comes from; may be empty."),
        Column("persona_source", "string", "Where its text comes from.", dict(Persona.Source.choices)),
        BLOCK,
        Column("author", "string", "Code of the participant who wrote it; null (CSV: empty) for given ones."),
        Column("text", "string", "The persona, exactly as typed or given.", typed=True),
        Column("drafts_saved", "integer", "How often a draft was saved while writing."),
        Column(
            "submitted_at",
            "timestamp",
            "When it was submitted (UTC); of given ones, when the last was given.",
        ),
        *HOW_WRITTEN,
        Column(
            "offered_text",
            "string",
            "The sentence that was last put into the box, from answers or as a proposal; empty where none was.",
            typed=True,
        ),
    )


def _outputs() -> tuple[Column, ...]:
    return (
        *STUDY,
        Column("output", "string", "Random key of the output."),
        Column("persona", "string", "Random key of the persona it was made for."),
        Column("item", "string", "The item's id in the study file."),
        Column("arm", "string", "Code of the arm that made it; null (CSV: empty) for planted pairs."),
        Column(
            "planted",
            "string",
            "Which one of a planted pair; empty for all others.",
            {value: str(label) for value, label in Output.Planted.choices if value},
        ),
        Column("sample", "integer", "0 for the first output of this arm for this persona."),
        Column("state", "string", "Whether all outputs of the persona exist yet.", dict(Output.State.choices)),
        Column(
            "text",
            "string",
            "The output, exactly as made or imported; empty until all of the persona are there.",
            typed=True,
        ),
        Column("ready_at", "timestamp", "When the last output of the persona was made or imported (UTC)."),
        Column("excluded_reason", "string", "Why it is not shown to participants; empty where it is.", typed=True),
        Column("excluded_at", "timestamp", "Since when it is not shown (UTC)."),
    )


_STEPS = {
    "created": "was created",
    "consented": "consented",
    "declined": "declined",
    "instructed": "had read the instructions",
    "completed": "finished the study",
    "withdrawn": "left the study, the data kept or erased",
    "erased": "was erased",
}
_JOINED = {
    "personal_link": "A link of their own",
    "invited": "A link of their own, made from a list",
    "open_link": "A link that anybody may follow",
    "prolific": "Sent by Prolific",
}


_LANGUAGES = {code: str(get_language_info(code)["name"]) for code, _ in settings.LANGUAGES}


def _participants(scope: Scope) -> tuple[Column, ...]:
    known_as = Column(
        "external_id", "string", "Id in the invitation list or on the platform; empty where there is none."
    )
    return (
        *STUDY,
        *PARTICIPANT,
        *((known_as,) if scope.external_ids else ()),
        Column("joined_by", "string", "How the participant came in.", _JOINED),
        Column(
            "platform_state",
            "string",
            "Where a participant from a recruiting platform stands.",
            dict(Participant.PlatformState.choices),
        ),
        *(Column(f"{step}_at", "timestamp", f"When the participant {done} (UTC).") for step, done in _STEPS.items()),
        Column("excluded_at", "timestamp", "When a researcher excluded the participant (UTC)."),
        Column("excluded_reason", "string", "Why; empty for all others.", typed=True),
        Column("consent_hash", "string", "SHA-256 of the consent text agreed to; empty before."),
        Column("language", "string", "The language in which the study is read; fixed with the consent.", _LANGUAGES),
        Column("practice_done", "integer", "Practice items finished."),
        Column("personas_submitted", "integer", "Personas written and submitted."),
        Column("assignments", "integer", "Assignments begun."),
        Column("assignments_completed", "integer", "Assignments completed."),
        Column("assignments_set_aside", "integer", "Assignments set aside because no outputs could be made."),
        Column("assignments_skipped", "integer", "Assignments skipped with a reason."),
        Column("ratings", "integer", "Current answers."),
        *ON_PARTICIPANTS,
        *(replace(time, meaning=time.meaning.replace("of this assignment", "of all assignments")) for time in TIMES),
    )
