"""Let a number of bots take a study: those of the command line, and those that the rehearsal's page asks for."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from random import Random

from django.db import connection
from django.urls import reverse

from annotation.botattention import AnswerKey, answer_key_of
from annotation.botopinions import Effect, Opinions
from annotation.bots import Bot, BotReport
from annotation.management.base import page_address
from annotation.models import Participant, Study


@dataclass(frozen=True)
class Walkers:
    """What all bots of a rehearsal share. `url` is where the server runs; `careless` the share that reads no check."""

    study: Study
    url: str
    seed: int = 0
    careless: float = 0.0
    effects: Sequence[Effect] = ()
    answer_key: AnswerKey = field(default_factory=AnswerKey)

    @classmethod
    def of(
        cls, study: Study, url: str, *, seed: int = 0, careless: float = 0.0, effects: Sequence[Effect] = ()
    ) -> "Walkers":
        """Return the walkers of a study, who know the right answers of its quiz and its planted pairs."""
        return cls(study, url, seed, careless, effects, answer_key_of(study))

    def walk(self, participants: Sequence[Participant], concurrency: int) -> Iterator[BotReport]:
        """Yield the report of each bot as it ends. Left early, it lets those that walk finish, and begins no more."""
        pool = ThreadPoolExecutor(concurrency)
        try:
            walks = [pool.submit(_walk_and_leave, self._bot(participant)) for participant in participants]
            yield from (walk.result() for walk in as_completed(walks))
        finally:
            pool.shutdown(cancel_futures=True)

    def _bot(self, participant: Participant) -> Bot:
        seed = f"{self.seed} {participant.number}"
        opinions = Opinions(self.study, self.effects, seed=self.seed, code=participant.code)
        return Bot(
            page_address(self.url, reverse("annotation:participant", args=[participant.token])),
            code=participant.code,
            seed=seed,
            care=0 if Random(f"{seed} careless").random() < self.careless else 1,
            answer_key=self.answer_key,
            effects=opinions.answers if self.effects else None,
        )


def _walk_and_leave(bot: Bot) -> BotReport:
    """Let the bot walk, then close the connection that its opinions opened in this thread."""
    try:
        return bot.walk()
    finally:
        connection.close()
