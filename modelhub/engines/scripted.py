"""The scripted engine: deterministic answers from a file, for the demonstration study, for tests and for rehearsals.

`System.model` is the path of a YAML script:

    prompts:                       # known prompts, compared without regard to case and spacing
      - prompt: How do I fall asleep faster?
        general: One text, whoever asks.
        tailored: As {trait}, you may like this. Since you prefer {preference}, …
    fallback:                      # for every other prompt; {prompt} may be used here
      general: …
      tailored: …

`{trait}` and `{preference}` are taken from the persona (see `persona_parts`): a trait reads well after "you are", a
preference after "you prefer". `System.decoding` picks the text and may rehearse a failure:

    {"style": "general"}           the default
    {"style": "tailored"}          the general text is used where no persona is shown
    {"style": "pick"}              one of the script's `picks: [text, …]`, always the same for a prompt: for personas
                                   and verdicts
    {"fail_on": "fall asleep"}     prompts that contain this fail, as if the engine had broken down
"""

import hashlib
import re
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from annotation.parsing import TooMuch, yaml_content
from modelhub.engines.base import (
    Answer,
    EngineError,
    EngineSettings,
    GenerationFailure,
    GenerationRequest,
    GenerationResult,
)
from modelhub.engines.streaming import in_batches

STYLES = ("general", "tailored", "pick")
_DECODING_KEYS = {"style", "fail_on"}
MAX_PART = 140  # characters; a longer part would drown the scripted sentence it is put into

_TRAIT_OPENINGS = re.compile(r"^(?:(?:the|this|a) user(?: is|'s|’s)|user is|i am|i['’]m)\s+", re.IGNORECASE)
_SUBJECT = re.compile(r"^(?:(?:the|this|a) user|user|i)\s+(?=\w)", re.IGNORECASE)
_LEAD = r"(?:^|[\s,;.]+)(?:(?:and|but|who|so|which|that|i|also|really|usually|generally|always|they|he|she)[\s,]+)*"
_PREFERS = re.compile(_LEAD + r"(?:prefer(?:s|ring)?|would rather have)\s+", re.IGNORECASE)
_LIKES = re.compile(
    _LEAD + r"(?:prioriti[sz](?:es?|ing)|valu(?:es?|ing)|would like|lik(?:es?|ing)|want(?:s|ing)?|lov(?:es?|ing)|"
    r"enjoy(?:s|ing)?|appreciat(?:es?|ing)|need(?:s|ing)?|seek(?:s|ing)?|favou?r(?:s|ing)?)\s+",
    re.IGNORECASE,
)
_SECOND_PERSON = {
    "my": "your", "me": "you", "myself": "yourself", "mine": "yours", "their": "your", "them": "you",
    "themselves": "yourself", "i": "you", "they": "you", "am": "are",
}  # fmt: skip


class Texts(BaseModel):
    """The two answers to one prompt."""

    model_config = ConfigDict(extra="forbid", str_min_length=1)

    general: str
    tailored: str


class KnownPrompt(Texts):
    """A prompt with its answers."""

    prompt: str


class Script(BaseModel):
    """A whole script."""

    model_config = ConfigDict(extra="forbid")

    prompts: list[KnownPrompt]
    fallback: Texts
    picks: list[str] = []


@dataclass(frozen=True)
class PersonaParts:
    """`trait` reads well after "you are", `preference` after "you prefer"; both are never empty."""

    trait: str
    preference: str


class ScriptedEngine:
    """Answers by looking prompts up."""

    def __init__(self, script: Script, *, style: str, fail_on: str) -> None:
        self._known = {_normal(entry.prompt): entry for entry in script.prompts}
        self._fallback = script.fallback
        self._picks = script.picks
        self._style = style
        self._fail_on = fail_on

    def generate(self, requests: Sequence[GenerationRequest]) -> list[GenerationResult | GenerationFailure]:
        """Return the scripted answers; raise EngineError if any prompt contains the `fail_on` text."""
        if self._fail_on and any(self._fail_on in request.prompt for request in requests):
            raise EngineError("The script says that this prompt fails (`fail_on` in the system's decoding).")
        return [self._answer(request) for request in requests]

    def stream(self, requests: Iterator[GenerationRequest], *, ahead: int) -> Generator[Answer]:
        """Yield the scripted answers, batch by batch."""
        return in_batches(lambda batch: enumerate(self.generate(batch)), requests, size=ahead)

    def usage(self) -> dict[str, Any]:
        """Return nothing: a script costs nothing."""
        return {}

    def _answer(self, request: GenerationRequest) -> GenerationResult:
        started = time.perf_counter()
        if self._style == "pick":
            text = self._picks[_seeded_index(request.rendered, len(self._picks))]
            return GenerationResult(text, "stop", None, None, time.perf_counter() - started)
        texts: Texts = self._known.get(_normal(request.prompt), self._fallback)
        tailored = self._style == "tailored" and request.persona.strip()
        text = _fill(texts.tailored if tailored else texts.general, request)
        return GenerationResult(text, "stop", None, None, time.perf_counter() - started)


def check(settings: EngineSettings) -> None:
    """Raise EngineError if the script or the decoding settings cannot be used."""
    create(settings)


def create(settings: EngineSettings) -> ScriptedEngine:
    """Return the engine for a script; raise EngineError naming everything that is wrong with it."""
    unknown = sorted(set(settings.decoding) - _DECODING_KEYS)
    if unknown:
        raise EngineError(
            f"The scripted engine knows the decoding settings style and fail_on, but not {', '.join(unknown)}."
        )
    style = settings.decoding.get("style", "general")
    if style not in STYLES:
        raise EngineError(f"The decoding setting style is {style!r}; it must be one of: {', '.join(STYLES)}.")
    fail_on = settings.decoding.get("fail_on", "")
    if not isinstance(fail_on, str):
        raise EngineError(f"The decoding setting fail_on is {fail_on!r}; it must be a piece of a prompt.")
    script = read_script(Path(settings.model))
    if style == "pick" and not script.picks:
        raise EngineError(f"The script {settings.model} has no picks, which the style pick needs.")
    return ScriptedEngine(script, style=style, fail_on=fail_on)


def read_script(path: Path) -> Script:
    """Read and check a script file; raise EngineError listing every problem with its place in the file."""
    try:
        _, content = yaml_content(yaml.SafeLoader(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise EngineError(f"The script {path} cannot be read: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError, TooMuch) as error:
        raise EngineError(f"The script {path} is not valid YAML in UTF-8: {error}") from error
    try:
        return Script.model_validate(content)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, one['loc'])) or 'the file'}: {one['msg']}" for one in error.errors()]
        raise EngineError("\n".join([f"The script {path} cannot be used:", *problems])) from error


def persona_parts(persona: str) -> PersonaParts:
    """Return the trait and the preference a persona states, in the second person.

    Knows "The user is … and prefers …", "The user values …, preferring …", the first person, and falls back to
    the whole text as a preference for anything else.
    """
    sentence = " ".join(persona.split())
    match = _PREFERS.search(sentence) or _LIKES.search(sentence)
    trait = _trait(sentence[: match.start()] if match else sentence)
    preference = sentence[match.end() :] if match else ("" if trait else sentence)
    return PersonaParts(
        trait=_tidy(trait) or "someone who knows what helps you",
        preference=_tidy(preference) or "answers that fit your own situation",
    )


def _fill(template: str, request: GenerationRequest) -> str:
    parts = persona_parts(request.persona)
    values = {"trait": parts.trait, "preference": parts.preference, "prompt": request.prompt}
    # One pass, so that braces inside a persona are never taken for placeholders.
    return re.sub(r"\{(trait|preference|prompt)\}", lambda match: values[match[1]], template).strip()


def _seeded_index(text: str, count: int) -> int:
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "replace")).digest()[:8], "big") % count


def _normal(prompt: str) -> str:
    return " ".join(prompt.split()).casefold()


def _trait(text: str) -> str:
    if _TRAIT_OPENINGS.match(text):
        return _TRAIT_OPENINGS.sub("", text)
    rest = _SUBJECT.sub("", text)
    # "The user has two children and prefers …": not a trait that fits after "you are".
    return f"someone who {rest}" if rest != text and re.match(r"(?:has|lives|works|studies)\b", rest) else ""


def _tidy(text: str) -> str:
    words = re.sub(r"[A-Za-z]+", lambda match: _SECOND_PERSON.get(match[0].lower(), match[0]), text)
    first = re.split(r"[.!?;](?:\s|$)", words, maxsplit=1)[0].strip(" ,:-\"'")
    if len(first) <= MAX_PART:
        return first
    return first[:MAX_PART].rsplit(" ", 1)[0].rstrip(" ,:;-")
