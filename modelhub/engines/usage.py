"""Count what an engine has made."""

from collections.abc import Sequence
from dataclasses import dataclass

from modelhub.engines.base import GenerationFailure, GenerationResult


@dataclass
class TokenUsage:
    """Answers made and tokens used since the engine was created; failures count as requests only."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def add(self, results: Sequence[GenerationResult | GenerationFailure]) -> None:
        """Count the results of one call."""
        self.requests += len(results)
        for result in results:
            if isinstance(result, GenerationResult):
                self.prompt_tokens += result.prompt_tokens or 0
                self.completion_tokens += result.completion_tokens or 0
