"""A proxy that does to requests what networks and overloaded servers do: step by step, as a test has planned it.

It stands before a real server of the OpenAI protocol, or alone where every step is an answer of its own. Each request
takes the next step of the plan in the order of arrival; afterwards requests pass.
"""

import http.client
import json
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

PATIENCE = 60  # seconds, after which a test that waits for the proxy has failed


@dataclass(frozen=True)
class Pass:
    """Hand the request on and send back what the server answers."""


@dataclass(frozen=True)
class Reply:
    """Send this instead; `repeat_headers` sends the request's headers back in the body, as careless servers do."""

    status: int = 200
    body: bytes | dict[str, Any] = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    repeat_headers: bool = False


@dataclass(frozen=True)
class Cut:
    """Announce the whole answer of the server, send its first half and close the connection."""


@dataclass(frozen=True)
class Hang:
    """Send nothing until the test calls `release`, then close the connection."""


Step = Pass | Reply | Cut | Hang


@dataclass(frozen=True)
class Seen:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


class FaultProxy:
    """A running proxy: `url` to give to clients, `plan` what it shall do, `seen` and `peak` what arrived."""

    def __init__(self, target: str = "") -> None:
        self._target = urlsplit(target)
        self._lock = threading.Lock()
        self._steps: deque[Step] = deque()
        self._gather: threading.Barrier | None = None
        self._release = threading.Event()
        self._under_way = 0
        self.seen: list[Seen] = []
        self.peak = 0
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.proxy = self
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.01], name="fault proxy")
        self._thread.start()

    def plan(self, *steps: Step) -> None:
        """Add steps; every request takes one."""
        self._steps.extend(steps)

    def gather(self, count: int) -> None:
        """Let no request go on until `count` of them are under way, again and again."""
        self._gather = threading.Barrier(count)

    def release(self) -> None:
        """Let the requests that hang end."""
        self._release.set()

    def stop(self) -> None:
        """Stop it; requests that hang end."""
        self.release()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @contextmanager
    def arrival(self, seen: Seen) -> Iterator[Step]:
        """Count a request and give it its step."""
        with self._lock:
            self.seen.append(seen)
            self._under_way += 1
            self.peak = max(self.peak, self._under_way)
            step = self._steps.popleft() if self._steps else Pass()
        try:
            if self._gather is not None:
                self._gather.wait(PATIENCE)
            yield step
        finally:
            with self._lock:
                self._under_way -= 1

    def wait_for_release(self) -> None:
        """Wait until the test lets hanging requests go."""
        assert self._release.wait(PATIENCE), "The test never released the requests that hang."

    def forward(self, seen: Seen) -> tuple[int, bytes]:
        """Send a request on to the server and return its status and body."""
        connection = http.client.HTTPConnection(str(self._target.hostname), self._target.port or 80, timeout=PATIENCE)
        try:
            headers = {"Content-Type": "application/json"}
            connection.request(
                "POST", self._target.path + seen.path.removeprefix("/v1"), json.dumps(seen.body), headers
            )
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()


class _Server(ThreadingHTTPServer):
    proxy: FaultProxy


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        seen = Seen(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
        with self.server.proxy.arrival(seen) as step:
            self._take(step, seen)

    def _take(self, step: Step, seen: Seen) -> None:
        match step:
            case Pass():
                self._send(*self.server.proxy.forward(seen))
            case Reply(status, content, headers, repeat_headers):
                if repeat_headers:
                    content = {"error": {"message": f"Refused: {seen.headers} {seen.body}", **seen.headers}}
                body = content if isinstance(content, bytes) else json.dumps(content).encode()
                self._send(status, body, headers)
            case Cut():
                self._send(*self.server.proxy.forward(seen), cut=True)
            case Hang():
                self.server.proxy.wait_for_release()
                self.close_connection = True

    def _send(self, status: int, body: bytes, headers: Mapping[str, str] | None = None, *, cut: bool = False) -> None:
        try:
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if cut else body)
        except ConnectionError:
            self.close_connection = True  # the client has stopped waiting
        else:
            self.close_connection = cut

    def log_message(self, format: str, *args: object) -> None:
        """Write nothing: a request line per test is noise."""
