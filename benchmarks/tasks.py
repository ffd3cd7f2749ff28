"""What people have to do for four tasks: `python -m benchmarks.tasks`, or with the names of some, such as `own-study`.

Does each of them from an empty database in a real browser, beside `manage.py demo`, until somebody's first rating has
been saved: the first rating of the demonstration; a study of one's own, with responses from two files; own personas,
with two live systems; an assessment of personas. A researcher's three are done the way of the command line, and on the
pages. Prints the commands given, the keys of a study file changed in an editor, clicks, fields filled in, and the
seconds from the first command to the saved answer: those of machine and browser alone, since nobody reads here.

`--project FOLDER` does what that checkout can, with this one's Python: an earlier one, for figures of before. Where its
pages cannot make a study, the pages' way is said to be missing.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from playwright.sync_api import Browser, Page, expect, sync_playwright

from benchmarks.batches import fast_server
from benchmarks.loading.servers import WebServer, free_port
from tests.browser.walk import step_of, turn_to
from tests.tools import chromium

ROOT = Path(__file__).resolve().parents[1]
STARTERS = ROOT / "annotation/starters"
SYSTEMS = ("baseline", "tailored")
CONTACT = "Ada Example, ada@example.org"
PERSONA = "The user is a beekeeper with little spare time and prefers clear steps over long explanations."
TIMEOUT_MS = 60_000
# Presses of a pointer, and fields that something is put into, each once.
COUNTING = """
const seen = new WeakSet();
document.addEventListener('pointerdown', () => count('clicks'), true);
document.addEventListener('input', event => {
  const typed = event.target.matches('textarea, select, input:not([type=radio]):not([type=checkbox])');
  if (typed && !seen.has(event.target)) { seen.add(event.target); count('fields'); }
}, true);
"""


@dataclass
class Desk:
    """Somebody at a computer with a checkout: what they have done so far, and since when."""

    project: Path
    var: Path
    page: Page
    port: int = field(default_factory=free_port)
    done: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("commands", "keys", "clicks", "fields"), 0))
    started: float = field(default_factory=time.perf_counter)

    @property
    def address(self) -> str:
        """Where the demonstration is served."""
        return f"http://127.0.0.1:{self.port}"

    def environment(self) -> dict[str, str]:
        """Return the environment of commands: a database of this task's own."""
        database = f"sqlite:///{self.var / 'tasks.sqlite3'}"
        return {**os.environ, "DATABASE_URL": database, "VAR_DIR": str(self.var), "PYTHONUNBUFFERED": "1"}

    def command(self, *words: str) -> str:
        """Run a command of the project and return what it prints; CalledProcessError where it refuses."""
        self.done["commands"] += 1
        asked = [sys.executable, "manage.py", *words]
        run = subprocess.run(asked, cwd=self.project, env=self.environment(), stdout=subprocess.PIPE, check=True)
        return run.stdout.decode()

    def study_file(self, starter: str) -> str:
        """Return a copy of a study to start from, with what only its researcher knows put in."""
        text = (STARTERS / f"{starter}.yaml").read_text(encoding="utf-8")
        text = re.sub(r"(?im)^contact: put here.*$", f"contact: {CONTACT}", text)
        changed = yaml.safe_load(re.sub(r"(?i)\[put here:[^]]*\]", "Nobody is paid", text))
        path = self.var / "study.yaml"
        path.write_text(yaml.safe_dump(changed, allow_unicode=True, sort_keys=False), encoding="utf-8")
        self.done["keys"] += 2  # the contact, and the consent
        return str(path)

    def outputs_file(self, name: str) -> str:
        """Return a file with a response of the system to each item of the studies to start from."""
        items = yaml.safe_load((STARTERS / "given_personas.yaml").read_text(encoding="utf-8"))["items"]
        path = self.var / f"{name}.jsonl"
        path.write_text(
            "".join(json.dumps({"item": item["id"], "text": f"{name} on {item['id']}."}) + "\n" for item in items)
        )
        return str(path)

    @contextmanager
    def demonstration(self) -> Iterator[dict[str, str]]:
        """Run the demonstration; yield the participants' `link`, and the researcher's `user` and `password`."""
        self.done["commands"] += 1
        command = [sys.executable, "manage.py", "demo", "--port", str(self.port)]
        with WebServer(
            command, port=self.port, folder=self.var, environment=self.environment(), cwd=self.project
        ) as demo:
            said = demo.said()
            user, password = re.search(r"user (\S+), password (\S+)", said).groups()  # type: ignore[union-attr]
            link = re.search(r"http\S+", said).group()  # type: ignore[union-attr]
            yield {"link": link, "user": user, "password": password}

    # --- the browser ---

    def open(self, address: str) -> None:
        """Open an address, as one does who was given it."""
        self.page.goto(address if address.startswith("http") else self.address + address)

    def press(self, role: str, name: str, *, within: str = "body") -> None:
        """Press a link or a button, the first of that name."""
        self.page.locator(within).get_by_role(role, name=name).first.click()  # type: ignore[arg-type]

    def sign_in(self, user: str, password: str) -> None:
        """Sign in, on the page of the studies."""
        self.open("/research/")
        self.page.get_by_label("User name").or_(self.page.get_by_label("Username")).fill(user)
        self.page.get_by_label("Password").fill(password)
        self.press("button", "Sign in")

    def rate_first(self, link: str) -> None:
        """Take the study that the link leads to, until one rating of it has been saved."""
        self.open(link)
        while (step := step_of(self.page)) != "rate":
            STEPS[step](self.page)
        scale = self.page.locator("[data-scale]").first
        turn_to(self.page, scale)
        scale.locator("label.option").first.click()
        expect(scale.locator("[data-save-state]")).to_contain_text(re.compile(r"Saved at \d\d:\d\d"))


def _sent(page: Page, name: str) -> None:
    with page.expect_navigation(timeout=TIMEOUT_MS):
        page.get_by_role("button", name=name).click()


def _practise(page: Page) -> None:
    for scale in page.locator("[data-scale]").all():
        turn_to(page, scale)
        scale.locator("label.option").first.click()
    _sent(page, "Finish the practice")


def _write(page: Page) -> None:
    page.get_by_label("Your persona").fill(PERSONA)
    _sent(page, "Use this persona")


STEPS: dict[str, Callable[[Page], None]] = {
    "join": lambda page: _sent(page, "Start"),
    "consent": lambda page: _sent(page, "agree to take part"),
    "instructions": lambda page: _sent(page, "Continue"),
    "practice": _practise,
    "write": _write,
    "wait": lambda page: expect(page.locator("main:not([data-step=wait])")).to_be_attached(timeout=TIMEOUT_MS),
}

# --- the tasks, by command line and on pages ---


def first_rating(desk: Desk) -> None:
    """Rate a response of the demonstration."""
    with desk.demonstration() as told:
        desk.rate_first(told["link"])


def _account(desk: Desk) -> None:
    desk.command("create_researcher", "ada", "--analyst")


def _loaded(desk: Desk, starter: str) -> str:
    _account(desk)
    slug = starter.replace("_", "-")
    desk.command("load_study", desk.study_file(starter), "--owner", "ada")
    return slug


def _opened(desk: Desk, slug: str) -> None:
    desk.command("open_study", slug)
    made = desk.command("create_participants", slug, "--count", "1")
    desk.rate_first(re.search(r"/p/[\w-]+/", made).group())  # type: ignore[union-attr]


def _filled(desk: Desk, starter: str) -> None:
    slug = _loaded(desk, starter)
    for system in SYSTEMS:
        desk.command("import_outputs", slug, desk.outputs_file(system), "--system", system)
    desk.command("scan_outputs", slug)
    _opened(desk, slug)


def own_study_by_commands(desk: Desk) -> None:
    """Given personas, and responses from two files."""
    with desk.demonstration():
        _filled(desk, "given_personas")


def own_personas_by_commands(desk: Desk) -> None:
    """Personas of one's own, for which two systems behind a server answer."""
    with fast_server(desk.var, 0.0) as endpoint, desk.demonstration():
        slug = _loaded(desk, "own_personas")
        _register(desk, endpoint)
        desk.command("bind_arms", slug, *(f"{arm}={name}" for arm, name in enumerate(SYSTEMS, 1)))
        _opened(desk, slug)


def assessment_by_commands(desk: Desk) -> None:
    """Personas judged on the paper's four scales, beside responses from two files."""
    with desk.demonstration():
        _filled(desk, "persona_assessment")


def _register(desk: Desk, endpoint: str) -> None:
    for name, style in zip(SYSTEMS, ("none", "field"), strict=True):
        desk.command(
            "register_system", name, "--engine", "openai", "--model", "model", "--endpoint", endpoint,
            "--persona-style", style,
        )  # fmt: skip


def _made(desk: Desk, told: dict[str, str], starter: str) -> None:
    """Make a study from one to start from, and put in what only its researcher knows."""
    page = desk.page
    desk.sign_in(told["user"], told["password"])
    desk.press("link", "New study")
    page.locator(f"label.choice:has(input[value={starter}])").click()
    page.get_by_label("Title").first.fill("My own")
    desk.press("button", "Make the study")
    page.get_by_label("Contact").fill(CONTACT)
    consent = page.get_by_label("Consent")
    consent.fill(re.sub(r"(?i)\[put here:[^]]*\]", "Nobody is paid.", consent.input_value()))
    desk.press("button", "Save", within=".actions")
    expect(page.get_by_role("status").get_by_text("Saved.")).to_be_visible()


def _group(desk: Desk, name: str, page: str = "") -> None:
    desk.press("link", name, within=".nav-groups")
    if page:
        desk.press("link", page, within=".nav-pages")


def _opened_on_pages(desk: Desk) -> None:
    page = desk.page
    _group(desk, "Overview")
    desk.press("button", "Open the study")
    expect(page.locator(".badge.open").first).to_be_visible()
    _group(desk, "People", "Links")
    page.get_by_label("How many people").fill("1")
    desk.press("button", "Make personal links")
    desk.rate_first(page.locator("code", has_text="/p/").first.inner_text())


def _filled_on_pages(desk: Desk, told: dict[str, str], starter: str) -> None:
    _made(desk, told, starter)
    for system in SYSTEMS:
        _group(desk, "Data", "Bring data")
        desk.page.get_by_label("What the file holds").select_option("outputs")
        desk.page.get_by_label("File", exact=True).set_input_files(desk.outputs_file(system))
        desk.press("button", "Upload and look at it")
        desk.press("button", "Import")
        expect(desk.page.get_by_text("Responses imported: 6")).to_be_visible()
    _opened_on_pages(desk)


def own_study_on_pages(desk: Desk) -> None:
    """Given personas, and responses from two files."""
    with desk.demonstration() as told:
        _filled_on_pages(desk, told, "given_personas")


def own_personas_on_pages(desk: Desk) -> None:
    """Personas of one's own, for which two systems behind a server answer."""
    with fast_server(desk.var, 0.0) as endpoint, desk.demonstration() as told:
        _register(desk, endpoint)
        _made(desk, told, "own_personas")
        _group(desk, "Results", "Arms")
        for number, system in enumerate(SYSTEMS):
            desk.page.locator("form[action$='/arms/bind/'] select").nth(number).select_option(label=system)
        desk.press("button", "Bind")
        expect(desk.page.get_by_role("heading", name="Arm 2: tailored")).to_be_visible()
        _opened_on_pages(desk)


def assessment_on_pages(desk: Desk) -> None:
    """Personas judged on the paper's four scales, beside responses from two files."""
    with desk.demonstration() as told:
        _filled_on_pages(desk, told, "persona_assessment")


TASKS: dict[str, dict[str, Callable[[Desk], None]]] = {
    "first-rating": {"pages": first_rating},
    "own-study": {"commands": own_study_by_commands, "pages": own_study_on_pages},
    "own-personas": {"commands": own_personas_by_commands, "pages": own_personas_on_pages},
    "assessment": {"commands": assessment_by_commands, "pages": assessment_on_pages},
}


def main() -> None:
    """Do what is asked for and print a line for each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("tasks", nargs="*", choices=[[], *TASKS], default=[])
    parser.add_argument("--project", type=Path, default=ROOT, help="the checkout whose pages and commands are used")
    given = parser.parse_args()
    print(
        f"{'task':<14}{'way':<10}"
        + "".join(f"{name:>10}" for name in ("commands", "keys", "clicks", "fields", "seconds"))
    )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.find(), args=list(chromium.FLAGS))
        for task in given.tasks or TASKS:
            for way, do in TASKS[task].items():
                print(f"{task:<14}{way:<10}" + done(browser, given.project.resolve(), do), flush=True)


def done(browser: Browser, project: Path, do: Callable[[Desk], None]) -> str:
    """Do one task in a window and a database of its own, and return the cells of its line."""
    if do.__name__.endswith("_on_pages") and not (project / "annotation/starters").exists():
        return "  not on pages there"
    with tempfile.TemporaryDirectory() as name, browser.new_context(viewport={"width": 1440, "height": 900}) as window:
        page = window.new_page()
        page.set_default_timeout(TIMEOUT_MS)
        desk = Desk(project, Path(name), page)
        page.expose_function("count", lambda kind: desk.done.__setitem__(kind, desk.done[kind] + 1))
        page.add_init_script(COUNTING)
        do(desk)
        page.evaluate("0")  # what was counted last has come by then
        seconds = time.perf_counter() - desk.started
    return "".join(f"{number:>10}" for number in desk.done.values()) + f"{seconds:>10.1f}"


if __name__ == "__main__":
    main()
