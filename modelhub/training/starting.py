"""What DPO rests on when it starts: nothing is random in its passes, and the policy is its reference."""

import math
from typing import TYPE_CHECKING, Any

from annotation.errors import ServiceError

if TYPE_CHECKING:
    from torch import nn
    from trl import DPOTrainer

LOG_2 = math.log(2)
# Losses that are log 2 for every pair while policy and reference are the same, whatever beta and label smoothing.
STARTS_AT_LOG_2 = frozenset({"sigmoid", "sigmoid_norm", "robust", "aot", "aot_unpaired"})
_TOLERANCE, _COARSE = 1e-4, 0.02  # of the loss, in float32, and where base or adapter is coarser
_REWARDS = ("rewards/chosen", "rewards/rejected")
_RANDOM = ("dropout", "pdrop", "drop_prob", "drop_rate", "layerdrop", "jitter")


def silence(model: "nn.Module") -> None:
    """Switch off what is random in a model's passes in training, however its architecture applies it.

    Modules of dropout, and numbers that a module or a configuration holds for functions: attention dropout, layers that
    are left out, noise in the routers of mixtures.
    """
    from torch.nn.modules.dropout import _DropoutNd

    for module in model.modules():
        if isinstance(module, _DropoutNd):
            module.p = 0.0
        _silence_numbers(module)
        if hasattr(module, "config"):
            _silence_numbers(module.config)


def _silence_numbers(holder: Any) -> None:
    for name, value in list(vars(holder).items()):
        if isinstance(value, float) and any(part in name for part in _RANDOM):
            setattr(holder, name, 0.0)


def check_first_loss(trainer: "DPOTrainer", loss: float) -> None:
    """Raise ServiceError unless a loss from before the first update is that of a policy equal to its reference.

    Those that start at log 2 have to be that; with any loss, policy and reference have to give all responses the same
    log-probabilities: the rewards are 0. What routers of a mixture add is taken off.
    """
    said = trainer._metrics["train"]
    tolerance = _COARSE if trainer.args.bf16 or trainer.args.fp16 or _is_quantized(trainer.model) else _TOLERANCE
    problems = [
        f"{name} is {said[name][-1]:.4g}, not 0" for name in _REWARDS if not abs(said[name][-1]) <= 2 * tolerance
    ]
    if starts_at_log_2(trainer.args):
        plain = loss - (trainer.router_aux_loss_coef * said["aux_loss"][-1] if trainer.aux_loss_enabled else 0.0)
        if not abs(plain - LOG_2) <= tolerance:
            problems.insert(0, f"the loss is {plain:.6g}, not log 2 = {LOG_2:.6g}")
    if problems:
        raise ServiceError(
            f"DPO does not start at its reference: {'; '.join(problems)} (tolerance {tolerance:g}). Policy and "
            "reference have the same weights here, so something in the model differs from one pass to the next, or "
            "between the two. Nothing was trained. Try precision=float32, or another attn_implementation."
        )


def starts_at_log_2(arguments: Any) -> bool:
    """Return whether the loss of these arguments is log 2 while policy and reference are the same."""
    plain = not (arguments.use_weighting or arguments.loss_weights)
    return plain and len(arguments.loss_type) == 1 and arguments.loss_type[0] in STARTS_AT_LOG_2


def router_aux_loss(base: str, passed: Any) -> float:
    """Return the weight of a mixture's router loss in the training's; 0 for a model that has none, as TRL decides."""
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(base).get_text_config()
    except (OSError, ValueError):
        return 0.0  # a base that cannot be read is told of where it is loaded
    if not hasattr(config, "output_router_logits"):
        return 0.0
    wanted = passed.get("router_aux_loss_coef")
    return float(getattr(config, "router_aux_loss_coef", 0.0) if wanted is None else wanted)


def _is_quantized(model: Any) -> bool:
    return bool(getattr(model, "is_loaded_in_4bit", False) or getattr(model, "is_loaded_in_8bit", False))
