"""Write what was answered: the rows of a stage together, each with what was asked, and what many prompts share once."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import IntegrityError, transaction

from modelhub.engines.base import GenerationRequest, GenerationResult
from modelhub.engines.decoding import plain_text
from modelhub.models import Generation, Run, SharedPrompt
from modelhub.runs.engine_stage import EngineStage, Task

# Rows that others write at the same moment are seen at the next try; that happens once, unless something is wrong.
_TRIES = 3


@dataclass(frozen=True)
class Answered:
    """A row with what was asked for it and what came."""

    task: Task
    request: GenerationRequest
    result: GenerationResult


def shared_prompt(text: str) -> SharedPrompt:
    """Return the stored part of prompts that is this text, stored now unless it is there."""
    digest = hashlib.sha256(text.encode("utf-8")).hexdigest()
    return SharedPrompt.objects.get_or_create(sha256=digest, defaults={"text": text})[0]


def given_fields(request: GenerationRequest, stored: Callable[[str], SharedPrompt] = shared_prompt) -> dict[str, Any]:
    """Return what a `Generation` keeps of what was asked; `stored` gives the stored part of prompts for its text."""
    whole = plain_text(request)
    if not request.shared:
        return {"rendered_prompt": whole}
    at = len(whole) - len(request.rendered)
    end = at + request.shared
    return {"rendered_prompt": whole[:at] + whole[end:], "shared_prompt": stored(whole[at:end]), "shared_at": at}


def made_fields(request: GenerationRequest, result: GenerationResult) -> dict[str, Any]:
    """Return what a `Generation` keeps of how an answer was made; its text is kept where it belongs."""
    return {
        "finish_reason": result.finish_reason,
        "prompt_tokens": result.prompt_tokens,
        "completion_tokens": result.completion_tokens,
        "seconds": result.seconds,
        "served": dict(result.served),
        "steps": [dict(step) for step in (*request.steps, *result.steps)],
    }


@dataclass
class RowStore:
    """Writes the rows of one run."""

    stage: EngineStage
    run: Run
    _shared: dict[str, SharedPrompt] = field(default_factory=dict)

    def write(self, rows: Sequence[Answered]) -> int:
        """Write the rows in one transaction and return how many; others may have written some of them meanwhile."""
        for text in {row.request.rendered[: row.request.shared] for row in rows} - {"", *self._shared}:
            self._shared[text] = shared_prompt(text)
        for _ in range(_TRIES - 1):
            try:
                return self._write(rows)
            except IntegrityError:
                if not self.stage.stored([row.task for row in rows]):
                    raise
        return self._write(rows)

    @transaction.atomic
    def _write(self, rows: Sequence[Answered]) -> int:
        known = self.stage.stored([row.task for row in rows])
        new = [row for row in rows if row.task.key not in known]
        generations = Generation.objects.bulk_create([self._generation(row) for row in new])
        self.stage.store(run=self.run, made=[(row.task, one) for row, one in zip(new, generations, strict=True)])
        return len(new)

    def _generation(self, row: Answered) -> Generation:
        return Generation(
            run=self.run,
            system=self.stage.system,
            text=row.result.text,
            **given_fields(row.result.asked or row.request, self._shared.__getitem__),
            **made_fields(row.request, row.result),
        )
