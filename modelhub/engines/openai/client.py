"""Send one request to a server of the OpenAI protocol and return what comes back, without retries; and count."""

import asyncio
import json
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from modelhub.engines.base import EngineError, GenerationRequest
from modelhub.engines.decoding import chat_messages, plain_text
from modelhub.engines.openai.refusals import Asked
from modelhub.engines.openai.replies import Reply, RequestFailure, read_refusal, read_reply
from modelhub.engines.openai.settings import OpenAIOptions, ServerSettings

if TYPE_CHECKING:
    from aiohttp import ClientSession

_OK = 200
# Shorter than servers keep theirs (uvicorn: 5 s): a request on a connection that is just being closed fails.
_KEPT_SECONDS = 4.0


class Client:
    """One model on one server. To be used in one event loop."""

    def __init__(self, server: ServerSettings) -> None:
        self._server = server
        self._chat = server.decoding.chat
        self._address = f"{server.url}/{'chat/completions' if self._chat else 'completions'}"
        self._proxy = _proxy(server.url)
        self._parameters = {**_parameters(server), **server.options.extra_body}
        self._session: ClientSession | None = None
        self._accepted = False

    async def ask(self, request: GenerationRequest) -> Reply:
        """Return the server's reply to one request. Whatever goes wrong is a reply too; nothing is raised."""
        try:
            body = self._body(request)
        except UnicodeError:
            return Reply(RequestFailure("The prompt holds half a character, which cannot be sent.", "final"))
        limit = self._server.options.timeout_seconds
        sent = await self._send("POST", self._address, body, limit, asked=self._asked(request))
        if sent is None:
            return Reply(RequestFailure(f"The server gave no answer within {limit:g} s.", "again"))
        if isinstance(sent, RequestFailure):
            return Reply(sent)
        self._accepted = True
        return read_reply(sent, chat=self._chat)

    async def list_models(self, seconds: float) -> bytes | RequestFailure:
        """Return the server's list of models as it stands, or why there is none within so many seconds."""
        listed = await self._send("GET", f"{self._server.url}/models", None, seconds)
        if listed is None:
            return RequestFailure(f"The server did not say within {seconds:g} s what it serves.", "again")
        return listed

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    def _body(self, request: GenerationRequest) -> bytes:
        """Return the request as it is sent. Raises UnicodeError for half a surrogate pair."""
        asked = {"messages": chat_messages(request)} if self._chat else {"prompt": plain_text(request)}
        body = {"model": self._server.model, **asked, **self._parameters}
        return json.dumps(body, ensure_ascii=False).encode("utf-8")

    def _asked(self, request: GenerationRequest) -> Asked:
        text = f"{request.system_message}\n{request.rendered}"
        return Asked(self._server.model, tuple(self._parameters), text, self._accepted)

    async def _send(
        self, method: str, address: str, body: bytes | None, seconds: float, *, asked: Asked | None = None
    ) -> bytes | RequestFailure | None:
        """Return the body of an answer of status 200, or what else came; None if nothing did within so many seconds."""
        from aiohttp import ClientError

        try:
            # The time limit is kept here. No redirects: texts go to the server that was named and to no other.
            async with (
                asyncio.timeout(seconds),
                self._connections().request(
                    method, address, data=body, proxy=self._proxy, allow_redirects=False
                ) as response,
            ):
                content = await response.read()
        except TimeoutError:
            return None
        except ClientError as error:
            return _connection_failure(error)
        if response.status == _OK:
            return content
        return read_refusal(response.status, content, response.headers, asked or Asked())

    def _connections(self) -> "ClientSession":
        """Return the connections, which belong to the event loop that runs when they are first needed."""
        if self._session is None:
            from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector

            key = {"Authorization": f"Bearer {self._server.key}"} if self._server.key else {}
            self._session = ClientSession(
                connector=TCPConnector(limit=0, keepalive_timeout=_KEPT_SECONDS),
                headers={"Content-Type": "application/json", **key},
                timeout=ClientTimeout(total=None),
                cookie_jar=DummyCookieJar(),
            )
        return self._session


def _parameters(server: ServerSettings) -> dict[str, Any]:
    """Return the decoding settings as parameters of the protocol."""
    decoding, options = server.decoding, server.options
    values: dict[str, Any] = {
        options.max_tokens_parameter: decoding.max_new_tokens,
        "temperature": decoding.temperature,
        "seed": decoding.seed,
    }
    if decoding.temperature > 0:
        # It means nothing in greedy decoding, and some servers refuse the two together.
        values["top_p"] = decoding.top_p
    if decoding.stop:
        values["stop"] = list(decoding.stop)
    return {name: value for name, value in values.items() if name not in options.leave_out}


def _proxy(address: str) -> str | None:
    """Return the proxy that the environment names for an address (`HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY` and the like).

    Raises EngineError for one that cannot be used; the message does not repeat it, since it may hold a password.
    """
    parts, known = urlsplit(address), getproxies()
    named = known.get(parts.scheme) or known.get("all") or ""
    # Either may be listed: a host, or a host with its port.
    if not named or proxy_bypass(parts.hostname or "") or proxy_bypass(parts.netloc):
        return None
    proxy = named if "://" in named else f"http://{named}"
    try:
        found = urlsplit(proxy)
        usable = found.scheme in ("http", "https") and bool(found.hostname) and found.port != 0
    except ValueError:  # a port or an IPv6 address that is none
        usable = False
    if not usable:
        raise EngineError(
            f"The environment names a proxy for {parts.scheme}:// that cannot be used; one that can be looks like "
            f"http://proxy.example:3128. Change {parts.scheme}_proxy, or list {parts.hostname} in no_proxy."
        )
    return proxy


def _connection_failure(error: Exception) -> RequestFailure:
    from aiohttp import ClientConnectorError

    made = not isinstance(error, ClientConnectorError)
    said = "broke off" if made else "could not be made"
    return RequestFailure(
        f"The connection to the server {said} ({type(error).__name__}).", "again", unreachable=not made
    )


@dataclass
class Ledger:
    """Counts of one engine; every method may be called from any thread."""

    options: OpenAIOptions
    requests: int = 0
    retries: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def take(self, *, retry: bool) -> bool:
        """Count one request that is about to be sent, if the budget allows it; return whether it does."""
        with self._lock:
            if self._used_up():
                return False
            self.requests += 1
            self.retries += retry
            return True

    def use(self, reply: Reply) -> None:
        """Count the tokens of a reply, readable or not: they were paid for."""
        with self._lock:
            self.prompt_tokens += reply.prompt_tokens or 0
            self.completion_tokens += reply.completion_tokens or 0

    def fail(self) -> None:
        """Count one prompt that got no answer."""
        with self._lock:
            self.failed += 1

    def usage(self) -> dict[str, Any]:
        """Return the counts, and the cost in the currency of the prices, None without prices."""
        with self._lock:
            return {
                "requests": self.requests,
                "retries": self.retries,
                "failed": self.failed,
                "prompt_tokens": self.prompt_tokens,
                "completion_tokens": self.completion_tokens,
                "cost": self._cost(),
            }

    def _used_up(self) -> bool:
        return self.options.max_requests is not None and self.requests >= self.options.max_requests

    def _cost(self) -> float | None:
        prompt, completion = (
            self.options.price_per_million_prompt_tokens,
            self.options.price_per_million_completion_tokens,
        )
        if prompt is None or completion is None:
            return None
        return (self.prompt_tokens * prompt + self.completion_tokens * completion) / 1_000_000
