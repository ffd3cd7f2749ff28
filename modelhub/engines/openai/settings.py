"""What the openai engine can be told: its options, the address of the server, and where the key is."""

import ipaddress
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from modelhub.engines.base import EngineError, EngineSettings
from modelhub.engines.decoding import Decoding, parse_decoding, parse_settings
from modelhub.engines.packages import require

OPENAI_HOST = "api.openai.com"
OPENAI_VARIABLE = "OPENAI_API_KEY"
OWN_CONCURRENCY = 64
PROVIDERS_CONCURRENCY = 8

_SET_BY_THE_ENGINE = {
    "model", "prompt", "messages", "max_tokens", "max_completion_tokens", "temperature", "top_p", "stop", "seed",
    "stream", "n",
}  # fmt: skip
# Members that carry a key where a server has its own way of taking one.
_SECRET = re.compile(r"(?:x[-_])?(?:api[-_]?key|(?:access|auth|bearer)?[-_]?token|authorization|password|secret)", re.I)


class OpenAIOptions(BaseModel):
    """How a server is asked. Only `extra_body` and `leave_out` can change what it answers.

    At most `concurrency` requests of a stage are under way at once (where it is not given: 64 of a server in the own
    network, 8 of another, see `at_once`), and `live_slots` of a worker. One that has no
    answer after `timeout_seconds`, is refused for the moment or answered with something unreadable is sent again up to
    `max_retries` times; a server that asks for a longer wait than `max_wait_seconds` is not waited for. `max_requests`
    counts everything sent, retries included. Prices are per million tokens, in any currency.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    concurrency: int | None = Field(default=None, ge=1, le=1000)
    live_slots: int = Field(default=64, ge=1, le=1000)
    timeout_seconds: float = Field(default=120.0, gt=0, allow_inf_nan=False)
    max_retries: int = Field(default=6, ge=0, le=100)
    max_wait_seconds: float = Field(default=120.0, ge=0, allow_inf_nan=False)
    max_requests: int | None = Field(default=None, ge=1)
    price_per_million_prompt_tokens: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    price_per_million_completion_tokens: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    # Capitals only, so that a key pasted here by mistake is refused (and not repeated in the message).
    api_key_variable: str | None = Field(default=None, pattern=r"^[A-Z][A-Z0-9_]*$")
    max_tokens_parameter: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    leave_out: tuple[Literal["temperature", "top_p", "seed", "stop"], ...] = ()
    extra_body: dict[str, JsonValue] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _agree(self) -> Self:
        taken = sorted(_SET_BY_THE_ENGINE & set(self.extra_body))
        if taken:
            raise ValueError(f"extra_body may not hold {', '.join(taken)}: the decoding settings decide that")
        if any(_SECRET.fullmatch(name) for name in _names(self.extra_body)):
            raise ValueError("extra_body holds a key, and is stored and shown; only api_key_variable can bring one")
        if (self.price_per_million_prompt_tokens is None) != (self.price_per_million_completion_tokens is None):
            raise ValueError("give both prices or none, or the cost would be wrong")
        return self

    def at_once(self, host: str) -> int:
        """Return how many requests of a stage are under way at once: a provider has others to serve too."""
        return self.concurrency or (OWN_CONCURRENCY if is_private(host) else PROVIDERS_CONCURRENCY)


def _names(value: JsonValue) -> Iterator[str]:
    """Yield the names of all members, at any depth."""
    if isinstance(value, dict):
        yield from value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _names(inner)


@dataclass(frozen=True)
class ServerSettings:
    """Everything about one server, checked. `key` is empty where none is sent, and never shown."""

    url: str
    host: str
    model: str
    decoding: Decoding
    options: OpenAIOptions
    key_variable: str
    key: str = field(repr=False)


def read_settings(settings: EngineSettings) -> ServerSettings:
    """Check the settings and read the key from the environment; raise EngineError saying what is wrong."""
    require("openai", ("aiohttp",), "requirements-web.txt")
    address = _address(settings.endpoint)
    options = parse_settings(OpenAIOptions, settings.options, "options of the openai engine")
    decoding = parse_decoding(settings.decoding)
    _check_agreement(decoding, options)
    if not settings.model:
        raise EngineError("The openai engine needs the name of a model, as the server calls it.")
    variable = _key_variable(address, options)
    return ServerSettings(
        url=settings.endpoint.rstrip("/"),
        host=address.hostname or "",
        # A vLLM server offers each LoRA adapter as a model with a name of its own.
        model=settings.adapter or settings.model,
        decoding=decoding,
        options=options,
        key_variable=variable,
        key=_key(address, variable),
    )


def _address(endpoint: str) -> SplitResult:
    """Return the parts of a usable address; the messages never repeat one that may hold a secret."""
    try:
        address = urlsplit(endpoint)
        usable = address.scheme in ("http", "https") and bool(address.hostname) and address.port != 0
    except ValueError:  # a port or an IPv6 address that is none
        usable = False
    if not usable or any(one.isspace() or not one.isprintable() for one in endpoint):
        raise EngineError(
            "The endpoint of the openai engine must be the address of a server, such as https://api.openai.com/v1 or "
            "http://127.0.0.1:8000/v1."
        )
    if "@" in address.netloc or address.query or address.fragment:
        raise EngineError(
            "The endpoint may hold no name, password, query or fragment: it is stored and shown. Put the key into an "
            "environment variable and name that variable in the option api_key_variable."
        )
    return address


def _check_agreement(decoding: Decoding, options: OpenAIOptions) -> None:
    if decoding.dtype != "auto":
        raise EngineError(f"The decoding setting dtype is {decoding.dtype}, but the server alone decides on that.")
    unlike = {"temperature": decoding.temperature != 1.0, "top_p": decoding.top_p != 1.0 and decoding.temperature > 0}
    wrong = [name for name in options.leave_out if unlike.get(name)]
    if wrong:
        raise EngineError(
            f"The option leave_out names {', '.join(wrong)}, but a server that is not told takes 1, which is not what "
            "the decoding settings say."
        )


def _key_variable(address: SplitResult, options: OpenAIOptions) -> str:
    """Return the name of the variable; the key of one provider is never sent to another by default."""
    if options.api_key_variable is not None:
        return options.api_key_variable
    if address.hostname == OPENAI_HOST:
        return OPENAI_VARIABLE
    if is_private(address.hostname or ""):
        return ""
    raise EngineError(
        f"Name the environment variable that holds the key for {address.hostname} in the option api_key_variable."
    )


def _key(address: SplitResult, variable: str) -> str:
    key = os.environ.get(variable, "").strip() if variable else ""
    private = is_private(address.hostname or "")
    if not key and not private:
        raise EngineError(f"The environment variable {variable} is not set; it has to hold the key of the server.")
    if key and not (key.isascii() and key.isprintable() and " " not in key):
        raise EngineError(f"The environment variable {variable} holds characters that no key has.")
    if key and address.scheme == "http" and not private:
        raise EngineError(
            "The endpoint starts with http://, so the key would travel readable for everybody: use https."
        )
    return key


def is_private(host: str) -> bool:
    """Return whether a host is this computer or in a private network, by its address or by a name without a domain."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "." not in host or host.endswith((".localhost", ".local", ".internal"))
    return address.is_private or address.is_loopback or address.is_link_local
