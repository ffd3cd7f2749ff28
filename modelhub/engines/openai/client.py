"""Send one request to a server of the OpenAI protocol and return what comes back, without retries; and count."""

import asyncio
import logging
import threading
from dataclasses import dataclass, field
from typing import Any

from modelhub.engines.base import GenerationRequest
from modelhub.engines.decoding import chat_messages, plain_text
from modelhub.engines.openai.replies import Reply, RequestFailure, read_refusal, read_reply
from modelhub.engines.openai.settings import OpenAIOptions, ServerSettings

# At DEBUG these write down addresses and headers, which may hold what a server repeats.
_LIBRARIES = ("openai", "httpx2", "httpcore2")
_NEVER_MADE = {"ConnectError", "ConnectTimeout", "PoolTimeout"}
_NO_KEY = "none"


class Client:
    """One model on one server. To be used in one event loop."""

    def __init__(self, server: ServerSettings) -> None:
        import openai

        for name in _LIBRARIES:
            logging.getLogger(name).setLevel(logging.WARNING)
        self._server = server
        # Neither retries nor a time limit of its own: both are kept here, where they are counted. No redirects: texts
        # go to the server that was named and to no other.
        self._client = openai.AsyncOpenAI(
            base_url=server.url,
            api_key=server.key or _NO_KEY,
            max_retries=0,
            timeout=None,
            http_client=openai.DefaultAsyncHttpxClient(timeout=None, follow_redirects=False),
        )
        # Read from the environment by the package, and no business of other servers.
        self._client.organization = self._client.project = None

    async def ask(self, request: GenerationRequest) -> Reply:
        """Return the server's reply to one request. Whatever goes wrong is a reply too; nothing is raised."""
        from openai import APIConnectionError, APIStatusError

        limit = self._server.options.timeout_seconds
        try:
            async with asyncio.timeout(limit):
                content = await self._send(request)
        except TimeoutError:
            return Reply(RequestFailure(f"The server gave no answer within {limit:g} s.", "again"))
        except APIStatusError as error:
            response = error.response
            sent = [*self._parameters(), *self._server.options.extra_body]
            return Reply(
                read_refusal(
                    response.status_code, response.content, response.headers, model=self._server.model, sent=sent
                )
            )
        except APIConnectionError as error:
            return Reply(_connection_failure(error))
        except UnicodeError:
            return Reply(RequestFailure("The prompt holds half a character, which cannot be sent.", "final"))
        return read_reply(content, chat=self._server.decoding.chat)

    async def _send(self, request: GenerationRequest) -> bytes:
        # The parameters go past the package's own list of what a server may know. Replies are read raw, since it takes
        # anything for an answer that is JSON, or even text.
        more = {**self._parameters(), **self._server.options.extra_body}
        body: dict[str, Any] = {"model": self._server.model, "extra_body": more}
        if self._server.decoding.chat:
            body["messages"] = chat_messages(request)
            response = await self._client.chat.completions.with_raw_response.create(**body)
        else:
            body["prompt"] = plain_text(request)
            response = await self._client.completions.with_raw_response.create(**body)
        return response.http_response.content

    def _parameters(self) -> dict[str, Any]:
        """Return the decoding settings as parameters of the protocol."""
        decoding, options = self._server.decoding, self._server.options
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

    async def list_models(self, seconds: float) -> bytes | RequestFailure:
        """Return the server's list of models as it stands, or why there is none within so many seconds."""
        from openai import APIConnectionError, APIStatusError

        try:
            async with asyncio.timeout(seconds):
                listed = await self._client.models.with_raw_response.list()
        except TimeoutError:
            return RequestFailure(f"The server did not say within {seconds:g} s what it serves.", "again")
        except APIStatusError as error:
            response = error.response
            return read_refusal(response.status_code, response.content, response.headers, model="", sent=())
        except APIConnectionError as error:
            return _connection_failure(error)
        return listed.http_response.content

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


def _connection_failure(error: Exception) -> RequestFailure:
    cause = type(error.__cause__).__name__
    made = cause not in _NEVER_MADE
    said = "broke off" if made else "could not be made"
    return RequestFailure(f"The connection to the server {said} ({cause}).", "again", unreachable=not made)


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

    @property
    def used_up(self) -> bool:
        """Whether nothing more may be sent."""
        with self._lock:
            return self._used_up()

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
