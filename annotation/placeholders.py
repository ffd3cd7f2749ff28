"""What a study's author has still to put in: a contact such as “Put here …”, or [Put here: …]. Pure."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

TEXTS = ("contact", "content_warning", "consent", "instructions", "debrief")
_IN_BRACKETS = re.compile(r"\[\s*put here\b[^\]]*\]", re.IGNORECASE)


def placeholders(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each text of a definition that holds a placeholder, by its key, with the first that it holds."""
    for texts in (document, *document.get("translations", {}).values()):
        for key in TEXTS:
            text = texts.get(key, "")
            found = _IN_BRACKETS.search(text)
            if found:
                yield key, found[0]
            elif key == "contact" and text.casefold().startswith("put here"):
                yield key, text
