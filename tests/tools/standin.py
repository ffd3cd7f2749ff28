"""A stand-in for a model server of the OpenAI protocol: it answers after a known time, and fails as it is told.

In a test, `StandIn().started()` runs one in a thread; `python -m tests.tools.standin PORT --seconds 4.1` in a process.
Every answer has a number of its own, so that what is stored can be held against what was made.
"""

import argparse
import asyncio
import json
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

BASE = "base-8b"
_NAMES = ("dpo", "pt-dpo")


def entry(name: str, root: str = "", parent: str = "") -> dict[str, Any]:
    """Return a line of a list of models, as vLLM writes it."""
    return {"id": name, "object": "model", "root": root or name, "parent": parent or None}


@dataclass
class StandIn:
    """What it does. Every field may be changed while it runs, in another process by posting it to `/told`.

    `mode` is ok, or what goes wrong: hang, cut, garbage, empty, filtered (no text, for a content filter), other
    (another model answers), an HTTP status such as 503, of which the body says `message`, or mute (even the list of
    models is not answered). `poison` is a text: requests that hold it get a 500.
    `seconds` and `spread` are mean and deviation of the time of an answer; one in `slow_every` takes `slow_seconds`
    more. `capacity` requests are answered at once, the others wait.
    """

    seconds: float = 0.0
    spread: float = 0.0
    slow_every: int = 0
    slow_seconds: float = 45.0
    capacity: int = 1000
    mode: str = "ok"
    message: str = "told to fail"
    poison: str = ""
    retry_after: str = ""
    models: list[dict[str, Any]] = field(
        default_factory=lambda: [entry(BASE), *(entry(name, f"/adapters/{name}", BASE) for name in _NAMES)]
    )
    answered: int = 0
    listed: int = 0
    under_way: int = 0
    peak: int = 0
    seen: list[dict[str, Any]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        """The endpoint to register systems with."""
        return f"http://127.0.0.1:{self.port}/v1"

    @contextmanager
    def started(self, port: int = 0) -> Iterator["StandIn"]:
        """Run it in a thread until the end."""
        loop, ready = asyncio.new_event_loop(), threading.Event()

        async def run() -> None:
            self._server = await self._listen(port)

        def work() -> None:
            loop.run_until_complete(run())
            ready.set()  # not before: a stop would end the loop that has just been run, and not the next
            loop.run_forever()
            self._drop(loop)  # here, since a loop of another kind may run in the thread of the test

        thread = threading.Thread(target=work, name="stand-in server", daemon=True)
        thread.start()
        assert ready.wait(30)
        try:
            yield self
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(30)

    def _drop(self, loop: asyncio.AbstractEventLoop) -> None:
        self._server.close()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()

    async def serve_forever(self, port: int) -> None:
        """Run it in this process."""
        server = await self._listen(port)
        await server.serve_forever()

    async def _listen(self, port: int) -> asyncio.Server:
        self._slots = asyncio.Semaphore(self.capacity)
        self._random = random.Random(7)
        server = await asyncio.start_server(self._connection, "127.0.0.1", port)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._request(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client has gone
        finally:
            writer.close()

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        sizes = [line.split(":")[1] for line in head.split("\r\n") if line.lower().startswith("content-length:")]
        length = int(sizes[0]) if sizes else 0
        body = json.loads(await reader.readexactly(length)) if length else {}
        if head.startswith("POST /told "):
            vars(self).update(body)
            return await self._send(writer, 200, {})
        if self.mode == "mute":
            await asyncio.Event().wait()
        if head.startswith("GET"):
            self.listed += 1
            return await self._send(writer, 200, {"object": "list", "data": self.models})
        self.seen.append(body)
        self.under_way += 1
        self.peak = max(self.peak, self.under_way)
        try:
            return await self._answer(writer, body)
        finally:
            self.under_way -= 1

    async def _answer(self, writer: asyncio.StreamWriter, body: dict[str, Any]) -> bool:
        async with self._slots:
            seconds = max(0.0, self._random.gauss(self.seconds, self.spread))
            if self.slow_every and len(self.seen) % self.slow_every == 0:
                seconds += self.slow_seconds
            await asyncio.sleep(seconds)
        mode = "500" if self.poison and self.poison in json.dumps(body, ensure_ascii=False) else self.mode
        if mode == "hang":
            await asyncio.Event().wait()
        if mode.isdigit():
            return await self._send(writer, int(mode), {"error": {"message": self.message}})
        if mode == "garbage":
            return await self._send(writer, 200, b"<html>Bad gateway</html>")
        self.answered += 1
        self.times.append(seconds)
        return await self._send(writer, 200, self._text(body, mode), cut=mode == "cut")

    def _text(self, body: dict[str, Any], mode: str) -> dict[str, Any]:
        model = "another-model" if mode == "other" else body["model"]
        text = "" if mode in ("empty", "filtered") else f"Answer {self.answered}. It is short, as you prefer."
        finish = "content_filter" if mode == "filtered" else "stop"
        choice: dict[str, Any] = {"index": 0, "finish_reason": finish, "text": text}
        if "messages" in body:
            choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text}}
        usage = {"prompt_tokens": 9, "completion_tokens": 9}
        return {"id": f"answer-{self.answered}", "model": model, "choices": [choice], "usage": usage}

    async def _send(
        self, writer: asyncio.StreamWriter, status: int, content: dict[str, Any] | bytes, *, cut: bool = False
    ) -> bool:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        more = f"Retry-After: {self.retry_after}\r\n" if self.retry_after and status == 429 else ""
        head = f"HTTP/1.1 {status} Told\r\nContent-Type: application/json\r\n{more}Content-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + (body[: len(body) // 2] if cut else body))
        await writer.drain()
        return not cut


def main() -> None:
    """Run one in this process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--seconds", type=float, default=0.0)
    parser.add_argument("--spread", type=float, default=0.0)
    parser.add_argument("--slow-every", type=int, default=0)
    parser.add_argument("--slow-seconds", type=float, default=45.0)
    parser.add_argument("--capacity", type=int, default=1000)
    options = vars(parser.parse_args())
    port = options.pop("port")
    asyncio.run(StandIn(**options).serve_forever(port))


if __name__ == "__main__":
    main()
