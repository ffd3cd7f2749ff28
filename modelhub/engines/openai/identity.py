"""What a server says it serves under a model's name, so that another model under the same name is found out.

vLLM's list of models tells for each the folder or Hub name behind it (`root`), and for an adapter the model that it
stands on (`parent`). Other servers tell less; what they do not tell cannot be compared.
"""

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from modelhub.engines.base import EngineError
from modelhub.engines.openai.client import Client
from modelhub.engines.openai.replies import RequestFailure

LIST_SECONDS = 5.0  # a server that takes longer to say what it serves answers nobody
PROVIDERS_LIST_SECONDS = 60.0  # how old a provider's list may be; a server of one's own is asked after each answer

_COMPARED = ("id", "root", "parent")


def served_identity(entries: Sequence[Mapping[str, Any]], model: str) -> dict[str, str]:
    """Return what a list of models says of one, and of the model it stands on; empty if it is not in the list."""
    named = {entry["id"]: entry for entry in entries if isinstance(entry.get("id"), str)}
    own = _told(named.get(model, {}))
    base = _told(named.get(own.get("parent", ""), {}))
    return own | ({"parent_root": base["root"]} if base.get("root") else {})


def _told(entry: Mapping[str, Any]) -> dict[str, str]:
    return {name: entry[name] for name in _COMPARED if isinstance(entry.get(name), str) and entry[name]}


def model_entries(content: bytes) -> list[Mapping[str, Any]]:
    """Return the entries of a list of models; none if it cannot be read as one."""
    try:
        data = json.loads(content)
    except (ValueError, RecursionError):
        return []
    entries = data.get("data") if isinstance(data, dict) else None
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


class Identity:
    """What one server says of one model, asked as seldom as is enough. To be used in one event loop."""

    def __init__(self, client: Client, *, model: str, seconds: float) -> None:
        self._client = client
        self._model = model
        self._seconds = seconds  # that an answer of the server is believed for
        self._turn = asyncio.Lock()
        self._asked_at = float("-inf")
        self._told: dict[str, str] = {}

    async def since(self, moment: float) -> dict[str, str]:
        """Return what the server said after `moment` (of `time.monotonic`), asking it once for all who want to know.

        Raises EngineError if it does not say.
        """
        async with self._turn:
            if self._asked_at < moment - self._seconds:
                asked_at = time.monotonic()
                self._told = await self._ask()
                self._asked_at = asked_at
            return self._told

    async def _ask(self) -> dict[str, str]:
        listed = await self._client.list_models(LIST_SECONDS)
        if isinstance(listed, RequestFailure):
            if listed.status in (404, 405, 501):
                return {}
            raise EngineError(listed.reason)
        return served_identity(model_entries(listed), self._model)
