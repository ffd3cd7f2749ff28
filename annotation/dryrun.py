"""A study on paper: pages, minutes, places, and how many participants it takes, before anybody takes part.

What the minutes rest on is in effort.py. Waiting for outputs is not counted.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_noop

from annotation.allocation import overlaps_of, repeats_of
from annotation.effort import (
    ANSWER_WORDS,
    PERSONA_WORDS,
    READING_CPM,
    READING_WPM,
    SECONDS_PER_ANSWER,
    WRITING_WPM,
    answering,
    reading,
    reading_all,
    reading_of_words,
    writing,
)
from annotation.models import Aspect, Output, Study
from annotation.protocol import definition_document, imported_documents

DEFAULT_RESPONSE_WORDS = 150.0
MOST_OUTPUTS = 2000  # more would not change what a response takes on average
# What a document of an imported item leaves out.
_NO_ITEM = {"warning": "", "planted_part": None, "good": "", "bad": ""}
LONG_MINUTES = 60.0


@dataclass(frozen=True)
class PageGroup:
    """Pages of one sort that a participant sees, and the minutes that all of them take together."""

    name: str
    count: int
    minutes: float


@dataclass(frozen=True)
class DryRun:
    """What a study asks of a participant, and of how many."""

    pages: tuple[PageGroup, ...]
    places: int
    participants_needed: int
    warnings: tuple[str, ...]
    basis: str

    @property
    def pages_total(self) -> int:
        """Pages that one participant sees."""
        return sum(group.count for group in self.pages)

    @property
    def minutes(self) -> float:
        """Estimated minutes that one participant takes."""
        return sum(group.minutes for group in self.pages)

    @property
    def pace(self) -> dict[str, float]:
        """Estimated minutes of one part with all that belongs to it, and of what comes after the last one."""
        times = {group.name: group.minutes for group in self.pages}
        parts = next((group.count for group in self.pages if group.name == "Rating"), 0)
        work = sum(times.get(name, 0.0) for name in ("Warnings", "Writing a persona", "Rating"))
        after = sum(times.get(name, 0.0) for name in ("Questions after", "Thanks and completion code"))
        return {"part": round(work / parts, 2), "after": round(after, 2)} if parts else {}


@dataclass(frozen=True)
class Workload:
    """The parts of one participant by where they come from, and what there is to hand out."""

    written: int
    given: int
    others: int
    repeats: int
    planted: int
    items_to_write: int
    items_given: int
    raters: int

    @classmethod
    def of(cls, document: dict[str, Any]) -> "Workload":
        """Return it for a definition document; the overlap is that of an average participant."""
        items = [item for item in document["items"] if item["planted_part"] is None]
        given = sum(item["persona"] is not None for item in items)
        written, shown = document["written_personas_per_participant"], document["given_personas_per_participant"]
        return cls(
            written=written,
            given=shown,
            others=overlaps_of(share=document["overlap_share"], parts=written, participant=1),
            repeats=repeats_of(share=document["repeat_share"], parts=written + shown),
            planted=len(document["items"]) - len(items),
            items_to_write=len(items) - given,
            items_given=given,
            raters=document["raters_per_item"],
        )

    @property
    def parts(self) -> int:
        """Parts that one participant rates."""
        return self.written + self.given + self.others + self.repeats + self.planted

    @property
    def places(self) -> int:
        """Places that the whole study has to fill with own parts."""
        return self.raters * (bool(self.written) * self.items_to_write + bool(self.given) * self.items_given)

    def participants_for(self, items: int, per_participant: int) -> int:
        """Return how many participants it takes to have each of `items` rated by all its raters; 0 if never."""
        if not items or not per_participant:
            return 0
        return max(self.raters, math.ceil(items * self.raters / min(per_participant, items)))

    @property
    def participants_needed(self) -> int:
        """Participants for full coverage, if each finishes."""
        writing = self.participants_for(self.items_to_write, self.written)
        return max(writing, self.participants_for(self.items_given, self.given))


def dry_run(
    document: dict[str, Any], *, participants: int | None = None, response_minutes: float | None = None
) -> DryRun:
    """Return what a study as `StudyDefinition.document()` describes it comes to; writes nothing.

    `participants` is how many are to take part; `response_minutes` what a response takes to read, if that is known.
    """
    minutes_each = response_minutes or _practice_minutes(document) or reading_of_words(DEFAULT_RESPONSE_WORDS)
    work = Workload.of(document)
    pages = tuple(group for group in _pages(document, work, minutes_each) if group.count)
    minutes = sum(group.minutes for group in pages)
    return DryRun(
        pages=pages,
        places=work.places,
        participants_needed=work.participants_needed,
        warnings=tuple(_warnings(work, participants, minutes)),
        basis=(
            f"Reading at {READING_WPM:.0f} words per minute (Brysbaert 2019), Chinese and Japanese at "
            f"{READING_CPM:.0f} characters (Trauzettel-Klosinski & Dietz 2012), {minutes_each * 60:.0f} seconds per "
            f"response; {PERSONA_WORDS:.0f} written words per persona and {ANSWER_WORDS:.0f} per answer in words at "
            f"{WRITING_WPM:.0f} per minute (Karat et al. 1999); {SECONDS_PER_ANSWER:.0f} seconds per answer. Waiting "
            "for outputs is not counted."
        ),
    )


def stored_dry_run(study: Study) -> DryRun:
    """Return the dry run of a stored study, from all its texts: imported items, and the outputs that are there."""
    document = definition_document(study)
    others = [{**_NO_ITEM, **item} for item in imported_documents(study)]
    ready = Output.objects.filter(arm__study=study, state=Output.State.READY, planted=Output.Planted.NO)
    # Outputs of one persona stand together, so that all arms are among those that are read.
    texts = ready.filter(sample=0, excluded_at__isnull=True).order_by("persona").values_list("text", flat=True)
    times = [reading(text) for text in texts[:MOST_OUTPUTS]]
    return dry_run(
        {**document, "items": [*document["items"], *others]},
        response_minutes=sum(times) / len(times) if times else None,
    )


def _pages(document: dict[str, Any], work: Workload, response: float) -> list[PageGroup]:
    questionnaires, quiz = document["questionnaires"], document["quiz"].get("questions", [])
    before, after = (questionnaires.get(page, []) for page in ("before", "after"))
    items, practice = document["items"], document["practice"]
    to_write = [item for item in items if item["persona"] is None]
    writing_one = _mean(to_write, "prompt") + writing(PERSONA_WORDS) + _help_minutes(document)
    warned = [item for item in items if item["warning"]]
    warnings = round(work.parts * len(warned) / max(len(items), 1))
    return [
        PageGroup(gettext_noop("Consent"), 1, reading(document["consent"], document["content_warning"])),
        PageGroup(gettext_noop("Questions before"), bool(before) * 1, _asked(before)),
        PageGroup(gettext_noop("Instructions"), 1, reading(document["instructions"])),
        PageGroup(gettext_noop("Practice"), len(practice), sum(_practice_part(document, one) for one in practice)),
        PageGroup(gettext_noop("Quiz"), bool(quiz) * 1, _asked(quiz)),
        PageGroup(gettext_noop("Warnings"), warnings, warnings * _mean(warned, "warning")),
        PageGroup(gettext_noop("Writing a persona"), work.written, work.written * writing_one),
        PageGroup(gettext_noop("Waiting for the responses"), work.written, 0.0),
        PageGroup(gettext_noop("Rating"), work.parts, _rating_minutes(document, work, response)),
        PageGroup(gettext_noop("Questions after"), bool(after) * 1, _asked(after)),
        PageGroup(gettext_noop("Thanks and completion code"), 1, reading(document["debrief"])),
    ]


def _rating_minutes(document: dict[str, Any], work: Workload, response: float) -> float:
    """Minutes of all parts that are rated: their texts, the answers, and the questions, which are read once."""
    items = [item for item in document["items"] if item["planted_part"] is None]
    given = [item for item in items if item["persona"] is not None]
    to_write = [item for item in items if item["persona"] is None]
    planted = [item for item in document["items"] if item["planted_part"] is not None]
    responses = len(document["arms"]) * response * _shows_responses(document)
    own = reading_of_words(PERSONA_WORDS)
    written_part = _mean(to_write, "prompt") + own + responses
    given_part = _mean(given, "prompt") + _mean(given, "persona") + responses
    own_parts = max(work.written + work.given, 1)
    repeated = (work.written * written_part + work.given * given_part) / own_parts
    texts = (work.written + work.others) * written_part + work.given * given_part + work.repeats * repeated
    texts += sum(reading(item["prompt"], item["persona"], item["good"], item["bad"]) for item in planted)
    return texts + work.parts * _answers(document) + _questions(document)


def _practice_part(document: dict[str, Any], item: dict[str, Any]) -> float:
    return reading(item["prompt"], item["persona"], *item["responses"]) + _answers(document)


def _answers(document: dict[str, Any]) -> float:
    """Minutes of the clicks of one part: its scales, and one more for what may be added about each thing rated."""
    arms, kinds = len(document["arms"]), [aspect["kind"] for aspect in document["aspects"]]
    each = {Aspect.Kind.RATING: arms, Aspect.Kind.RANKING: arms, Aspect.Kind.BEST_WORST: 2, Aspect.Kind.CHECK: 0}
    each[Aspect.Kind.SPAN] = 2 * arms  # a passage in each response, selected and marked
    clicks = sum(each.get(kind, 1) for kind in kinds)
    added = arms if Aspect.Kind.RATING in kinds else 1
    remarks = writing(ANSWER_WORDS) * added if document["followup"].get("required") else 0
    reasons = sum(aspect.get("marking", {}).get("reason") == "required" for aspect in document["aspects"])
    remarks += writing(ANSWER_WORDS) * arms * reasons
    return answering(clicks + bool(document["followup"]) * added) + remarks


def _questions(document: dict[str, Any]) -> float:
    """Minutes of reading all questions of the rating pages once, and of what stands on one page only."""
    aspects = document["aspects"]
    asked = sum(reading(aspect["name"], aspect["question"], *aspect["labels"]) for aspect in aspects)
    checks = sum(aspect["kind"] == Aspect.Kind.CHECK for aspect in aspects)
    return asked + answering(checks) + reading_all(document["followup"])


def _help_minutes(document: dict[str, Any]) -> float:
    """Minutes of the questions that help to write one persona, for the half or all who are asked them."""
    section = document.get("elicitation", {})
    share = {"elicited": 1.0, "both": 0.5}.get(section.get("condition", ""), 0.0)
    return share * _asked(section.get("questions") or []) if share else 0.0


def _shows_responses(document: dict[str, Any]) -> bool:
    return bool(document["kind"] == Study.Kind.OUTPUT_RATING or document["show_responses"])


def _warnings(work: Workload, participants: int | None, minutes: float) -> list[str]:
    found = []
    writing = work.participants_for(work.items_to_write, work.written)
    given = work.participants_for(work.items_given, work.given)
    if writing and given and writing != given:
        found.append(
            f"Items to write for are covered after {writing} participants and given personas after {given}: "
            "later participants get fewer parts."
        )
    if minutes > LONG_MINUTES:
        found.append(f"About {minutes:.0f} minutes is long; people tire, and those who stop leave parts unfinished.")
    return [*found, *_coverage_warnings(work, participants)]


def _coverage_warnings(work: Workload, participants: int | None) -> list[str]:
    needed = work.participants_needed
    if participants is None or participants == needed:
        return []
    if participants > needed:
        return [f"{participants} participants are more than the {needed} needed: the last ones find no place."]
    missing = [f"Full coverage needs {needed} participants; {participants} leave places empty."]
    if participants < work.raters:
        missing.append(f"Each item is to have {work.raters} raters, which {participants} participants cannot give.")
    return missing


def _practice_minutes(document: dict[str, Any]) -> float:
    responses = [response for item in document["practice"] for response in item["responses"]]
    return reading(*responses) / len(responses) if responses else 0.0


def _mean(items: Sequence[dict[str, Any]], name: str) -> float:
    return sum(reading(item[name]) for item in items) / len(items) if items else 0.0


def _asked(questions: Sequence[dict[str, Any]]) -> float:
    """Minutes of reading questions with their answers, and of answering them."""
    return sum(
        reading(question["question"], *question.get("options", []), *question.get("labels", []))
        + (writing(ANSWER_WORDS) if question.get("type") == "text" else answering())
        for question in questions
    )
