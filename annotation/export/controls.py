"""The tables of controls and questions around the ratings: their columns and their rows."""

from collections.abc import Callable, Iterator
from typing import Any

from django.db.models import QuerySet

from annotation.controls.results import ATTENTION, PLANTED, CheckResult, check_results
from annotation.export.columns import PARTICIPANT, STUDY, Column
from annotation.export.querysets import participants_of
from annotation.export.rows import Row, participant_cells, person_paths, read
from annotation.export.scope import Scope
from annotation.models import Assignment, Followup, QuestionnaireAnswer, Slot
from annotation.questionnaires import answer_label

Page = QuestionnaireAnswer.Page
_FIRST = (*STUDY, *PARTICIPANT)

CHECKS = (
    *_FIRST,
    Column("assignment", "string", "Random key of the assignment that held the check."),
    Column("ordinal", "integer", "The assignment's place in the participant's sequence, from 1."),
    Column("check_kind", "string", "What kind of check.", {
        ATTENTION: "An instruction to choose one answer", PLANTED: "A good and a bad response, to be told apart",
    }),
    Column("check", "string", "Attention checks: the aspect's key. Planted pairs: the item's id."),
    Column("passed", "boolean", "Attention checks: the answer was right, and a miss did not have to be told. Planted "
           "pairs: the bad response scored lower than the good one on the aspect that the study file names."),
    Column("expected", "integer", "Attention checks: the right answer."),
    Column("first_answer", "integer", "Attention checks: the first answer ever saved."),
    Column("answer", "integer", "Attention checks: the answer that stands."),
    Column("told", "boolean", "Attention checks: a miss was told, once, and the question could be read again."),
    Column("good", "integer", "Planted pairs: the score of the good response."),
    Column("bad", "integer", "Planted pairs: the score of the bad response."),
    Column("saved_at", "timestamp", "When the last of these answers was saved (UTC)."),
)  # fmt: skip
FOLLOWUPS = (
    *_FIRST,
    Column("assignment", "string", "Random key of the assignment."),
    Column("slot_kind", "string", "What it is about.", dict(Slot.Kind.choices)),
    Column("position", "integer", "Where that stood on the page."),
    Column("output", "string", "Random key of the output; null (CSV: empty) for a persona."),
    Column("chips", "string", "The chosen reasons, one per line."),
    Column("text", "string", "What was added, exactly as typed.", typed=True),
    Column("saved_at", "timestamp", "When it was saved last (UTC)."),
)
QUESTIONNAIRES = (
    *_FIRST,
    Column("page", "string", "Where it was asked.", {Page.BEFORE.value: Page.BEFORE.label,
           Page.AFTER.value: Page.AFTER.label}),
    Column("question", "string", "The question's key in the study file."),
    Column("value", "string", "The answer: a text exactly as typed, a choice's words, or a scale's number from 1.",
           typed=True),
    Column("label", "string", "The words that the answer stands for.", typed=True),
    Column("saved_at", "timestamp", "When it was saved last (UTC)."),
)  # fmt: skip
QUIZ = (
    *_FIRST,
    Column("attempt", "integer", "Which try, from 1."),
    Column("question", "integer", "The question's number in the study file, from 1."),
    Column("answer", "integer", "The number of the option chosen, from 1."),
    Column("right", "boolean", "Whether that is the right option."),
    Column("saved_at", "timestamp", "When the try was sent (UTC)."),
)


def control_tables() -> tuple[tuple[str, str, tuple[Column, ...], Callable[..., Any], Callable[..., Any]], ...]:
    """Return (name, meaning, columns, rows, queryset or results that are counted) of each table."""
    return (
        ("checks", "One row per attention check answered and planted pair rated.", CHECKS, checks, _results),
        ("followups", "One row per response or persona about which something was added.", FOLLOWUPS, followups,
         followups_of),
        ("questionnaires", "One row per answer on the pages before and after the work.", QUESTIONNAIRES,
         questionnaires, questionnaires_of),
        ("quiz", "One row per question and try at the quiz.", QUIZ, quiz, quiz_of),
    )  # fmt: skip


class _Counted(list[CheckResult]):
    """Results that are counted as a queryset is."""

    def count(self) -> int:  # type: ignore[override]
        return len(self)


def _results(scope: Scope) -> _Counted:
    return _Counted(check_results(scope.study, kinds=scope.kinds))


def checks(scope: Scope) -> Iterator[Row]:
    """Yield the results of checks, by participant and part."""
    people = {row["_pk"]: row for row in read(participants_of(scope), {"_pk": "pk", **_PERSON})}
    assignments = Assignment.objects.filter(participant__study=scope.study)
    keys = {pk: (key, ordinal) for pk, key, ordinal in assignments.values_list("pk", "key", "ordinal")}
    plain = ("passed", "expected", "first_answer", "answer", "told", "good", "bad", "saved_at")
    for result in _results(scope):
        key, ordinal = keys[result.assignment_id]
        yield {
            **scope.study_cells,
            **participant_cells(people[result.participant_id]),
            "assignment": key,
            "ordinal": ordinal,
            "check_kind": result.kind,
            "check": result.key,
            **{name: getattr(result, name) for name in plain},
        }


_PERSON = person_paths("")


def followups_of(scope: Scope) -> QuerySet[Followup]:
    """Return what the participants in scope added."""
    return Followup.objects.filter(
        slot__assignment__participant__study=scope.study, slot__assignment__participant__kind__in=scope.kinds
    )


def followups(scope: Scope) -> Iterator[Row]:
    """Yield what was added, by participant, assignment and position."""
    paths = {
        **person_paths("slot__assignment__participant__"),
        "assignment": "slot__assignment__key",
        "slot_kind": "slot__kind",
        "position": "slot__position",
        "output": "slot__output__key",
        "chips": "chips",
        "text": "text",
        "saved_at": "saved_at",
    }
    order = ("slot__assignment__participant__number", "slot__assignment__ordinal", "slot__position")
    for row in read(followups_of(scope).order_by(*order), paths):
        yield {**_first_cells(scope, row), **_cells(row), "chips": "\n".join(row["chips"])}


def questionnaires_of(scope: Scope) -> QuerySet[QuestionnaireAnswer]:
    """Return the answers on questionnaire pages of the participants in scope."""
    return _answers_of(scope).exclude(page=Page.QUIZ)


def questionnaires(scope: Scope) -> Iterator[Row]:
    """Yield the answers, by participant, the page before the work first."""
    asked = {
        (page, question["key"]): question
        for page, questions in scope.study.questionnaires.items()
        for question in questions
    }
    paths = {**_OF_ANSWERS, "page": "page", "question": "key", "value": "value", "saved_at": "saved_at"}
    rows = questionnaires_of(scope).order_by("participant__number", "-page", "pk")
    for row in read(rows, paths):
        cells = _cells(row)
        saved_at = cells.pop("saved_at")
        label = answer_label(asked[row["page"], row["question"]], row["value"])
        yield {**_first_cells(scope, row), **cells, "label": label, "saved_at": saved_at}


def quiz_of(scope: Scope) -> QuerySet[QuestionnaireAnswer]:
    """Return the answers to the quiz of the participants in scope."""
    return _answers_of(scope).filter(page=Page.QUIZ)


def quiz(scope: Scope) -> Iterator[Row]:
    """Yield the answers in each try, by participant."""
    paths = {**_OF_ANSWERS, "_key": "key", "_value": "value", "saved_at": "saved_at"}
    for row in read(quiz_of(scope).order_by("participant__number", "pk"), paths):
        attempt, question = map(int, row["_key"].split("."))
        answer = int(row["_value"])
        yield {
            **_first_cells(scope, row),
            "attempt": attempt,
            "question": question,
            "answer": answer,
            "right": answer == scope.study.quiz["questions"][question - 1]["answer"],
            "saved_at": row["saved_at"],
        }


_OF_ANSWERS = person_paths("participant__")


def _answers_of(scope: Scope) -> QuerySet[QuestionnaireAnswer]:
    return QuestionnaireAnswer.objects.filter(participant__study=scope.study, participant__kind__in=scope.kinds)


def _first_cells(scope: Scope, row: Row) -> Row:
    return {**scope.study_cells, **participant_cells(row)}


def _cells(row: Row) -> Row:
    return {name: cell for name, cell in row.items() if not name.startswith("_")}
