"""A study on paper: pages, minutes, places, and how many participants it takes, before anybody takes part.

How the minutes are estimated: words read at 238 words per minute, the mean rate of silent reading of English
non-fiction (Brysbaert 2019, a meta-analysis of 190 studies, Journal of Memory and Language 109, 104047); a written
persona of 25 words at 19 words per minute, the rate measured for composing at a keyboard (Karat et al. 1999, CHI '99);
and 5 seconds for each answer, which is this program's assumption. Waiting for outputs is not counted.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Avg
from django.db.models.functions import Length
from django.utils.translation import gettext_noop

from annotation.allocation import overlaps_of, repeats_of
from annotation.models import Aspect, Output, Study
from annotation.protocol import definition_document

READING_WPM = 238.0
WRITING_WPM = 19.0
PERSONA_WORDS = 25.0
SECONDS_PER_ANSWER = 5.0
DEFAULT_RESPONSE_WORDS = 150.0
CHARACTERS_PER_WORD = 6.0  # of English text, the space included
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
    document: dict[str, Any], *, participants: int | None = None, response_words: float | None = None
) -> DryRun:
    """Return what a study as `StudyDefinition.document()` describes it comes to; writes nothing.

    `participants` is how many are to take part; `response_words` the mean length of a response, if that is known.
    """
    words = response_words or _practice_words(document) or DEFAULT_RESPONSE_WORDS
    work = Workload.of(document)
    pages = tuple(group for group in _pages(document, work, words) if group.count)
    minutes = sum(group.minutes for group in pages)
    return DryRun(
        pages=pages,
        places=work.places,
        participants_needed=work.participants_needed,
        warnings=tuple(_warnings(work, participants, minutes)),
        basis=(
            f"Reading at {READING_WPM:.0f} words per minute (Brysbaert 2019), responses of {words:.0f} words, "
            f"{PERSONA_WORDS:.0f} written words per persona at {WRITING_WPM:.0f} per minute (Karat et al. 1999), "
            f"{SECONDS_PER_ANSWER:.0f} seconds per answer. Waiting for outputs is not counted."
        ),
    )


def stored_dry_run(study: Study) -> DryRun:
    """Return the dry run of a stored study, with the real length of the outputs that are there."""
    ready = Output.objects.filter(arm__study=study, state=Output.State.READY, planted=Output.Planted.NO)
    length = ready.aggregate(mean=Avg(Length("text")))["mean"]
    return dry_run(definition_document(study), response_words=length / CHARACTERS_PER_WORD if length else None)


def _pages(document: dict[str, Any], work: Workload, response_words: float) -> list[PageGroup]:
    questionnaires, quiz = document["questionnaires"], document["quiz"].get("questions", [])
    before, after = (questionnaires.get(page, []) for page in ("before", "after"))
    practice, rate = document["practice"], _rating_minutes(document, response_words)
    writing = _reading(_mean_words(document["items"], "prompt")) + PERSONA_WORDS / WRITING_WPM
    warned = [item for item in document["items"] if item["warning"]]
    warnings = round(work.parts * len(warned) / max(len(document["items"]), 1))
    return [
        PageGroup(
            gettext_noop("Consent"), 1, _reading(_words(document["consent"]) + _words(document["content_warning"]))
        ),
        PageGroup(gettext_noop("Questions before"), bool(before) * 1, _answering(before)),
        PageGroup(gettext_noop("Instructions"), 1, _reading(_words(document["instructions"]))),
        PageGroup(gettext_noop("Practice"), len(practice), len(practice) * rate),
        PageGroup(gettext_noop("Quiz"), bool(quiz) * 1, _answering(quiz)),
        PageGroup(gettext_noop("Warnings"), warnings, warnings * _reading(_mean_words(warned, "warning"))),
        PageGroup(gettext_noop("Writing a persona"), work.written, work.written * writing),
        PageGroup(gettext_noop("Waiting for the responses"), work.written, 0.0),
        PageGroup(gettext_noop("Rating"), work.parts, work.parts * rate),
        PageGroup(gettext_noop("Questions after"), bool(after) * 1, _answering(after)),
        PageGroup(gettext_noop("Thanks and completion code"), 1, _reading(_words(document["debrief"]))),
    ]


def _rating_minutes(document: dict[str, Any], response_words: float) -> float:
    arms = len(document["arms"])
    shows_responses = document["kind"] == Study.Kind.OUTPUT_RATING or document["show_responses"]
    kinds = [aspect["kind"] for aspect in document["aspects"] if aspect["kind"] != Aspect.Kind.CHECK]
    answers = sum(arms if kind == Aspect.Kind.RATING else 1 for kind in kinds)
    items = document["items"]
    words = _mean_words(items, "prompt") + _mean_words([item for item in items if item["persona"]], "persona")
    return _reading(words + arms * response_words * shows_responses) + answers * SECONDS_PER_ANSWER / 60


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


def _practice_words(document: dict[str, Any]) -> float:
    responses = [response for item in document["practice"] for response in item["responses"]]
    return sum(map(_words, responses)) / len(responses) if responses else 0.0


def _mean_words(items: Sequence[dict[str, Any]], name: str) -> float:
    return sum(_words(item[name]) for item in items) / len(items) if items else 0.0


def _words(text: str) -> int:
    return len(text.split())


def _reading(words: float) -> float:
    return words / READING_WPM


def _answering(questions: Sequence[dict[str, Any]]) -> float:
    return sum(_reading(_words(question["question"])) + SECONDS_PER_ANSWER / 60 for question in questions)
