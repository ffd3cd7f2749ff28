"""Hold up and count the forward passes of the transformers engine's model, in tests."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.modelhub.engines.live_asking import PATIENCE

CONTINUOUS = {"continuous_batching": True}
PLAIN = {"continuous_batching": False}
either = pytest.mark.parametrize("options", [PLAIN, CONTINUOUS], ids=["batches", "continuous"])
STOP = "y da"


@pytest.fixture(autouse=True)
def one_thread() -> None:
    import torch

    torch.set_num_threads(1)


@contextmanager
def before_each_pass(engine: Any, act: Callable[[int, list[int]], object]) -> Iterator[None]:
    """Do something before each forward pass of the model: given the number of answers in it, and its tokens."""

    def hook(module: Any, args: Any, kwargs: dict[str, Any]) -> None:
        act(len(kwargs["logits_to_keep"]), kwargs["input_ids"][0].tolist())

    handle = engine._batch._base.model.register_forward_pre_hook(hook, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


class Gate:
    """Holds up the model before its third pass, until it is opened."""

    def __init__(self) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()
        self.together: list[int] = []

    def __call__(self, together: int, _: list[int]) -> None:
        self.together.append(together)
        if len(self.together) == 3:
            self.reached.set()
            assert self.opened.wait(PATIENCE)
