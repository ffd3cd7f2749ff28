"""What the openai engine has sent and used so far, and whether it may send more."""

import threading
from dataclasses import dataclass, field
from typing import Any

from modelhub.engines.openai.replies import Reply
from modelhub.engines.openai.settings import OpenAIOptions


@dataclass
class Ledger:
    """Counts of one engine; every method may be called from any thread."""

    options: OpenAIOptions
    requests: int = 0
    retries: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def used_up(self) -> bool:
        """Whether nothing more may be sent."""
        with self._lock:
            return self._used_up()

    def take(self, *, retry: bool) -> bool:
        """Count one request that is about to be sent, if the budget allows it; return whether it does."""
        with self._lock:
            if self._used_up():
                return False
            self.requests += 1
            self.retries += retry
            return True

    def use(self, reply: Reply) -> None:
        """Count the tokens of a reply, readable or not: they were paid for."""
        with self._lock:
            self.prompt_tokens += reply.prompt_tokens or 0
            self.completion_tokens += reply.completion_tokens or 0

    def fail(self) -> None:
        """Count one prompt that got no answer."""
        with self._lock:
            self.failed += 1

    def usage(self) -> dict[str, Any]:
        """Return the counts, and the cost in the currency of the prices, None without prices."""
        with self._lock:
            return {
                "requests": self.requests,
                "retries": self.retries,
                "failed": self.failed,
                "prompt_tokens": self.prompt_tokens,
                "completion_tokens": self.completion_tokens,
                "cost": self._cost(),
            }

    def _used_up(self) -> bool:
        return self.options.max_requests is not None and self.requests >= self.options.max_requests

    def _cost(self) -> float | None:
        prompt, completion = (
            self.options.price_per_million_prompt_tokens,
            self.options.price_per_million_completion_tokens,
        )
        if prompt is None or completion is None:
            return None
        return (self.prompt_tokens * prompt + self.completion_tokens * completion) / 1_000_000
