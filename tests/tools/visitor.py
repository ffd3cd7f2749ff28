"""A participant without a browser: follows links, sends the forms that are on the page, and records every answer."""

import time
from collections.abc import Mapping
from types import TracebackType

import httpx
from lxml import html
from lxml.html import FormElement, HtmlElement


class Visitor:
    """Walks real pages over HTTP. `seen` holds every response, redirects included."""

    def __init__(self, base_url: str) -> None:
        self.seen: list[httpx.Response] = []
        self.client = httpx.Client(
            base_url=base_url, follow_redirects=True, timeout=60, event_hooks={"response": [self._record]}
        )
        self.response: httpx.Response | None = None

    def __enter__(self) -> "Visitor":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.client.close()

    def _record(self, response: httpx.Response) -> None:
        response.read()
        self.seen.append(response)

    @staticmethod
    def text_of(response: httpx.Response) -> str:
        """Return what a page says, without addresses and other attributes."""
        return "".join(map(str, html.fromstring(response.text).itertext())) if response.text.strip() else ""

    @property
    def page(self) -> HtmlElement:
        """The page that is open, parsed."""
        assert self.response is not None
        return html.fromstring(self.response.text)

    @property
    def step(self) -> str:
        """The step of the study that the page says it is."""
        return str(self.page.find_class("page")[0].get("data-step", ""))

    def get(self, url: str, **headers: str) -> httpx.Response:
        """Open an address."""
        self.response = self.client.get(url, headers=headers)
        return self.response

    def post(self, url: str, data: Mapping[str, str], **headers: str) -> httpx.Response:
        """Send a form that need not be on the page."""
        self.response = self.client.post(url, data=dict(data), headers=headers)
        return self.response

    def form(self, ending: str) -> FormElement:
        """Return the form on the page whose address ends so."""
        forms = [form for form in self.page.forms if (form.action or "").endswith(ending)]
        assert len(forms) == 1, f"{len(forms)} forms with an address ending in {ending!r} on {self.step!r}"
        return forms[0]

    def send(self, ending: str, /, **answers: str) -> httpx.Response:
        """Fill in a form of the page and send it; a field that the form lacks is an error."""
        form = self.form(ending)
        buttons = {button.get("name") for button in form.xpath(".//button[@name]")}
        unknown = set(answers) - set(form.fields.keys()) - buttons
        assert not unknown, f"The form {ending!r} has no {unknown}."
        filled = {name: value for name, value in form.fields.items() if value is not None}
        assert self.response is not None
        return self.post(str(self.response.url.join(form.action or "")), {**filled, **answers})

    def scales(self) -> dict[str, list[str]]:
        """The questions on the page, each with the values that can be chosen."""
        radios = self.page.xpath("//input[@type='radio']")
        found: dict[str, list[str]] = {}
        for radio in radios:
            found.setdefault(str(radio.get("name")), []).append(str(radio.get("value")))
        return found

    def wait_while(self, step: str, *, seconds: float = 60) -> None:
        """Reload the page as long as it stands at `step`."""
        deadline = time.monotonic() + seconds
        assert self.response is not None
        while self.step == step:
            assert time.monotonic() < deadline, f"The page still says {step!r} after {seconds:g} s."
            time.sleep(0.1)
            self.get(str(self.response.url))
