"""What a server objects to in a request, as far as it concerns every request alike, and which setting of ours helps.

Pure. Servers say it in many places and wordings, and may quote the prompt: what stands in the prompt tells nothing.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_NO_MODEL = re.compile(
    r"not found|does not exist|not (?:a )?valid|unknown|no such|pinned to|"
    r"\bmodel\b.{0,80}(?:decommissioned|deprecated|no longer|not (?:supported|available))",
    re.IGNORECASE,
)
_NO_CREDIT = re.compile(
    r"credit balance is too low|exceeded your current quota|insufficient (?:balance|credits?|quota|funds)",
    re.IGNORECASE,
)
_NO_KEY = re.compile(r"(?:incorrect|invalid|no) api[ _-]?key|api key not valid", re.IGNORECASE)
_FLAGGED = re.compile(r"flagged|moderation|content (?:policy|filter)|safety", re.IGNORECASE)
_REFUSES = re.compile(
    r"not (?:be )?(?:supported|permitted|allowed|recogni[sz]ed|accepted)|unsupported|does not support|unrecogni[sz]ed|"
    r"unknown|unexpected|extra (?:inputs|fields)|must be|should be|cannot be|deprecated|no longer|invalid|"
    r"range|at most|too (?:large|many|long)",
    re.IGNORECASE,
)
_MISUSED = [
    (
        re.compile(r"system[ -](?:role|message|prompt)s?|(?:role:?|support) ['\"]?system", re.IGNORECASE),
        "Register the system with a --persona-style that needs no system message.",
    ),
    (re.compile(r"not a chat model|chat[ _]template", re.IGNORECASE), "Set the decoding setting chat to false."),
    (re.compile(r"is a chat model|chat/completions endpoint", re.IGNORECASE), "Set the decoding setting chat to true."),
]
_MAX_TOKENS = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
_REMEDIES = {
    "temperature": (
        "Give another decoding setting temperature. Models that take no other than their own: temperature 1, and "
        "temperature in the option leave_out."
    ),
    "top_p": "Put top_p into the option leave_out, with the decoding setting top_p 1.",
    "seed": "Put seed into the option leave_out.",
    "stop": (
        "Put stop into the option leave_out (the texts are still cut here), or give fewer in the decoding setting stop."
    ),
}


@dataclass(frozen=True)
class Asked:
    """What a request held that a refusal may be about: model, names of the parameters, and the text of the prompt.

    `accepted`: the server has answered a request with the same model and parameters before, so that they are not what
    it refuses.
    """

    model: str = ""
    sent: tuple[str, ...] = ()
    text: str = ""
    accepted: bool = False


@dataclass(frozen=True)
class Complaint:
    """What a server wrote of a request that it refused: its error object and message, and what it was asked."""

    error: Mapping[str, Any]
    text: str
    asked: Asked

    def code(self) -> str:
        """Return what the wording alone tells of model, key or credit, as servers with codes call it; "" if nothing."""
        model = self.asked.model
        if not self.asked.accepted and model and model in self.text and self._says(_NO_MODEL):
            return "model_not_found"
        if self._says(_NO_CREDIT):
            return "insufficient_quota"
        return "invalid_api_key" if self._says(_NO_KEY) else ""

    def is_of_the_text(self) -> bool:
        """Whether the server refuses this one prompt for what it says, not whoever asks."""
        return self._says(_FLAGGED)

    def parameter(self) -> str:
        """Return the parameter that was sent and is refused, "" if none is, or none that can be told."""
        if self.asked.accepted:
            return ""
        if place := self._place():
            return place if place in self.asked.sent else ""
        if not self._says(_REFUSES):
            return ""
        return next((name for name in self.named() if name not in self.asked.text), "")

    def misused(self) -> str:
        """Return what to do where the model is not made for what every request asks of it, "" if that is not said."""
        if self.asked.accepted or not self._says(_REFUSES):
            return ""
        return next((remedy for pattern, remedy in _MISUSED if self._says(pattern)), "")

    def named(self) -> list[str]:
        """Return the parameters that were sent and that the message names."""
        return [name for name in self.asked.sent if re.search(rf"\b{re.escape(name)}\b", self.text)]

    def remedy(self, name: str) -> str:
        """Return what to do about a parameter that is refused."""
        if other := _MAX_TOKENS.get(name):
            if other in self.text or self.error.get("code") in ("unsupported_parameter", "unknown_parameter"):
                return f"Set the option max_tokens_parameter to {other}."
            return f"Give a smaller decoding setting max_new_tokens, or set the option max_tokens_parameter to {other}."
        return _REMEDIES.get(name, f"Take {name} out of the option extra_body.")

    def _says(self, pattern: re.Pattern[str]) -> bool:
        asked = self.asked.text.casefold()
        return any(found[0].casefold() not in asked for found in pattern.finditer(self.text))

    def _place(self) -> str:
        """Return the member of the request that an error names in a field of its own (OpenAI's `param`, FastAPI)."""
        param, place = self.error.get("param"), self.error.get("loc")
        if isinstance(place, list):
            param = next((one for one in place if isinstance(one, str) and one != "body"), "")
        return re.split(r"[.\[]", param)[0] if isinstance(param, str) else ""
