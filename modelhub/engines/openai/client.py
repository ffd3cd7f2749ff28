"""Send one request to a server of the OpenAI protocol and return what comes back, without retries."""

import asyncio
import logging
from typing import Any

from modelhub.engines.base import GenerationRequest
from modelhub.engines.decoding import chat_messages, plain_text
from modelhub.engines.openai.replies import Reply, RequestFailure, read_refusal, read_reply
from modelhub.engines.openai.settings import ServerSettings

# At DEBUG these write down addresses and headers, which may hold what a server repeats.
_LIBRARIES = ("openai", "httpx2", "httpcore2")
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
            cause = type(error.__cause__).__name__
            return Reply(
                RequestFailure(f"The connection to the server could not be made or broke off ({cause}).", "again")
            )
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

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()
