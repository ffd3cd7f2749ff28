"""Erase one person's data: the only service that may remove what was collected."""

from typing import Any

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.module_loading import import_string

from annotation.keys import link_token
from annotation.models import (
    Assignment,
    ElicitationAnswer,
    Event,
    Followup,
    GuardCheck,
    Output,
    PageVisit,
    Participant,
    Passage,
    Persona,
    PersonaFinding,
    PersonaHold,
    PersonaProposal,
    QuestionnaireAnswer,
    Rating,
    Slot,
    Study,
)
from annotation.services.tallies import items_of, units_recount

State = Assignment.State

# What `data_erase` and `person_forget` do, in words; tests/annotation/test_ethics.py holds them to it.
DELETED = (
    "answers with all earlier versions",
    "reasons and remarks",
    "answers in questionnaires and the quiz",
    "answers that helped to write a persona, and what was proposed",
    "times on pages",
    "steps through the study",
    "what was found in personas, and what was held because of it",
    "passages marked in responses, with their reasons",
)
BLANKED = ("personas", "the responses made from them")
FORGOTTEN = ("link", "completion code", "ids from a platform or list", "times of consent and completion")


def rows_lock(participant: Participant) -> None:
    """Hold off every request that would still write for this participant, and end their unfinished work.

    Each saves after a conditional update of one of these rows: it has committed before, or will find nothing to save.
    """
    now = timezone.now()
    Assignment.objects.filter(participant=participant, state=State.OPEN).update(state=State.RELEASED, expires_at=now)


def data_erase(participant: Participant) -> dict[str, int]:
    """Delete or blank all that the participant gave, inside the caller's transaction; return what was erased, counted.

    What others rated stays as rows with their scores, without text.
    """
    rows_lock(participant)
    items = items_of(participant)
    mine = Assignment.objects.filter(participant=participant)
    personas = Persona.objects.filter(author=participant)
    outputs = Output.objects.filter(persona__in=personas)
    counts = {
        "parts_completed": mine.filter(state=State.COMPLETED).count(),
        "personas": personas.exclude(text="").count(),
    }
    _blank(personas, outputs)
    counts |= _delete_answers(participant, mine)
    _free_other_raters(personas, participant)
    mine.filter(repeat_of__isnull=False).delete()
    mine.delete()
    _run_hooks(participant.study_id, outputs, personas)
    counts["outputs"] = outputs.count()
    units_recount(study=participant.study, kind=participant.kind, items=items)
    _delete_unrated(personas)
    return counts


def free_text_erase(study: Study) -> dict[str, int]:
    """Blank what the study's participants wrote, and what was made from it, inside the caller's transaction.

    Ratings, chosen options and times stay. Returns what was erased, counted.
    """
    personas = Persona.objects.filter(item__study=study, source=Persona.Source.WRITTEN)
    outputs = Output.objects.filter(persona__in=personas)
    typed = [
        (page, question["key"])
        for page, questions in study.questionnaires.items()
        for question in questions
        if question["type"] == "text"
    ]
    typed_answers = Q(pk__in=[])
    for page, key in typed:
        typed_answers |= Q(page=page, key=key)
    steps: dict[str, QuerySet[Any]] = {
        "questionnaire_answers": QuestionnaireAnswer.objects.filter(typed_answers, participant__study=study),
        "elicitation_answers": ElicitationAnswer.objects.filter(persona__in=personas),
        "persona_proposals": PersonaProposal.objects.filter(persona__in=personas),
    }
    counts = {"personas": personas.exclude(text="").count(), "outputs": outputs.exclude(text="").count()}
    _blank(personas, outputs)
    _run_hooks(study.pk, outputs, personas)
    counts["followups"] = Followup.objects.filter(slot__assignment__participant__study=study).exclude(text="").update(
        text=""
    )  # fmt: skip
    marked = Passage.objects.filter(rating__slot__assignment__participant__study=study)
    counts["passages"] = marked.exclude(reason="").update(reason="")
    for name, rows in steps.items():
        counts[name] = rows.count()
        rows.delete()
    return counts


def person_forget(participant: Participant) -> None:
    """Blank everything on the participant's own row that says who they are or what they did, and close the link."""
    times = ("consented", "declined", "instructed", "surveyed_before", "quiz_passed", "screened_out",
             "surveyed_after", "completed", "excluded")  # fmt: skip
    Participant.objects.filter(pk=participant.pk).update(
        **{f"{name}_at": None for name in times},
        token=link_token(),
        external_id="",
        external_key="",
        session_id="",
        completion_code="",
        consent_hash="",
        language="",
        excluded_reason="",
        platform_state=Participant.PlatformState.NONE,
        practice_done=0,
        quiz_attempts=0,
    )


def _blank(personas: QuerySet[Persona], outputs: QuerySet[Output]) -> None:
    """Take the text away. First of all, because the update also stops a worker from filling an output later."""
    unfinished = outputs.filter(state=Output.State.REQUESTED)
    unfinished.update(state=Output.State.FAILED, lease_holder="", lease_until=None)
    outputs.update(text="", error="", lease_holder="")
    Passage.objects.filter(rating__slot__output__in=outputs).update(text="")
    personas.update(text="", offered_text="", draft_tab=None)
    for model in (PersonaFinding, PersonaHold, GuardCheck):  # what was found quotes the text
        model.objects.filter(persona__in=personas).delete()


def _delete_answers(participant: Participant, mine: QuerySet[Assignment]) -> dict[str, int]:
    slots = Slot.objects.filter(assignment__in=mine)
    ratings = Rating.objects.filter(slot__in=slots)
    passages = Passage.objects.filter(rating__in=ratings)
    steps: dict[str, QuerySet[Any]] = {
        "followups": Followup.objects.filter(slot__in=slots),
        "questionnaire_answers": QuestionnaireAnswer.objects.filter(participant=participant),
        "elicitation_answers": ElicitationAnswer.objects.filter(persona__author=participant),
        "persona_proposals": PersonaProposal.objects.filter(persona__author=participant),
        "page_visits": PageVisit.objects.filter(assignment__in=mine),
        "events": Event.objects.filter(participant=participant),
    }
    counts = {"ratings": ratings.filter(superseded_by__isnull=True).count(), "earlier_ratings": 0}
    counts["earlier_ratings"] = ratings.count() - counts["ratings"]
    passages.delete()
    ratings._raw_delete(ratings.db)
    for name, rows in steps.items():
        counts[name] = rows.count()
        rows.delete()
    slots.delete()
    return counts


def _free_other_raters(personas: QuerySet[Persona], participant: Participant) -> None:
    """Let whoever is at work on one of these personas go on with another: its text is gone."""
    others = Assignment.objects.filter(persona__in=personas).exclude(participant=participant)
    others.filter(state=State.OPEN).update(state=State.SET_ASIDE)


def _run_hooks(study_id: int, outputs: QuerySet[Output], personas: QuerySet[Persona]) -> None:
    output_ids = list(outputs.values_list("pk", flat=True))
    persona_ids = list(personas.values_list("pk", flat=True))
    for path in settings.ERASURE_HOOKS:
        import_string(path)(study_id=study_id, output_ids=output_ids, persona_ids=persona_ids)


def _delete_unrated(personas: QuerySet[Persona]) -> None:
    unrated = list(personas.filter(assignments__isnull=True).values_list("pk", flat=True))
    Output.objects.filter(persona__in=unrated).delete()
    Persona.objects.filter(pk__in=unrated).delete()
