"""Run a script with a model's weights in pieces (FSDP) on a CPU.

    accelerate launch --config_file deploy/accelerate/fsdp.yaml -m tests.tools.pieces manage.py train_sft ...

accelerate offers that for GPUs only, though PyTorch's part of it knows CPUs as well, so it is
told of GPUs and given none.
"""

import runpy
import sys

import torch
from accelerate import PartialState
from accelerate.utils import DistributedType


def _prepare_backend(*_: object) -> tuple[str, DistributedType]:
    return "gloo", DistributedType.MULTI_GPU


def _set_device(state: PartialState) -> None:
    state.device = torch.device("cpu")


def main() -> None:
    """Run the script that the command line names, with what follows as its own."""
    torch.distributed.init_process_group("gloo")
    PartialState._prepare_backend = _prepare_backend
    PartialState.set_device = _set_device
    sys.argv = sys.argv[1:]
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
