"""A signal stops a command at any time, and what the command writes at its end still reaches the database."""

import os
import signal
import sys
from types import FrameType

import pytest
from django.db import connection

from annotation.models import Study
from personaeval.interrupts import Interruptible


class SignalAtStep:
    """A profiler that sends SIGTERM when psycopg takes its n-th step; `sent` tells whether there were so many."""

    def __init__(self, step: int) -> None:
        self.left = step
        self.sent = False

    def __call__(self, frame: FrameType, event: str, _argument: object) -> None:
        if self.sent or not frame.f_globals.get("__name__", "").startswith("psycopg"):
            return
        self.left -= 1
        if self.left < 0:
            self.sent = True
            os.kill(os.getpid(), signal.SIGTERM)


def interrupted_at(step: int) -> bool:
    """Interrupt statements at psycopg's n-th step from here; False where the first of them has fewer steps."""
    profiler = SignalAtStep(step)
    with pytest.raises(KeyboardInterrupt), Interruptible():
        sys.setprofile(profiler)
        try:
            Study.objects.exists()
            if not profiler.sent:
                raise KeyboardInterrupt
            for _ in range(1_000_000):  # until the signal is through
                pass
        finally:
            sys.setprofile(None)
    return profiler.sent


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite's calls cannot be interrupted in the middle.")
@pytest.mark.django_db(transaction=True)
def test_a_signal_at_any_step_of_a_statement_leaves_a_connection_that_works() -> None:
    Study.objects.exists()
    step = 0
    while interrupted_at(step):
        assert not Study.objects.exists(), f"after a signal at step {step}"
        step += 1
    assert step > 10, "psycopg was not watched"
