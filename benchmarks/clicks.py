"""What a participant's click costs the server, in process: `python -m benchmarks.clicks`, and again with a PostgreSQL.

Fills a database of its own with 1,000 and then with a million ratings, calls the site's WSGI application as a web
server does, and prints the median processor time and the number of statements of a save (which changes an answer), of
the rating page and of Continue with the form of four scales, none of them saved before. SQLite lies in a temporary
folder; for PostgreSQL: `python -m tests.tools.postgres python -m benchmarks.clicks`, which sets DATABASE_URL to an
empty database. BEGIN and COMMIT count as statements.
"""

import io
import re
import statistics
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from benchmarks.database import own_database, settle

STORED = (1_000, 1_000_000)
REPEATS = 200
PARTS = 40


def main() -> None:
    """Fill, measure and print."""
    with own_database() as connection:
        from django.core.wsgi import get_wsgi_application

        from benchmarks.dashboard import fill

        site = Site(get_wsgi_application())
        print(f"{connection.vendor}: median of {REPEATS}; processor time in ms, statements")
        print(f"{'ratings stored':<16}" + "".join(f"{name:>18}" for name in ("save", "page", "Continue")))
        stored = 0
        for size in STORED:
            fill(size - stored)
            stored = size
            settle(connection)
            print(f"{size:<16,}" + "".join(clicks.cell for clicks in measure(site)))


@dataclass
class Site:
    """The WSGI application, called as a web server calls it, with one browser's cookies."""

    application: Callable[..., Any]
    cookies: dict[str, str] = field(default_factory=dict)

    def request(self, method: str, path: str, form: dict[str, Any] | None = None, csrf: str = "") -> tuple[int, str]:
        """Return the status and the body."""
        body = urlencode(form or {}).encode()
        environ = {
            "REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": "", "SCRIPT_NAME": "",
            "SERVER_NAME": "localhost", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "HTTP_HOST": "localhost",
            "HTTP_COOKIE": "; ".join(f"{name}={value}" for name, value in self.cookies.items()),
            "HTTP_X_CSRFTOKEN": csrf, "CONTENT_LENGTH": str(len(body)),
            "CONTENT_TYPE": "application/x-www-form-urlencoded", "REMOTE_ADDR": "127.0.0.1",
            "wsgi.input": io.BytesIO(body), "wsgi.errors": io.StringIO(), "wsgi.url_scheme": "http",
            "wsgi.version": (1, 0), "wsgi.multithread": True, "wsgi.multiprocess": True, "wsgi.run_once": False,
        }  # fmt: skip
        answer: list[Any] = []
        response = self.application(environ, lambda status, headers, exc=None: answer.extend((status, headers)))
        content = b"".join(response)
        response.close()
        for name, value in answer[1]:
            if name == "Set-Cookie":
                key, _, rest = value.partition("=")
                self.cookies[key] = rest.partition(";")[0]
        return int(answer[0].split()[0]), content.decode()


@dataclass
class Clicks:
    """A participant's requests of one kind: the processor time of each, and the statements of the last."""

    site: Site
    expected: int
    milliseconds: list[float] = field(default_factory=list)
    statements: int = 0

    def click(self, *request: Any) -> str:
        """Send a request, note what it costs, and return the body."""
        start = time.process_time()
        status, body = self.site.request(*request)
        self.milliseconds.append((time.process_time() - start) * 1000)
        assert status == self.expected, (status, request)
        return body

    def click_counted(self, *request: Any) -> str:
        """The same, but count the statements, which takes time of its own."""
        from django.db import connection
        from django.test.utils import CaptureQueriesContext

        with CaptureQueriesContext(connection) as captured:
            status, body = self.site.request(*request)
        self.statements = len(captured)
        assert status == self.expected, (status, request)
        return body

    @property
    def cell(self) -> str:
        """The column of the table."""
        return f"{statistics.median(self.milliseconds):>12.2f}{self.statements:>6}"


def measure(site: Site) -> tuple[Clicks, Clicks, Clicks]:
    """Return what saves, rating pages and Continue cost participants who go through a study of 40 parts."""
    from annotation.services.participants import participant_create
    from tests.factories import make_study, make_user

    study = make_study(
        slug=f"clicks-{uuid.uuid4().hex[:8]}", owner=make_user(f"clicks-{uuid.uuid4().hex[:8]}"), given_items=PARTS,
        given_per_participant=PARTS, raters_per_item=REPEATS,
    )  # fmt: skip
    saves, pages, goes_on = Clicks(site, 200), Clicks(site, 200), Clicks(site, 302)
    while len(goes_on.milliseconds) < REPEATS:
        address = f"/p/{participant_create(study=study).token}/"
        token = _csrf(site.request("GET", address)[1])
        site.request("POST", f"{address}consent/", {"answer": "agree"}, token)
        site.request("POST", f"{address}instructions/", {}, token)
        for part in range(PARTS):
            site.request("GET", address)  # hands out the part
            last = part == PARTS - 1
            html = (pages.click_counted if last else pages.click)("GET", address)
            form, action = _form(html), re.findall(r'action="([^"]+complete/)"', html)[0]
            if part == 0:
                _save(saves, address, token, form)
                form = _form(site.request("GET", address)[1])
            (goes_on.click_counted if last else goes_on.click)("POST", action, form, token)
    return saves, pages, goes_on


def _save(saves: Clicks, address: str, token: str, form: dict[str, str]) -> None:
    """Answer one scale again and again, as somebody does who cannot make up their mind."""
    name = next(name for name in form if name.startswith("answer-"))
    _, slot, aspect = name.split("-")
    for version in range(REPEATS // 4):
        values = {"value": 1 + version % 5, "version": version, "client_key": uuid.uuid4()}
        click = saves.click_counted if version == REPEATS // 4 - 1 else saves.click
        click("POST", f"{address}answers/{slot}/{aspect}/", values, token)


def _csrf(html: str) -> str:
    return re.findall(r'name="csrfmiddlewaretoken" value="([^"]+)"', html)[0]


def _form(html: str) -> dict[str, str]:
    """Return the rating page's form with every question answered."""
    hidden = dict(re.findall(r'name="((?:version|key)-[\w-]+)" value="([^"]+)"', html))
    return {**hidden, **dict.fromkeys(re.findall(r'name="(answer-[\w-]+)"', html), "3")}


if __name__ == "__main__":
    main()
