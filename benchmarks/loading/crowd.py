"""Many participants in one process: non-blocking sockets, one selector, no thread.

A participant is a generator. It yields bytes to send a request and is sent the answer; a number, to wait until then (on
the clock of `time.monotonic`); READY, once it stands where the measuring begins. It ends on an answer of status 0.
"""

import heapq
import selectors
import socket
import time
from collections.abc import Generator, Iterable
from itertools import count

from benchmarks.loading.tally import Tally
from benchmarks.loading.wire import NO_REPLY, Reply, read_reply

READY = None
Script = Generator[bytes | float | None, Reply, None]
REPLY_SECONDS = 30.0
_READ = 1 << 16


class _Person:
    """One participant and the connection of their browser."""

    __slots__ = ("buffer", "request", "resent", "script", "sent_at", "sock", "unsent")

    def __init__(self, script: Script) -> None:
        self.script = script
        self.sock: socket.socket | None = None
        self.buffer = b""
        self.request = b""
        self.unsent = b""
        self.sent_at = 0.0
        self.resent = False


class Crowd:
    """Runs participants against one address and counts into `tally`."""

    def __init__(self, address: tuple[str, int], scripts: Iterable[Script], tally: Tally) -> None:
        self.address = address
        self.tally = tally
        self.people = [_Person(script) for script in scripts]
        self.selector = selectors.DefaultSelector()
        self.ready: list[_Person] = []
        self.busy = 0  # participants that wait for an answer
        self.timers: list[tuple[float, int, _Person]] = []
        self.order = count()
        self.last_send = float("inf")
        self.looked = 0.0

    def walk_in(self, *, at_once: int, seconds: float) -> None:
        """Bring everybody to where the measuring begins, some at a time."""
        waiting, deadline = iter(self.people), time.monotonic() + seconds
        started = 0
        while started < len(self.people) or self.busy or self.timers:
            while started < len(self.people) and self.busy < at_once:
                started += 1
                self._go_on(next(waiting))
            self._turn(0.5)
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(self.ready)} of {len(self.people)} stood ready after {seconds:g} s.")

    def run(self, begin: float, end: float) -> None:
        """Click until `end`, then wait for the answers that are still due. What is done after `begin` counts."""
        self.tally.begin, self.tally.end, self.last_send = begin, end, end
        people, self.ready = self.ready, []
        for person in people:
            self._go_on(person)
        self._until(begin)
        cpu, requests = time.process_time(), self.tally.requests
        self._until(end)
        self.tally.cpu = time.process_time() - cpu
        self.tally.requests -= requests
        answered, self.timers = self.tally.requests, []
        while self.busy and time.monotonic() < end + REPLY_SECONDS + 5:
            self._turn(0.5)
        self.tally.requests = answered
        self.close()

    def close(self) -> None:
        """Close every connection."""
        for person in self.people:
            self._drop(person)
        self.selector.close()

    def _until(self, moment: float) -> None:
        while (left := moment - time.monotonic()) > 0:
            self._turn(min(left, 0.5))

    def _turn(self, seconds: float) -> None:
        """Wait for something to happen, at most so long, and deal with it."""
        if self.timers:
            seconds = max(0.0, min(seconds, self.timers[0][0] - time.monotonic()))
        for key, mask in self.selector.select(seconds):
            if mask & selectors.EVENT_WRITE:
                self._send_rest(key.data)
            else:
                self._receive(key.data)
        now = time.monotonic()
        while self.timers and self.timers[0][0] <= now:
            self._go_on(heapq.heappop(self.timers)[2])
        if now - self.looked > 1:
            self.looked = now
            self._give_up_the_silent(now)

    def _give_up_the_silent(self, now: float) -> None:
        for person in self.people:
            if person.request and now - person.sent_at > REPLY_SECONDS:
                self.tally.failed(f"no answer within {REPLY_SECONDS:g} s")
                self._drop(person)
                self._answered(person, NO_REPLY)

    def _go_on(self, person: _Person, reply: Reply | None = None) -> None:
        """Give the participant an answer and do what they want next."""
        try:
            wish = next(person.script) if reply is None else person.script.send(reply)
        except StopIteration:
            return
        if wish is READY:
            self.ready.append(person)
        elif isinstance(wish, bytes):
            if time.monotonic() < self.last_send:
                self.busy += 1
                person.resent = False
                self._send(person, wish)
        else:
            heapq.heappush(self.timers, (wish, next(self.order), person))

    def _answered(self, person: _Person, reply: Reply) -> None:
        person.request = b""
        self.busy -= 1
        self._go_on(person, reply)

    def _send(self, person: _Person, request: bytes) -> None:
        person.request, person.buffer, person.sent_at = request, b"", time.monotonic()
        try:
            sent = self._connection(person).send(request)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._lost(person)
            return
        if sent < len(request) and person.sock is not None:
            person.unsent = request[sent:]
            self.selector.modify(person.sock, selectors.EVENT_READ | selectors.EVENT_WRITE, person)

    def _send_rest(self, person: _Person) -> None:
        assert person.sock
        try:
            person.unsent = person.unsent[person.sock.send(person.unsent) :]
        except BlockingIOError:
            return
        except OSError:
            self._lost(person)
            return
        if not person.unsent:
            self.selector.modify(person.sock, selectors.EVENT_READ, person)

    def _connection(self, person: _Person) -> socket.socket:
        """Return the participant's connection, a new one where there is none."""
        if person.sock is None:
            # Loopback: connecting blocks for microseconds, or until a listening queue that is full has room.
            person.sock = socket.create_connection(self.address, timeout=REPLY_SECONDS)
            person.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            person.sock.setblocking(False)
            self.selector.register(person.sock, selectors.EVENT_READ, person)
        return person.sock

    def _receive(self, person: _Person) -> None:
        if person.sock is None:
            return
        try:
            data = person.sock.recv(_READ)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._lost(person)
            return
        person.buffer = person.buffer + data if person.buffer else data
        found = read_reply(person.buffer)
        if found is None:
            return
        reply, stays = found
        self.tally.requests += 1
        if not stays:
            self._drop(person)
        self._answered(person, reply)

    def _lost(self, person: _Person) -> None:
        """Deal with a connection that the server has closed: while idle it costs nothing, else the request goes again.

        Every request carries what makes it safe to be sent twice, as the pages' own scripts do it.
        """
        self._drop(person)
        if not person.request:
            self.tally.reconnected += 1
        elif person.resent:
            self.tally.failed("connection lost twice")
            self._answered(person, NO_REPLY)
        else:
            self.tally.cut += 1
            person.resent = True
            self._send(person, person.request)

    def _drop(self, person: _Person) -> None:
        if person.sock is not None:
            self.selector.unregister(person.sock)
            person.sock.close()
            person.sock, person.unsent = None, b""
