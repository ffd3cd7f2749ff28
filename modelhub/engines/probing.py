"""What a model makes of a few short texts, so that two of them can be held against each other by numbers."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_TEXTS = (
    "Prompt: How do I fall asleep faster?\nResponse: Go to bed at the same time every day.",
    "Prompt: Explain how rice is cooked.\nPersona: The user is a nurse on night shifts.\nResponse: Wash it first, then",
    "1, 2, 3, 5, 8, 13. La lune est belle ce soir; wie schön!",
)


@dataclass(frozen=True)
class AdapterProbe:
    """By how much an adapter changes its base's logits on the texts, at most; or in words why that was not tried.

    `dtype` is the precision in which it was tried.
    """

    difference: float | None = None
    dtype: str = ""
    not_tried: str = ""

    def stored(self) -> dict[str, Any]:
        """Return what is kept with a system."""
        if self.difference is None:
            return {"not_tried": self.not_tried}
        return {"difference": self.difference, "dtype": self.dtype}

    def __str__(self) -> str:
        if self.difference is None:
            return f"Whether the adapter changes what its base answers was not tried: {self.not_tried}."
        return f"With the adapter, logits of probe texts differ from the base's by up to {self.difference:.2g}."


def probe_logits(model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase") -> "torch.Tensor":
    """Return the model's logits after every token of the texts: float32, on the CPU, of shape (tokens, vocabulary)."""
    import torch

    with torch.no_grad():
        rows = [tokenizer(text, return_tensors="pt").input_ids.to(model.device) for text in _TEXTS]
        return torch.cat([model(input_ids=ids).logits[0].float().cpu() for ids in rows])


def largest_difference(one: "torch.Tensor", other: "torch.Tensor") -> float:
    """Return the largest absolute difference of two tensors of logits; not a number if either holds such."""
    return float((one - other).abs().max())
