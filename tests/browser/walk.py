"""Take a study in a real browser, by pointer or by keyboard alone."""

import re
from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

PERSONA = "The user is a beekeeper with little spare time and prefers clear steps over long explanations."
STEP_TIMEOUT_MS = 30_000


def step_of(page: Page) -> str:
    """Return the step that the page says it is."""
    return page.locator("main").get_attribute("data-step") or ""


def leave(page: Page, act: Callable[[], object]) -> None:
    """Do what sends a form, and wait for the page that comes then."""
    with page.expect_navigation(timeout=STEP_TIMEOUT_MS):
        act()


def sideways_scroll(page: Page) -> int:
    """How many pixels a page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def turn_to(page: Page, scale: Locator) -> None:
    """Show the response that a scale is about, where one is shown at a time."""
    letter = scale.evaluate("element => element.closest('[data-response]')?.dataset.response ?? ''")
    button = page.locator("[data-switch] button").filter(has_text=letter)
    if letter and button.is_visible():
        button.click()


class Pointer:
    """Clicks and types as most people do. `saves` says whether each answer is expected to be saved as it is clicked."""

    def __init__(self, page: Page, *, saves: bool = True) -> None:
        self.page = page
        self.saves = saves

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name)

    def consent(self) -> None:
        leave(self.page, self.button("agree to take part").click)

    def instructions(self) -> None:
        leave(self.page, self.button("Continue to a practice example").click)

    def practice(self) -> None:
        self._answer_all()
        leave(self.page, self.button("Finish the practice").click)

    def write(self) -> None:
        self.page.get_by_label("Your persona").fill(PERSONA)
        leave(self.page, self.button("Use this persona").click)

    def wait(self) -> None:
        expect(self.page.locator("main:not([data-step=wait])")).to_be_attached(timeout=STEP_TIMEOUT_MS)

    def rate(self) -> None:
        self._answer_all()
        for scale in self.page.locator("[data-scale]").all() if self.saves else []:
            expect(scale.locator("[data-save-state]")).to_contain_text(re.compile(r"Saved at \d\d:\d\d"))
        leave(self.page, self.button("Continue").click)

    def _answer_all(self) -> None:
        for number, scale in enumerate(self.page.locator("[data-scale]").all()):
            turn_to(self.page, scale)
            options = scale.locator("label.option")
            options.nth(number % options.count()).click()


class Keyboard:
    """Touches no pointer: Tab, Enter, digits and letters only."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def consent(self) -> None:
        self._press("button[value=agree]")

    def instructions(self) -> None:
        self._press(".actions button")

    def practice(self) -> None:
        self._answer_all()

    def write(self) -> None:
        self._tab_to("#persona")
        self.page.keyboard.type(PERSONA)
        self._press("[data-draft-form] .actions button")

    def wait(self) -> None:
        Pointer(self.page).wait()

    def rate(self) -> None:
        self._answer_all()

    def _answer_all(self) -> None:
        # Each digit answers the question that has the focus and moves on; after the last one it stands on the button.
        self._tab_to("[data-scale] input")
        for number in range(self.page.locator("[data-scale]").count()):
            self.page.keyboard.press(str(number % 4 + 1))
        expect(self.page.locator("[data-continue]")).to_be_focused()
        leave(self.page, lambda: self.page.keyboard.press("Enter"))

    def _press(self, selector: str) -> None:
        self._tab_to(selector)
        leave(self.page, lambda: self.page.keyboard.press("Enter"))

    def _tab_to(self, selector: str) -> None:
        for _ in range(60):
            if self.page.evaluate("selector => document.activeElement.matches(selector)", selector):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"60 times Tab did not reach {selector}.")


def walk(person: Pointer | Keyboard, *, until: str = "done", on_page: Callable[[str], None] | None = None) -> list[str]:
    """Do what each page asks for until the step `until`; return the steps. `on_page` is called on each new page."""
    steps: list[str] = []
    while True:
        step = step_of(person.page)
        if on_page:
            on_page(step)
        if step == until:
            return steps
        steps.append(step)
        assert len(steps) < 60, f"The study does not end: {steps}"
        getattr(person, step)()
