"""HTTP/1.1 as a browser speaks it, in as few steps as Python can do it: requests made by hand, answers half read."""

import re
import zlib
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote_plus

_FRAMING = re.compile(rb"\r\n(content-length|transfer-encoding|connection): *([^\r\n]*)", re.IGNORECASE)
_COOKIES = re.compile(rb"\r\nset-cookie: *([^=\r\n]+)=([^;\r\n]*)", re.IGNORECASE)
_LOCATION = re.compile(rb"\r\nlocation: *([^\r\n]*)", re.IGNORECASE)
_GZIP = re.compile(rb"\r\ncontent-encoding: *gzip", re.IGNORECASE)
_WITHOUT_BODY = (204, 304)


class Reply(NamedTuple):
    """An answer. Status 0 is none: the connection was lost twice, or nothing came in time."""

    status: int
    head: bytes
    body: bytes

    @property
    def text(self) -> str:
        """The body as text, unpacked."""
        body = zlib.decompress(self.body, wbits=31) if _GZIP.search(self.head) else self.body
        return body.decode("utf-8", errors="replace")

    @property
    def location(self) -> str:
        """Where a redirect leads, as a path on the same server."""
        found = _LOCATION.search(self.head)
        return re.sub(r"^https?://[^/]+", "", found[1].decode()) if found else ""

    def cookies(self) -> dict[str, str]:
        """The cookies that the answer sets."""
        return {name.decode(): value.decode() for name, value in _COOKIES.findall(self.head)}


NO_REPLY = Reply(0, b"", b"")


def read_reply(data: bytes) -> tuple[Reply, bool] | None:
    """Return the answer that `data` holds, and whether the server keeps the connection; None while it is not whole."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = data[: end + 2]
    framing = {name.lower(): value.lower() for name, value in _FRAMING.findall(head)}
    status = int(head[9:12])
    if status in _WITHOUT_BODY:
        body: bytes | None = b""
    elif framing.get(b"transfer-encoding") == b"chunked":
        body = _join_chunks(data, end + 4)
    else:
        length = int(framing.get(b"content-length", b"0"))
        body = data[end + 4 : end + 4 + length] if len(data) >= end + 4 + length else None
    if body is None:
        return None
    return Reply(status, head, body), framing.get(b"connection") != b"close" and head[5:8] != b"1.0"


def _join_chunks(data: bytes, start: int) -> bytes | None:
    chunks: list[bytes] = []
    while (line := data.find(b"\r\n", start)) >= 0:
        size = int(data[start:line].split(b";")[0], 16)
        start = line + 2 + size + 2
        if len(data) < start:
            return None
        if size == 0:
            return b"".join(chunks)
        chunks.append(data[line + 2 : line + 2 + size])
    return None


class Browser:
    """Makes the requests that one browser would send: its cookies, its headers."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.cookies: dict[str, str] = {}

    def keep(self, reply: Reply) -> Reply:
        """Take over the cookies that an answer sets."""
        self.cookies |= reply.cookies()
        return reply

    def get(self, path: str) -> bytes:
        """Return a request for a page."""
        return f"GET {path} HTTP/1.1\r\n{self._headers('text/html')}\r\n".encode()

    def head_of_post(self, path: str, *, accept: str = "text/html", kind: str = "") -> bytes:
        """Return the start of a POST up to the length of its body, the same for every click of one control."""
        kind = kind or "application/x-www-form-urlencoded"
        origin = f"Origin: http://{self.host}\r\nReferer: http://{self.host}/\r\n"
        return (
            f"POST {path} HTTP/1.1\r\n{self._headers(accept)}{origin}Content-Type: {kind}\r\nContent-Length: ".encode()
        )

    def post(self, path: str, fields: Mapping[str, object]) -> bytes:
        """Return a form as a browser sends it."""
        return with_body(self.head_of_post(path), encode_form(fields))

    def _headers(self, accept: str) -> str:
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        cookie = f"Cookie: {cookies}\r\n" if cookies else ""
        return f"Host: {self.host}\r\nAccept: {accept}\r\nAccept-Encoding: gzip\r\n{cookie}"


def encode_form(fields: Mapping[str, object]) -> bytes:
    """Return fields as the body of a form."""
    return "&".join(f"{quote_plus(name)}={quote_plus(str(value))}" for name, value in fields.items()).encode()


def with_body(head: bytes, body: bytes) -> bytes:
    """Return a whole request from what `head_of_post` made."""
    return b"%b%d\r\n\r\n%b" % (head, len(body), body)
