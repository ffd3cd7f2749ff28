"""Read what a server of the OpenAI protocol sends, whatever it is: an answer, a refusal, or nonsense.

Servers repeat prompts and keys in what they send, so none of their wording is passed on: a reason names the status,
and what is recognized from fixed lists.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal

from modelhub.engines.openai.refusals import Asked, Complaint
from modelhub.engines.openai.waits import asked_wait
from modelhub.prompting.endings import FinishReason

# again: the next attempt may do better; final: this request can never be answered; fatal: none can.
Verdict = Literal["again", "final", "fatal"]

CUT_BEFORE_TEXT = (
    "The answer was cut off before its text began, as that of a model that reasons first may be; raise max_new_tokens."
)

_FATAL_STATUS = {401, 402, 403, 404, 405, *range(300, 400)}
_AGAIN_STATUS = {408, 409, 425, 429}
_OVERLOADED_STATUS = {429, 502, 503, 504}  # said of the server, not of the request
_READ_STATUS = {400, 404, 422}  # the server has read the request, and says what it does not take
_FATAL_CODES = {
    "insufficient_quota", "billing_not_active", "billing_hard_limit_reached", "invalid_api_key", "model_not_found",
    "model_decommissioned",
}  # fmt: skip
_KNOWN_CODES = _FATAL_CODES | {
    "context_length_exceeded", "content_filter", "content_policy_violation", "invalid_request_error",
    "rate_limit_exceeded", "server_error", "overloaded_error", "unsupported_parameter", "unsupported_value",
    "unknown_parameter", "BadRequestError",
}  # fmt: skip
_TOO_LONG = re.compile(
    r"context[ _](?:length|window|size)|max_model_len|(?:prompt|input|messages?)\b.{0,30}too (?:long|many tokens)|"
    r"too many tokens|maximum.{0,20}length|`inputs` tokens",
    re.IGNORECASE,
)
_OF_ITSELF = ("model", "system_fingerprint")
_LONGEST_NAME = 300  # characters
_MOST_TOKENS = 2**31 - 1  # what databases keep as a count
_CALLS = ("tool_calls", "function_call")
_FINISH: dict[str, FinishReason] = {
    "stop": "stop", "eos": "stop", "end_turn": "stop", "length": "length", "content_filter": "content_filter",
    "refusal": "refusal",
}  # fmt: skip


@dataclass(frozen=True)
class ServerAnswer:
    """A text, as the server sent it."""

    text: str
    finish_reason: FinishReason


@dataclass(frozen=True)
class RequestFailure:
    """Anything but an answer. `code` is what the server calls it, if that is known; `wait` what it asks for (s).

    `unreachable`: the server can answer nobody at the moment, whatever it is asked. `remedy` names the setting of ours
    that helps where the server does not take what every request of this engine holds.
    """

    reason: str
    verdict: Verdict
    status: int | None = None
    code: str = ""
    wait: float | None = None
    unreachable: bool = False
    remedy: str = ""


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
    message = _mapping(choice.get("message")) if chat else choice
    text = message.get("content" if chat else "text")
    finish = _finish(choice, message, text)
    if not text and finish == "length":
        return RequestFailure(CUT_BEFORE_TEXT, "final")
    if text is None and finish != "unknown":
        text = ""  # it has come to an end without a text, and would again
    if not isinstance(text, str):
        return RequestFailure("The server sent an answer without a text.", "again")
    return ServerAnswer(_storable(text), finish)


def _finish(choice: Mapping[str, Any], message: Mapping[str, Any], text: object) -> FinishReason:
    """Return why an answer ended; what stands in place of a text says more than the reason that is given."""
    if isinstance(message.get("refusal"), str) and message["refusal"]:
        return "refusal"
    finish = choice.get("finish_reason")
    if not text and (finish in _CALLS or any(message.get(name) for name in _CALLS)):
        return "tool_calls"
    return _FINISH.get(finish, "unknown") if isinstance(finish, str) else "unknown"


def read_refusal(status: int, content: bytes, headers: Mapping[str, str], asked: Asked) -> RequestFailure:
    """Return what a response of another status means."""
    error = _error(content)
    text = error.get("message", error.get("msg"))
    text = text if isinstance(text, str) else ""
    complaint, code, remedy = Complaint(error, text, asked), _known_code(error), ""
    if status in _READ_STATUS and not _is_too_long(text, code):
        remedy = _remedy(complaint)
        code = code if remedy or code in _FATAL_CODES else complaint.code() or code
    elif status == 429 and complaint.code() == "insufficient_quota":
        code = "insufficient_quota"
    verdict = "fatal" if remedy else _verdict(status, code)
    if status == 403 and complaint.is_of_the_text():
        verdict, code = "final", code or "content_filter"
    hints = _hints(complaint, code) if status in _READ_STATUS else []
    reason = "".join([f"The server answered {_status_text(status, code)}", *hints, "."])
    return RequestFailure(
        reason, verdict, status, code, asked_wait(headers, text), status in _OVERLOADED_STATUS, remedy
    )


def _remedy(complaint: Complaint) -> str:
    """Return what to change where the server does not take what every request holds, "" if that is not told."""
    if name := complaint.parameter():
        return complaint.remedy(name)
    return complaint.misused()


def _verdict(status: int, code: str) -> Verdict:
    if status in _FATAL_STATUS or code in _FATAL_CODES:
        return "fatal"
    return "again" if status in _AGAIN_STATUS or status >= 500 else "final"


def _is_too_long(text: str, code: str) -> bool:
    return code == "context_length_exceeded" or bool(_TOO_LONG.search(text))


def _hints(complaint: Complaint, code: str) -> list[str]:
    named = complaint.named() or list(filter(None, [complaint.parameter()]))
    hints = [f"; it names the parameter {', '.join(named)}"] if named else []
    if _is_too_long(complaint.text, code):
        hints.append("; the prompt, with the answer's max_new_tokens, seems to be longer than the model's context")
    return hints


def _error(content: bytes) -> Mapping[str, Any]:
    """Return the error object of a body; servers put it in several places, and some into a list."""
    try:
        data = _mapping(_first(json.loads(content)))
    except (ValueError, RecursionError):
        return {}
    inner = _first(data.get("error", data.get("detail")))
    return {"message": inner} if isinstance(inner, str) else _mapping(inner) or data


def _first(value: object) -> object:
    return value[0] if isinstance(value, list) and value else value


def _status_text(status: int, code: str) -> str:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "no status that is known"
    return f"HTTP {status} ({', '.join(part for part in (phrase, code) if part)})"


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
