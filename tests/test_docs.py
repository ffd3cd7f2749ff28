"""The documentation names every setting, command and option, and nothing that does not exist."""

import argparse
import ast
import re
import shlex
import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import load_command_class
from django.core.management.base import BaseCommand, CommandError

from tests.tools import commanddocs, keydocs, stagedocs

ROOT = settings.BASE_DIR
DOCS = ROOT / "docs"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.glob("*.md"))]
READ_BY_OTHERS = {"deploy/gunicorn.conf.py", "tests/tools/chromium.py"}
SHARED = "Options of every stage"
COMMANDS = commanddocs.commands()


def variables_read(path: Path) -> set[str]:
    """The environment variables that a module reads by name."""
    calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    return {
        call.args[0].value
        for call in calls
        if re.fullmatch(r"env_\w+|os\.environ\.get", ast.unparse(call.func))
        and isinstance(call.args[0], ast.Constant)
        and isinstance(call.args[0].value, str)
    }


def documented_variables() -> set[str]:
    return set(re.findall(r"^\| `([A-Z_]+)` \|", (DOCS / "settings.md").read_text(encoding="utf-8"), re.MULTILINE))


def test_every_setting_is_documented_and_every_documented_one_is_read() -> None:
    read = variables_read(ROOT / "personaeval" / "settings.py")
    for other in READ_BY_OTHERS:
        read |= variables_read(ROOT / other)
    assert {"SECRET_KEY", "DATABASE_URL", "HTTPS"} <= read
    assert documented_variables() - {"PYTHON"} == read
    assert "${PYTHON" in (ROOT / "deploy" / "make_venv.sh").read_text(encoding="utf-8")


def test_every_system_check_is_documented() -> None:
    ids = set(re.findall(r'id="(annotation\.\w+)"', (ROOT / "annotation" / "checks.py").read_text(encoding="utf-8")))
    assert ids
    assert ids == set(re.findall(r"annotation\.[EW]\d+", (DOCS / "settings.md").read_text(encoding="utf-8")))


def section_of(command: str) -> str:
    """The section of a command, with that on the options it shares where it refers to it."""
    section = section_called(f"`{command}`")
    return section + section_called(SHARED) if "(#options-of-every-stage)" in section else section


def section_called(heading: str) -> str:
    text = (DOCS / "commands.md").read_text(encoding="utf-8")
    return "".join(re.findall(rf"^### {heading}\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL))


def own_options(app: str, command: str) -> set[str]:
    parser = load_command_class(app, command).create_parser("manage.py", command)
    everywhere = BaseCommand().create_parser("manage.py", command)
    return {name for name in long_options(parser) if name not in long_options(everywhere)}


def long_options(parser: argparse.ArgumentParser) -> set[str]:
    return {name for action in parser._actions for name in action.option_strings if name.startswith("--")}


def test_every_command_and_option_is_documented() -> None:
    missing = []
    for app, command in COMMANDS:
        section = section_of(command)
        missing += [f"{command} {option}" for option in own_options(app, command) if f"`{option}" not in section]
    assert not missing, "\n".join(sorted(missing))


def test_every_documented_command_exists_and_is_documented_once() -> None:
    named = re.findall(r"^### `(\w+)`", (DOCS / "commands.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(named) == sorted(command for _, command in COMMANDS)


@pytest.mark.parametrize("written", [stagedocs, keydocs, commanddocs], ids=lambda tool: tool.PAGE.name)
def test_a_page_that_is_written_from_the_code_says_what_the_code_says(written: Any) -> None:
    assert (ROOT / written.PAGE).read_text(encoding="utf-8") == written.page(), "Write it anew: make docs"


def assert_none(wrong: Callable[[Path, str], Iterable[object]]) -> None:
    """Fail with every page in which `wrong` finds a fault, and with all of its faults."""
    found = {str(page.relative_to(ROOT)): [*wrong(page, page.read_text(encoding="utf-8"))] for page in PAGES}
    assert not any(found.values()), "\n".join(f"{name}: {faults}" for name, faults in found.items() if faults)


def test_links_between_pages_lead_somewhere() -> None:
    def wrong(page: Path, text: str) -> list[str]:
        targets = re.findall(r"\]\((?!https?:|mailto:)([^)#]+)(?:#[^)]*)?\)", text)
        return [target for target in targets if not (page.parent / target).exists()]

    assert_none(wrong)


def test_commands_shown_on_a_page_take_the_options_that_they_are_shown_with() -> None:
    apps = {name: app for app, name in COMMANDS}

    def wrong(_: Path, text: str) -> Iterator[str]:
        blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        shown = re.findall(r"manage\.py (\w+)(.*)", "\n".join(block.replace("\\\n", " ") for block in blocks))
        for command, arguments in shown:
            if command in apps and "…" not in arguments:
                yield from refusal(apps[command], command, shlex.split(arguments, comments=True))

    assert_none(wrong)


def refusal(app: str, command: str, arguments: list[str]) -> list[str]:
    """What the parser of a command says against these arguments: nothing, or one line."""
    parser = load_command_class(app, command).create_parser("manage.py", command)
    try:
        parser.parse_args(arguments)
    except CommandError as error:
        return [f"{command}: {error}"]
    return []


def test_commands_shown_on_a_page_exist() -> None:
    known = {command for _, command in COMMANDS} | {"migrate", "check", "changepassword", "makemigrations", "help", "…"}
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))

    def wrong(_: Path, text: str) -> set[str]:
        commands = set(re.findall(r"manage\.py ([a-z_]+|…)", text))
        return (commands - known) | (set(re.findall(r"`make ([a-z-]+)", text)) - targets)

    assert_none(wrong)


def test_deployment_shell_scripts_parse() -> None:
    for script in [*(ROOT / "deploy").glob("*.sh"), ROOT / ".ci" / "run"]:
        subprocess.run(["bash", "-n", script], check=True)


def test_the_example_environment_names_documented_variables() -> None:
    text = (ROOT / "deploy" / "personaeval.env.example").read_text(encoding="utf-8")
    assert set(re.findall(r"^([A-Z_]+)=", text, re.MULTILINE)) <= documented_variables()


def test_the_model_server_is_started_with_what_vllm_needs_for_two_adapters_and_logs_no_prompt() -> None:
    unit = (ROOT / "deploy" / "personaeval-vllm.service").read_text(encoding="utf-8")
    started = unit[unit.index("ExecStart=") : unit.index("$MORE")].replace("\\\n", " ").split()
    for word in (
        "--enable-lora",
        "--enable-prefix-caching",
        "--no-enable-log-requests",
        "--disable-uvicorn-access-log",
    ):
        assert word in started
    pairs = set(zip(started, started[1:], strict=False))
    assert {("--host", "127.0.0.1"), ("--lora-modules", "$ADAPTERS"), ("--generation-config", "vllm")} <= pairs
