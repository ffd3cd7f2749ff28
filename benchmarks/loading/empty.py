"""The least a server can do, to see what the participants can: `python -m benchmarks.loading.empty PORT`.

Answers every request with one short JSON object, as long as that of a saved answer.
"""

import asyncio
import sys
import time
from collections.abc import Sequence

from benchmarks.loading.crowd import READY, Script
from benchmarks.loading.tally import Tally
from benchmarks.loading.wire import Browser, encode_form, with_body

_BODY = b'{"value": 4, "version": 12, "saved_at": "2026-01-01T12:00:00.000000+00:00"}'
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(_BODY), _BODY)


class Echo(asyncio.Protocol):
    """Takes whatever arrives in one piece for a request, which on the loopback it is."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what answers go to."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer."""
        assert isinstance(self.transport, asyncio.Transport)
        self.transport.write(_ANSWER)


def clicks(host: str, links: Sequence[str], tally: Tally) -> Script:
    """Send what a click sends, over and over."""
    head = Browser(host).head_of_post(links[0], accept="application/json")
    body = encode_form({"csrfmiddlewaretoken": "x" * 64, "version": 12, "client_key": "0" * 32, "value": 4})
    yield READY
    while True:
        since = time.monotonic()
        reply = yield with_body(head, body)
        if reply.status != 200:
            tally.failed(f"status {reply.status}")
            return
        tally.took("save", since)


async def serve(port: int) -> None:
    """Listen until the process is ended."""
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
