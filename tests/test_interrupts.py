"""A signal stops a command at any time, and what the command writes at its end still reaches the database."""

import os
import signal
import sys
from types import FrameType

import pytest
from django.db import connection, transaction

from annotation.models import Study
from personaeval.interrupts import Interruptible


class SignalAtStep:
    """A profiler that sends SIGTERM at the n-th step of Django or psycopg; `sent` tells whether there were so many."""

    def __init__(self, step: int) -> None:
        self.left = step
        self.sent = False

    def __call__(self, frame: FrameType, event: str, _argument: object) -> None:
        if self.sent or not frame.f_globals.get("__name__", "").startswith(("django.db", "psycopg")):
            return
        self.left -= 1
        if self.left < 0:
            self.sent = True
            os.kill(os.getpid(), signal.SIGTERM)


def interrupted_at(step: int) -> bool:
    """Interrupt a transaction at its n-th step; False where it has fewer steps."""
    profiler = SignalAtStep(step)
    with pytest.raises(KeyboardInterrupt), Interruptible():
        sys.setprofile(profiler)
        try:
            with transaction.atomic():
                Study.objects.exists()
            if not profiler.sent:
                raise KeyboardInterrupt
            for _ in range(1_000_000):  # until the signal is through
                pass
        finally:
            sys.setprofile(None)
    return profiler.sent


@pytest.mark.django_db(transaction=True)
def test_a_signal_at_any_step_of_a_transaction_leaves_a_connection_that_works() -> None:
    Study.objects.exists()
    step = 0
    while interrupted_at(step):
        assert not connection.in_atomic_block, f"after a signal at step {step}"
        assert not Study.objects.exists(), f"after a signal at step {step}"
        step += 1
    assert step > 50, "the transaction was not watched"
