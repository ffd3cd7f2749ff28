"""Read what a server of the OpenAI protocol sends, whatever it is: an answer, a refusal, or nonsense.

Servers repeat prompts and keys in what they send, so none of their wording is passed on: a reason names the status,
and what is recognized from fixed lists.
"""

import json
import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Literal

from modelhub.prompting.endings import FinishReason

# again: the next attempt may do better; final: this request can never be answered; fatal: none can.
Verdict = Literal["again", "final", "fatal"]

CUT_BEFORE_TEXT = (
    "The answer was cut off before its text began, as that of a model that reasons first may be; raise max_new_tokens."
)

_FATAL_STATUS = {401, 402, 403, 404, 405, *range(300, 400)}
_AGAIN_STATUS = {408, 409, 425, 429}
_OVERLOADED_STATUS = {429, 502, 503, 504}  # said of the server, not of the request
_FATAL_CODES = {"insufficient_quota", "billing_not_active", "invalid_api_key", "model_not_found"}
_KNOWN_CODES = _FATAL_CODES | {
    "context_length_exceeded", "content_filter", "content_policy_violation", "invalid_request_error",
    "rate_limit_exceeded", "server_error", "overloaded_error", "unsupported_parameter", "unsupported_value",
    "BadRequestError",
}  # fmt: skip
_TOO_LONG = re.compile(r"context[ _](?:length|window|size)|max_model_len|too (?:long|many tokens)|maximum.{0,20}length")
_NO_MODEL = re.compile(r"not found|does not exist|not (?:a )?valid|unknown|no such|pinned to", re.IGNORECASE)
_OF_ITSELF = ("model", "system_fingerprint")
_LONGEST_NAME = 300  # characters
_MOST_TOKENS = 2**31 - 1  # what databases keep as a count
_FINISH: dict[str, FinishReason] = {"stop": "stop", "eos": "stop", "length": "length"}


@dataclass(frozen=True)
class ServerAnswer:
    """A text, as the server sent it."""

    text: str
    finish_reason: FinishReason


@dataclass(frozen=True)
class RequestFailure:
    """Anything but an answer. `code` is what the server calls it, if that is known; `wait` what it asks for (s).

    `unreachable`: the server can answer nobody at the moment, whatever it is asked.
    """

    reason: str
    verdict: Verdict
    status: int | None = None
    code: str = ""
    wait: float | None = None
    unreachable: bool = False


@dataclass(frozen=True)
class Reply:
    """An answer or a trouble, and the tokens that were used for either, where the server counts them.

    `served` is what the server says of itself beside an answer: the model's name, and its fingerprint of the system.
    """

    outcome: ServerAnswer | RequestFailure
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    served: Mapping[str, str] = field(default_factory=dict)


def read_reply(content: bytes, *, chat: bool) -> Reply:
    """Return what a response of status 200 holds."""
    try:
        data = json.loads(content)
    except (ValueError, RecursionError):
        return Reply(RequestFailure("The server sent something that is not JSON.", "again"))
    data = _mapping(data)
    usage = _mapping(data.get("usage"))
    said = {name: _storable(data[name])[:_LONGEST_NAME] for name in _OF_ITSELF if isinstance(data.get(name), str)}
    tokens = (_count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens")))
    return Reply(_outcome(data, chat), *tokens, served=said)


def _outcome(data: Mapping[str, Any], chat: bool) -> ServerAnswer | RequestFailure:
    choices = data.get("choices")
    if not isinstance(choices, list) or not choices:
        return RequestFailure("The server sent JSON without an answer in it (no choices).", "again")
    choice = _mapping(choices[0])
    text = _mapping(choice.get("message")).get("content") if chat else choice.get("text")
    finish = choice.get("finish_reason")
    if not text and finish == "content_filter":
        return RequestFailure("The server's content filter withheld the answer.", "final")
    if not text and finish == "length":
        return RequestFailure(CUT_BEFORE_TEXT, "final")
    if not isinstance(text, str):
        return RequestFailure("The server sent an answer without a text.", "again")
    return ServerAnswer(_storable(text), _FINISH.get(finish, "unknown") if isinstance(finish, str) else "unknown")


def read_refusal(
    status: int, content: bytes, headers: Mapping[str, str], *, model: str, sent: Collection[str]
) -> RequestFailure:
    """Return what a response of another status means; `sent` are the parameters that the request had."""
    error = _error(content)
    text = error.get("message")
    text = text if isinstance(text, str) else ""
    # Some servers refuse an unknown model as they refuse a bad prompt; only the wording tells the two apart.
    if status in (400, 422) and model and model in text and _NO_MODEL.search(text):
        code = "model_not_found"
    else:
        code = _known_code(error)
    if status in _FATAL_STATUS or code in _FATAL_CODES:
        verdict: Verdict = "fatal"
    else:
        verdict = "again" if status in _AGAIN_STATUS or status >= 500 else "final"
    hints = _hints(text, code, sent) if verdict == "final" else []
    reason = "".join([f"The server answered {_status_text(status, code)}", *hints, "."])
    unreachable = status in _OVERLOADED_STATUS
    return RequestFailure(reason, verdict, status, code, retry_after(headers), unreachable)


def _hints(text: str, code: str, sent: Collection[str]) -> list[str]:
    named = [name for name in sent if re.search(rf"\b{re.escape(name)}\b", text)]
    hints = [f"; it names the parameter {', '.join(named)}"] if named else []
    if code == "context_length_exceeded" or _TOO_LONG.search(text):
        hints.append("; the prompt seems to be longer than the model's context")
    return hints


def _error(content: bytes) -> Mapping[str, Any]:
    """Return the error object of a body; servers put it in several places."""
    try:
        data = _mapping(json.loads(content))
    except (ValueError, RecursionError):
        return {}
    inner = data.get("error", data.get("detail"))
    return {"message": inner} if isinstance(inner, str) else _mapping(inner) or data


def _status_text(status: int, code: str) -> str:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "no status that is known"
    return f"HTTP {status} ({', '.join(part for part in (phrase, code) if part)})"


def retry_after(headers: Mapping[str, str], *, now: datetime | None = None) -> float | None:
    """Return the seconds a server asks to wait (RFC 9110, 10.2.3: seconds or a date), None if it does not."""
    value = headers.get("retry-after", "")
    try:
        seconds = float(value)
    except ValueError:
        try:
            date = parsedate_to_datetime(value)
        except ValueError:
            return None
        seconds = (date.replace(tzinfo=date.tzinfo or UTC) - (now or datetime.now(UTC))).total_seconds()
    return max(seconds, 0.0) if math.isfinite(seconds) else None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _known_code(error: Mapping[str, Any]) -> str:
    named = (error.get("code"), error.get("type"))
    return next((code for code in named if isinstance(code, str) and code in _KNOWN_CODES), "")


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_TOKENS else None


def _storable(text: str) -> str:
    """Return the text without what a database refuses: half a surrogate pair, NUL."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "\N{REPLACEMENT CHARACTER}")
