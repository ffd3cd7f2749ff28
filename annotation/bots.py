"""Participants that walk the real pages over HTTP, for rehearsals and tests.

A bot sees what a browser without JavaScript sees. It reads each page's form, fills it in, and fails on a page that
lacks a field it needs. Only the server decides where it goes next. Half of the bots also save each answer by itself
before they continue, as the page's script does with every click.
"""

import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import httpx
from lxml import html

from annotation.botattention import AnswerKey, Attention
from annotation.botwriting import next_act
from annotation.errors import ServiceError

# Varied on purpose: first and third person, one that asks for brevity, line breaks, emoji, quotes, another script,
# and a start that a spreadsheet would take for a formula.
PERSONAS = (
    "The user is a night-shift nurse and prefers answers that fit into a ten-minute break.",
    "I am retired, have all the time in the world, and prefer the long story with its history.",
    "The user is nine years old and prefers examples with animals 🦊🐙.",
    "The user is an accountant and prefers numbers first, reasons after:\n- figures\n- sources\n- then opinions",
    "I moved here last month and prefer practical tips over background.",
    'The user is a sceptic who asks "says who?" and prefers to be told how sure one can be.',
    "= The user is fond of odd punctuation; prefers short, complete sentences.",
    "The user is learning English, знает немного слов, and prefers plain words.",
    "The user is a chef and prefers instructions in the order in which they are done.",
    "I worry easily and prefer a calm tone, with the risks named but not dwelt on.",
    "The user is organising an event for two hundred people and prefers checklists.\r\n\r\nNothing else.",
    "The user is a poet, and prefers a surprising picture to a definition.",
)
MAX_PAGES = 5000
# Pages from which nothing leads on.
ENDS = ("done", "full", "screened_out", "returned", "withdrawn")


class BotError(ServiceError):
    """A page that a bot cannot go on from. Names the page and the field, never the address, which holds a token."""


@dataclass(frozen=True)
class BotReport:
    """How a walk ended: `step` is the last page, `ratings` the questions answered, `error` why it failed or ""."""

    code: str
    step: str
    ratings: int
    error: str


def _parse(text: str) -> Any:  # lxml's stubs know nothing of forms
    return html.fromstring(text)


class Page:
    """One page as a participant gets it: its step and its forms. A refusal is an error unless it is `expected`."""

    def __init__(self, response: httpx.Response, expected: int | None = None) -> None:
        self.url = response.url
        self.document = _parse(response.text)
        self.step: str = next(iter(self.document.xpath("//main/@data-step")), "unknown")
        self.was_refused = response.status_code >= 400
        if self.was_refused and response.status_code != expected:
            raise BotError(f"page {self.step}: status {response.status_code}: {self._complaint()}")

    def _complaint(self) -> str:
        """Return what the page says is wrong."""
        said = self.document.xpath("//*[@role='alert']") or self.document.xpath("//main")
        return "; ".join(" ".join(part.text_content().split()) for part in said)[:300]

    def form(self, *actions: str) -> Any:
        """Return the form whose address ends with one of `actions`."""
        for form in self.document.forms:
            if (form.action or "").endswith(actions):
                return form
        raise BotError(f"page {self.step}: there is no form that leads to {' or '.join(actions)}")

    def field(self, form: Any, name: str) -> Any:
        """Return a field of the form."""
        if name not in form.fields:
            raise BotError(f"page {self.step}: there is no field {name!r}")
        return form.inputs[name]

    def scales(self, form: Any) -> dict[str, list[str]]:
        """Return the values on offer for every question, by its field."""
        found = self.groups(form)
        if not found:
            raise BotError(f"page {self.step}: there is no scale to answer")
        return found

    def groups(self, form: Any) -> dict[str, list[str]]:
        """Return the same, or nothing where the form has no questions. A dot parts the places of an order."""
        names = [name for name in dict.fromkeys(form.xpath(".//input[@type='radio']/@name")) if "." not in name]
        found = {name: list(form.inputs[name].value_options) for name in names}
        found |= {name: [str(count) for count in range(min(most, 2) + 1)] for name, most in _marked(form)}
        for number in form.xpath(".//input[@type='number']"):
            found[number.name] = [str(value) for value in range(int(number.get("min")), int(number.get("max")) + 1)]
        return found | {name: [str(value) for value in range(1, len(orders) + 1)] for name, orders in _orders(form)}


def _orders(form: Any) -> list[tuple[str, list[str]]]:
    """Return the orders on offer of every question that asks for one, by its field."""
    return [(one.get("data-scale"), one.get("data-orders").split()) for one in form.xpath(".//*[@data-orders]")]


def _marked(form: Any) -> list[tuple[str, int]]:
    """Return every question that asks for passages, by its field, with how many there may be."""
    return [(one.get("data-scale"), int(one.get("data-most"))) for one in form.xpath(".//*[@data-most]")]


def _passages(form: Any, name: str, count: int) -> dict[str, Any]:
    """Return the fields of a question that asks for passages, with so many: words of the response, one by one."""
    if not count:
        return {f"{name}.none": "1"}
    scale = form.xpath(".//*[@data-scale=$name]", name=name)[0]
    shown = scale.xpath("ancestor::article//*[@data-at]")
    words = list(dict.fromkeys(word for piece in shown for word in piece.text_content().split()))[:count]
    labels = [value for value in scale.xpath(".//select/option/@value") if value]
    return {
        f"{name}.text": words,
        f"{name}.which": ["1"] * len(words),
        f"{name}.label": (labels[:1] or [""]) * len(words),
        f"{name}.reason": [f"It says “{word}”." for word in words],
    }


def _in_places(form: Any, values: dict[str, str]) -> dict[str, Any]:
    """Return the values as they are filled in: who has which place of an order, and which passages are marked."""
    filled: dict[str, Any] = dict(values)
    for name, _most in _marked(form):
        if name in filled:
            filled |= _passages(form, name, int(filled.pop(name)))
    for name, orders in _orders(form):
        if name in filled:
            order = orders[int(filled.pop(name)) - 1]
            filled |= {f"{name}.{place}": position for place, position in enumerate(order, start=1)}
    return filled


def _own(names: Iterable[str]) -> list[str]:
    """Return the names of fields without those of passages, which belong to a question."""
    return [name for name in names if "." not in name]


class Bot:
    """One participant. `seed` decides every answer, so that a walk can be repeated.

    `care` is the probability that the bot reads a check, a quiz or a planted pair; it then uses the `answer_key`.
    `effects` gives the answers that a rehearsal plants, by field of a rating page; see botopinions.py.
    """

    def __init__(
        self,
        link: str,
        *,
        seed: str,
        code: str = "",
        wait_seconds: float = 0.5,
        wait_tries: int = 240,
        sleep: Callable[[float], None] = time.sleep,
        care: float = 1,
        answer_key: AnswerKey | None = None,
        effects: Callable[[Iterable[str]], dict[str, str]] | None = None,
    ) -> None:
        self.link, self.code = link, code
        self.wait_seconds, self.waits_left, self.sleep = wait_seconds, wait_tries, sleep
        self.random = random.Random(seed)
        self.attention = Attention(seed=seed, care=care, answer_key=answer_key or AnswerKey())
        self.effects = effects
        self.saves_each_answer = self.random.random() < 0.5
        self.personas = self.random.sample(PERSONAS, len(PERSONAS))
        self.ratings = 0
        self.client = httpx.Client(follow_redirects=True, timeout=60)

    def walk(self) -> BotReport:
        """Go on until the study is done, or nothing is left to do, or something is wrong; never raises BotError."""
        step = "unknown"
        try:
            with self.client:
                page = self._get()
                for _ in range(MAX_PAGES):
                    step = page.step
                    if step in ENDS:
                        return self._report(step, "")
                    page = self._go_on(page)
                raise BotError(f"page {step}: still not done after {MAX_PAGES} pages")
        except BotError as error:
            return self._report(step, str(error))
        except httpx.HTTPError as error:
            return self._report(step, f"page {step}: no answer from the server ({type(error).__name__})")

    def _report(self, step: str, error: str) -> BotReport:
        return BotReport(code=self.code, step=step, ratings=self.ratings, error=error)

    def _go_on(self, page: Page) -> Page:
        actions = {
            "join": self._join,
            "consent": self._consent,
            "instructions": lambda page: self._send(page, page.form("/instructions/")),
            "practice": self._practice,
            "survey": self._survey,
            "quiz": self._quiz,
            "warning": lambda page: self._send(page, page.form("/warning/")),
            "write": self._write,
            "wait": self._wait,
            "failed": lambda page: self._send(page, page.form("/set-aside/")),
            "held": lambda page: self._send(page, page.form("/set-aside/")),
            "rate": self._rate,
        }
        if page.step not in actions:
            raise BotError(f"page {page.step}: a participant cannot go on from here")
        return actions[page.step](page)

    def _join(self, page: Page) -> Page:
        if not page.document.forms:
            raise BotError("page join: there is no button to start with")
        return self._send(page, page.document.forms[0])

    def _consent(self, page: Page) -> Page:
        form = page.form("/consent/")
        if not form.xpath(".//button[@name='answer'][@value='agree']"):
            raise BotError("page consent: there is no field 'answer' to agree with")
        return self._send(page, form, answer="agree")

    def _practice(self, page: Page) -> Page:
        form = page.form("/practice/")
        page.field(form, "index")
        return self._send(page, form, **self._choices(page.scales(form)))

    def _survey(self, page: Page) -> Page:
        form = page.form("/questions/before/", "/questions/after/")
        return self._send(page, form, **self._choices(page.groups(form)), **self._remarks(form))

    def _quiz(self, page: Page) -> Page:
        form = page.form("/quiz/")
        page.field(form, "attempt")
        answers = self._choices(page.scales(form))
        known = self.attention.quiz_answers(form) if self.attention.is_careful() else {}
        return self._send(page, form, **answers | known)

    def _write(self, page: Page) -> Page:
        form = page.form("/persona/")
        page.field(form, "text")
        act = next_act(form, self.random, self.personas[0])
        if act.values.get("text") == self.personas[0]:
            self.personas = [*self.personas[1:], self.personas[0]]
        form.action = act.address or form.action
        return self._send(page, form, **act.values)

    def _wait(self, page: Page) -> Page:
        if self.waits_left <= 0:
            raise BotError("page wait: the outputs did not come; is the worker running?")
        self.waits_left -= 1
        self.sleep(self.wait_seconds)
        return self._get()

    def _rate(self, page: Page) -> Page:
        form = page.form("/complete/", "/show-persona/")
        answers = self._choices(page.scales(form))
        if self.effects is not None:
            answers |= self.effects(answers)
        if self.attention.is_careful():
            answers |= {**self.attention.judged(form), **self.attention.instructed(form)}
        if self.saves_each_answer:
            for name, value in answers.items():
                self._save(page, form, name, value)
        next_page = self._post(page, form, {**answers, **self._remarks(form)}, expected=422)
        if next_page.was_refused:  # told to read a question again
            form = next_page.form("/complete/")
            next_page = self._send(next_page, form, **{**answers, **self.attention.instructed(form)})
        self.ratings += len(answers)
        return next_page

    def _remarks(self, form: Any) -> dict[str, str]:
        """Return something for every text field and one of every group of checkboxes."""
        texts = dict.fromkeys(_own(form.xpath(".//textarea/@name")), self.personas[0])
        boxes = dict.fromkeys(_own(form.xpath(".//input[@type='checkbox']/@name")))
        return texts | {name: self.random.choice(list(form.inputs[name].value_options)) for name in boxes}

    def _choices(self, scales: dict[str, list[str]]) -> dict[str, str]:
        return {name: self.random.choice(values) for name, values in scales.items()}

    def _save(self, page: Page, form: Any, name: str, value: str) -> None:
        """Save one answer as a click does."""
        addresses = form.xpath(".//*[@data-scale=$name]/@data-url", name=name)
        if not addresses:
            raise BotError(f"page {page.step}: field {name!r} has no address to save to")
        data: dict[str, Any] = {
            **_in_places(form, {name: value}),
            "value": value,
            "version": page.field(form, f"version-{name}").value,
            "client_key": page.field(form, f"key-{name}").value,
            "csrfmiddlewaretoken": page.field(form, "csrfmiddlewaretoken").value,
        }
        response = self.client.post(page.url.join(addresses[0]), data=data, headers={"Referer": str(page.url)})
        if response.status_code != 200 or response.json().get("value") != int(value):
            raise BotError(f"page {page.step}: field {name!r} was not saved (status {response.status_code})")

    def _send(self, page: Page, form: Any, **values: str) -> Page:
        """Send the form with everything on it, `values` filled in."""
        return self._post(page, form, values)

    def _post(self, page: Page, form: Any, values: dict[str, str], expected: int | None = None) -> Page:
        page.field(form, "csrfmiddlewaretoken")
        data: dict[str, Any] = {**dict(form.form_values()), **_in_places(form, values)}
        target = page.url.join(form.action or "")
        return Page(self.client.post(target, data=data, headers={"Referer": str(page.url)}), expected)

    def _get(self) -> Page:
        return Page(self.client.get(self.link))
