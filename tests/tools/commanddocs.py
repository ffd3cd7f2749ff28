"""Write docs/command-options.md from the parsers of the commands: `make docs`."""

import argparse
import os
import re
from collections.abc import Iterator
from pathlib import Path

PAGE = Path("docs") / "command-options.md"
APPS = ("annotation", "modelhub")

HEAD = """# Options of commands

What the parser of each `manage.py` command takes, by name. [commands.md](commands.md) says what each command does, and
how it ends. Options that every command of Django has (`--verbosity`, `--settings` …) are left out. This page is written
by `make docs`.
"""


def commands() -> list[tuple[str, str]]:
    """Return the (app, name) of every command of the project, stages among them."""
    from django.conf import settings

    from modelhub.stages import stage_commands

    files = [path for app in APPS for path in (settings.BASE_DIR / app).glob("management/commands/[a-z]*.py")]
    return sorted([(path.parts[-4], path.stem) for path in files] + [("modelhub", name) for name in stage_commands()])


def page() -> str:
    """Return the page as it should be."""
    named = sorted(commands(), key=lambda command: command[1])
    return "\n".join([HEAD, *(line for app, name in named for line in _section(app, name))]) + "\n"


def _section(app: str, name: str) -> Iterator[str]:
    from django.core.management import load_command_class
    from django.core.management.base import BaseCommand

    parser = load_command_class(app, name).create_parser("manage.py", name)
    everywhere = {action.dest for action in BaseCommand().create_parser("manage.py", name)._actions}
    own = [action for action in parser._actions if action.dest not in everywhere]
    yield from (f"## {name}", "", _cell(parser.description or ""), "")
    if own:
        yield from ("| option | default | |", "|---|---|---|")
        yield from (_row(parser, action) for action in own)
        yield ""


def _row(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    said = parser._get_formatter()._expand_help(action) if action.help else ""
    if action.choices and not isinstance(action, argparse._SubParsersAction):
        said = f"{said} One of {', '.join(f'`{choice}`' for choice in action.choices)}.".strip()
    return f"| `{_shown(action)}` | {_default(action)} | {_cell(said)} |".replace("  |", " |")


def _shown(action: argparse.Action) -> str:
    metavar = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    if not action.option_strings:
        return metavar
    if action.nargs == 0 or isinstance(action, argparse.BooleanOptionalAction):
        return ", ".join(action.option_strings)
    return f"{', '.join(action.option_strings)} {metavar}{' …' if action.nargs in ('+', '*') else ''}"


def _default(action: argparse.Action) -> str:
    if action.required and action.default in (None, argparse.SUPPRESS):
        return "required"
    if action.default in (None, False, "", argparse.SUPPRESS) or action.default in ([], ()):
        return ""
    return f"`{_without_place(str(action.default))}`"


def _without_place(text: str) -> str:
    """A folder of this computer is no default of another one."""
    from django.conf import settings

    return text.replace(str(settings.VAR_DIR), "VAR_DIR").replace(f"{settings.BASE_DIR}{os.sep}", "")


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", _without_place(text)).replace("|", "&#124;").replace("<", "&lt;").strip()


def main() -> None:
    """Write the page."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "personaeval.settings")
    django.setup()
    PAGE.write_text(page(), encoding="utf-8")
    print(f"{PAGE} is written.")


if __name__ == "__main__":
    main()
