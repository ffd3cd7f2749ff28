"""Write docs/results.schema.json, the JSON Schema of `results.json`, from modelhub/results: `make docs`."""

import json
import os
from pathlib import Path

FILE = Path("docs") / "results.schema.json"


def schema() -> str:
    """Return the file as it should be."""
    from modelhub.results.report import Results

    found = Results.model_json_schema(mode="serialization")
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "results.json of manage.py analyze"}
    return json.dumps({**head, **{key: part for key, part in found.items() if key != "title"}}, indent=1) + "\n"


def main() -> None:
    """Write the file."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "personaeval.settings")
    django.setup()
    FILE.write_text(schema(), encoding="utf-8")
    print(f"{FILE} is written.")


if __name__ == "__main__":
    main()
