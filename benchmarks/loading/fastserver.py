"""A server of the OpenAI protocol that costs next to nothing: `python -m benchmarks.loading.fastserver PORT SECONDS`.

It answers every request after SECONDS (0: at once), whatever is asked: a verdict where the model is called `judge`, a
persona otherwise, and its models where it is asked for them.
"""

import asyncio
import json
import sys
from typing import Any


def _response(body: dict[str, Any]) -> bytes:
    content = json.dumps(body).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    return head.encode() + content


def _answer(text: str) -> bytes:
    choice = {"index": 0, "text": text, "finish_reason": "stop"}
    usage = {"prompt_tokens": 1000, "completion_tokens": 16, "total_tokens": 1016}
    return _response({"id": "1", "object": "text_completion", "model": "m", "choices": [choice], "usage": usage})


PERSONA = _answer(" The user is curious and prefers detailed explanations with practical examples.")
VERDICT = _answer(" Response A does more for the reader.\nVerdict: A")
MODELS = _response({"object": "list", "data": [{"id": name, "object": "model"} for name in ("model", "judge")]})


class Connection(asyncio.Protocol):
    """One connection, whose requests come one after the other."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._received[:end]).lower()
        _, _, length = head.partition(b"content-length:")
        whole = end + 4 + int(length.split(b"\r\n", 1)[0] or 0)
        if len(self._received) < whole:
            return
        body = bytes(self._received[end + 4 : whole])
        del self._received[:whole]
        made = MODELS if head.startswith(b"get") else VERDICT if b'"model": "judge"' in body else PERSONA
        if b'"model":"judge"' in body:
            made = VERDICT
        if self._seconds:
            asyncio.get_running_loop().call_later(self._seconds, self._send, made)
        else:
            self._send(made)

    def _send(self, made: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(made)


async def _serve(port: int, seconds: float) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: Connection(seconds), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), float(sys.argv[2])))
