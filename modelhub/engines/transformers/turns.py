"""One model for many adapters at once: every forward pass takes its turn, with the adapter it belongs to."""

import copy
import threading
from collections import deque
from functools import wraps
from typing import TYPE_CHECKING, Any

from modelhub.engines.weights import put_adapter

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel


class InTurn:
    """A lock that is given in the order in which it was asked for, so that nobody who is quick keeps it."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._held = False
        self._line: deque[threading.Event] = deque()

    def __enter__(self) -> None:
        mine = threading.Event()
        with self._guard:
            if not self._held:
                self._held = True
                return
            self._line.append(mine)
        try:
            mine.wait()
        except BaseException:  # Ctrl-C
            self._leave(mine)
            raise

    def __exit__(self, *_: object) -> None:
        with self._guard:
            if self._line:
                self._line.popleft().set()  # it stays held, by the next in line
            else:
                self._held = False

    def _leave(self, mine: threading.Event) -> None:
        with self._guard:
            if mine in self._line:
                self._line.remove(mine)
                return
        self.__exit__()  # it had just been given


class AdapterTurns:
    """A model and the adapters that were put into it, of which one or none is active in each forward pass.

    Answers with several adapters may be under way at once, in any number of threads: each is made through a view of
    its own, so that none can be made with another's adapter.
    """

    def __init__(self, model: "PreTrainedModel") -> None:
        self._model = model
        self._peft: PeftModel | None = None
        self._turn = InTurn()
        self._active: str | None = None  # None: not known
        self._whole: set[str] = set()  # names of adapters that were put in to their end

    def view(self, adapter: str) -> "PreTrainedModel":
        """Return the model as it is with this adapter ("" for none). It shares all weights with the other views."""
        seen = copy.copy(self._model)
        forward = self._model.forward

        @wraps(forward)
        def one_pass(*arguments: Any, **named: Any) -> Any:
            with self._turn:
                self._activate(adapter)
                return forward(*arguments, **named)

        seen.forward = one_pass
        return seen

    def put(self, folder: str, name: str) -> None:
        """Put the adapter in `folder` into the model under this name, unless it is there; raises as `put_adapter`."""
        with self._turn:
            self._active = None
            if name not in self._whole:
                self._peft = put_adapter(self._peft or self._model, folder, name=name, shared=True)
                self._whole.add(name)

    def _activate(self, adapter: str) -> None:
        if self._peft is None or adapter == self._active:
            return
        self._active = None  # should one of the following fail half-way
        if adapter:
            self._peft.base_model.enable_adapter_layers()
            self._peft.base_model.set_adapter(adapter)
        else:
            self._peft.base_model.disable_adapter_layers()
        self._active = adapter
