"""Ask a server once, in the very way in which it will be asked, when a system is registered."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from modelhub.engines.adapterfiles import check_adapter
from modelhub.engines.base import EngineError, EngineSettings
from modelhub.engines.openai.client import Client
from modelhub.engines.openai.identity import Identity
from modelhub.engines.openai.replies import CUT_BEFORE_TEXT, Reply, RequestFailure
from modelhub.engines.openai.settings import ServerSettings, read_settings
from modelhub.engines.openai.texts import fatal_text
from modelhub.engines.rehearsal import Rehearsal, Rehearsed
from modelhub.prompting.endings import REFUSALS

TRIAL_TOKENS = 16  # of the answer
TRIAL_SECONDS = 30.0  # a server that is loading its model takes longer, and is tried by the worker


def rehearse_server(settings: EngineSettings, asked: Rehearsal) -> Rehearsed:
    """Return what the server says it serves; raise EngineError if it refuses what it will be asked.

    A server that cannot be reached, or has no time, is a warning.
    """
    server = _briefly(read_settings(settings))
    # In a thread of its own: the caller's may run an event loop already.
    with ThreadPoolExecutor(1) as pool:
        rehearsed = pool.submit(lambda: asyncio.run(_rehearse(server, asked))).result()
    # Where the server's folders are on this machine too, they are looked at as our own would be.
    check_adapter(rehearsed.served.get("root", ""), rehearsed.served.get("parent_root", ""))
    return rehearsed


def _briefly(server: ServerSettings) -> ServerSettings:
    """Return the settings with a limit on the answer, which leaves the least that the server is told to make."""
    least = server.options.extra_body.get("min_tokens")
    tokens = max(TRIAL_TOKENS, server.decoding.min_new_tokens, least if isinstance(least, int) else 0)
    tokens = min(tokens, server.decoding.max_new_tokens)
    return replace(
        server,
        decoding=server.decoding.model_copy(update={"max_new_tokens": tokens}),
        options=server.options.model_copy(
            update={"timeout_seconds": min(TRIAL_SECONDS, server.options.timeout_seconds)}
        ),
    )


async def _rehearse(server: ServerSettings, asked: Rehearsal) -> Rehearsed:
    client = Client(server)
    try:
        reply = await client.ask(asked.short)
        if isinstance(reply.outcome, RequestFailure) and reply.outcome.reason != CUT_BEFORE_TEXT:
            return await _judged(client, server, reply.outcome, asked)
        return await _served(client, server, _refusal(reply))
    finally:
        await client.close()


def _refusal(reply: Reply) -> list[str]:
    """Return what to note where a short and harmless prompt is answered with no text."""
    answer = reply.outcome
    if isinstance(answer, RequestFailure) or answer.text.strip() or answer.finish_reason not in REFUSALS:
        return []
    return [f"A short prompt was answered with no text. {REFUSALS[answer.finish_reason]} Others may be, too."]


async def _served(client: Client, server: ServerSettings, notes: list[str]) -> Rehearsed:
    try:
        told = await Identity(client, model=server.model, seconds=0.0).since(0.0)
    except EngineError as error:
        return Rehearsed([*notes, f"{server.url} answers, but does not say what it serves: {error}"])
    return Rehearsed(notes, told)


async def _judged(client: Client, server: ServerSettings, trouble: RequestFailure, asked: Rehearsal) -> Rehearsed:
    """Return a warning if a worker may have more luck; raise EngineError saying what would help otherwise."""
    if trouble.verdict == "fatal" and not trouble.remedy:
        raise EngineError(fatal_text(trouble, server))
    is_refused = trouble.verdict != "again" or trouble.status == 500
    if is_refused and asked.short.system_message:
        bare = await client.ask(asked.bare)
        if not isinstance(bare.outcome, RequestFailure):
            raise EngineError(
                f"{trouble.reason} It answers a prompt without a system message: register the system with a "
                f"--persona-style that needs none: {asked.styles}. ({server.url})"
            )
    if trouble.verdict == "fatal":
        raise EngineError(fatal_text(trouble, server))
    if trouble.verdict == "final":
        raise EngineError(
            f"{trouble.reason} That was a short prompt; see the options leave_out, max_tokens_parameter and extra_body "
            f"for what a server does not take. ({server.url})"
        )
    return Rehearsed(
        [f"The server could not be tried. {trouble.reason} It will be when a worker first asks it. ({server.url})"]
    )
