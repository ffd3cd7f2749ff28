"""What an ethics board asks of a study, answered from the study, the settings and the database as they are now."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import QuerySet
from django.utils.module_loading import import_string

from annotation.models import (
    Aspect,
    ElicitationAnswer,
    Event,
    Followup,
    Output,
    PageVisit,
    Participant,
    Passage,
    Persona,
    PersonaProposal,
    QuestionnaireAnswer,
    Rating,
    Study,
    StudyMember,
    User,
)
from annotation.retention import limits_of
from annotation.services.erasure import BLANKED, DELETED, FORGOTTEN
from personaeval.private import others_may


@dataclass(frozen=True)
class EthicsSection:
    """A heading with sentences, or with a table: its head, and rows as wide as that."""

    title: str
    lines: tuple[str, ...] = ()
    head: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


def ethics_sections(study: Study) -> tuple[EthicsSection, ...]:
    """Return what is kept of participants, where, for how long, who sees it, what models get, and what goes when."""
    return (
        _study(study),
        EthicsSection("What is kept of participants", head=("What", "How much now"), rows=tuple(_kept(study))),
        EthicsSection("Where it is kept", tuple(_places())),
        EthicsSection("How long it is kept", tuple(_durations(study))),
        EthicsSection("Who may see it", head=("Who", "How many", "What"), rows=tuple(_readers(study))),
        EthicsSection("What language models are given", (_models(study),)),
        EthicsSection("What an erasure removes", tuple(_erasure())),
    )


def ethics_markdown(study: Study) -> str:
    """Return the same as a Markdown document."""
    lines = [f"# Data of participants: {study.title}", ""]
    for section in ethics_sections(study):
        lines += [f"## {section.title}", "", *(f"- {line}" for line in section.lines)]
        if section.head:
            lines += [_markdown_row(section.head), "|" + "---|" * len(section.head)]
            lines += [_markdown_row(row) for row in section.rows]
        lines.append("")
    return "\n".join(lines)


def _markdown_row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _study(study: Study) -> EthicsSection:
    lines = [f"{study.title} ({study.slug}, version {study.version}), {study.state}"]
    lines += [f"Contact: {study.contact}"] if study.contact else []
    lines += [f"Opened on {study.opened_at:%Y-%m-%d}"] if study.opened_at else []
    lines += [f"Closed on {study.closed_at:%Y-%m-%d}"] if study.closed_at else []
    lines += [f"Protocol hash: {study.protocol_hash}"] if study.protocol_hash else []
    return EthicsSection("The study", tuple(lines))


def _kept(study: Study) -> Iterator[tuple[str, str]]:
    """Yield what the study asks for, and whatever else is there."""
    people = Participant.objects.filter(study=study, kind=Participant.Kind.PERSON)
    mine = {"participant__study": study, "participant__kind": Participant.Kind.PERSON}
    of_parts = {f"assignment__{name}": value for name, value in mine.items()}
    written = Persona.objects.filter(author__in=people)
    answers = QuestionnaireAnswer.objects.filter(**mine)
    quiz = QuestionnaireAnswer.Page.QUIZ
    kinds: tuple[tuple[str, QuerySet[Any], bool], ...] = (
        ("Participants: a code, a secret link, and when each step was reached", people, True),
        ("Ids from a platform or an invitation list", people.exclude(external_id=""), bool(study.recruitment)),
        ("Personas that they wrote", written.exclude(text=""), study.written_personas_per_participant > 0),
        ("Responses made from these by language models", Output.objects.filter(persona__in=written).exclude(text=""),
         study.written_personas_per_participant > 0),
        ("Ratings, with those that were changed later",
         Rating.objects.filter(**{f"slot__{name}": value for name, value in of_parts.items()}), True),
        ("Reasons and remarks", Followup.objects.filter(**{f"slot__{name}": value for name, value in of_parts.items()}),
         bool(study.followup)),
        ("Passages marked in responses, with reasons",
         Passage.objects.filter(**{f"rating__slot__{name}": value for name, value in of_parts.items()}),
         study.aspects.filter(kind=Aspect.Kind.SPAN).exists()),
        ("Answers in questionnaires", answers.exclude(page=quiz), bool(study.questionnaires)),
        ("Answers in the quiz", answers.filter(page=quiz), bool(study.quiz)),
        ("Answers that helped to write a persona", ElicitationAnswer.objects.filter(persona__author__in=people),
         bool(study.elicitation)),
        ("Personas that were proposed to them", PersonaProposal.objects.filter(persona__author__in=people),
         bool(study.elicitation)),
        ("Seconds on pages", PageVisit.objects.filter(**of_parts), True),
        ("Steps through the study, with their times", Event.objects.filter(**mine), True),
    )  # fmt: skip
    for what, rows, is_asked in kinds:
        number = rows.count()
        if is_asked or number:
            yield what, str(number)


def _places() -> Iterator[str]:
    place = connection.settings_dict
    if connection.vendor == "sqlite":
        yield f"In one file on the computer that runs the site: {_mode_of(Path(str(place['NAME'])))}"
    else:
        host = place.get("HOST") or "the computer that runs the site"
        yield f"In a {connection.display_name} database on {host}, reached by an account of its own"
    yield "Pages travel encrypted (HTTPS)" if settings.HTTPS else "Pages are not encrypted by this site (no HTTPS)"
    yield f"Backups: {settings.BACKUP_STATEMENT}"
    said = "a line for each request, without its address" if settings.LOG_REQUESTS else "no line for single requests"
    yield f"This site's own log has {said}; what a web server in front of it logs, this page cannot know"


def _mode_of(path: Path) -> str:
    if not path.exists():
        return "its rights cannot be read"
    return "others on that computer have rights to it" if others_may(path) else "its account alone may read it"


def _durations(study: Study) -> Iterator[str]:
    if study.key_destroyed_at:
        yield f"The key was destroyed on {study.key_destroyed_at:%Y-%m-%d}: nobody can say which participant is whom"
    for limit in limits_of(study):
        if limit.done_at:
            when = f"erased on {limit.done_at:%Y-%m-%d}"
        elif limit.due_at:
            when = f"erased on {limit.due_at:%Y-%m-%d}, {limit.days} days after the study was closed"
        else:
            when = f"erased {limit.days} days after the study is closed"
        yield f"{limit.kind.label}: {when}"
    if "everything_days" not in study.retention:
        yield "What no limit is named for is kept until a participant or a researcher has it erased"


def _readers(study: Study) -> Iterator[tuple[str, str, str]]:
    attached = StudyMember.objects.filter(study=study, user__is_active=True)
    blinded = "everything but which system made a response, and the key"
    yield "Owner of the study", "1", "everything but which system made a response; the key"
    yield "Researchers attached to it", str(attached.filter(role=StudyMember.Role.RESEARCHER).count()), blinded
    analysts = attached.filter(role=StudyMember.Role.ANALYST).count()
    yield "Analysts attached to it", str(analysts), "everything but the key and participants' links"
    yield "Admins of the site", str(User.objects.filter(is_superuser=True, is_active=True).count()), "everything"
    yield "Each participant", "", "their own answers, by their link"


_REACH = {
    "none": "Nothing that participants write.",
    "here": "What participants write goes to models on the computers that run this site and its workers, nowhere else.",
    "network": "What participants write goes to model servers in the operator's own network, and no further.",
    "outside": "What participants write goes to a model server outside the operator's own network.",
}


def _models(study: Study) -> str:
    """Say how far personas travel, over all systems of the study together: which arm sends them where is not told."""
    reach = import_string(settings.PERSONAS_REACH)(study) if study.written_personas_per_participant else "none"
    return _REACH[reach]


def _erasure() -> Iterator[str]:
    yield f"Deleted: {', '.join(DELETED)}"
    yield f"Blanked where somebody else has rated it, else deleted: {', '.join(BLANKED)}"
    yield f"Forgotten: {', '.join(FORGOTTEN)}"
    yield "Kept: ratings that others gave, counts of what was erased, the date, and the code of the receipt"
    yield "Backups and files that were exported before are not reached"
