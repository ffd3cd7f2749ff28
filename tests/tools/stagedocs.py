"""Write docs/stages.md from what the stages declare: `make docs`."""

import os
from collections.abc import Iterator
from pathlib import Path

PAGE = Path("docs") / "stages.md"

HEAD = """# Stages

A stage of the pipeline is declared in one file of `modelhub/stages/`: what it is called, what it makes, and a model of
its parameters. From that derive its command, what is kept of its arguments with every run, the unit in which its
progress is counted, and the names under which a pipeline's file can tell it something (`[stages.NAME]`, see
[pipeline.md](pipeline.md)).
This page is written by `make docs`; [commands.md](commands.md) says what each command does, and how it ends.

| stage | command | makes | what it does |
|---|---|---|---|
"""


def page() -> str:
    """Return the page as it should be."""
    from modelhub.stages import stage_commands, stage_named

    stages = [(command, stage_named(name)) for command, name in sorted(stage_commands().items())]
    rows = [
        f"| [`{stage.name}`](#{stage.name}) | `{command}` | {stage.unit} | {stage.summary} |"
        for command, stage in stages
    ]
    return "\n".join([HEAD + "\n".join(rows), *(line for _, stage in stages for line in _section(stage.name))]) + "\n"


def _section(name: str) -> Iterator[str]:
    from modelhub.runs.parameters import described
    from modelhub.stages import stage_named

    yield from ("", f"## {name}", "", "| parameter | on the command line | default | |", "|---|---|---|---|")
    parameters = stage_named(name).parameters
    for field, (given, default, said) in zip(parameters.model_fields, described(parameters), strict=True):
        shown = f"`{default}`" if default else "required" if parameters.model_fields[field].is_required() else ""
        yield f"| `{field}` | `{given}` | {shown} | {said.replace('|', '&#124;')} |"


def main() -> None:
    """Write the page."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "personaeval.settings")
    django.setup()
    PAGE.write_text(page(), encoding="utf-8")
    print(f"{PAGE} is written.")


if __name__ == "__main__":
    main()
