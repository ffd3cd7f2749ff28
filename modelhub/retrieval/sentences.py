"""Encode prompts with a sentence encoder: one unit vector for a whole text, compared by its cosine.

Source of the kind: Reimers and Gurevych, "Sentence-BERT" (EMNLP 2019), arXiv 1908.10084. Read are the folders that
sentence-transformers writes, with what it does in them that is done here too: an encoder, pooling by the mean or the
first token, and scaling to length 1.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from annotation.errors import ServiceError
from modelhub.engines.weights import Gaps, load_errors

if TYPE_CHECKING:
    import torch

    from modelhub.retrieval.checkpoint import CheckpointFiles
    from modelhub.retrieval.lengths import ReadLengths

MODULES = "modules.json"
LENGTH = "sentence_bert_config.json"
_MEAN, _FIRST = "pooling_mode_mean_tokens", "pooling_mode_cls_token"
_KNOWN = ("Transformer", "Pooling", "Normalize")
_BATCH = 64


class SentenceEncoder:
    """The model of a folder, loaded as a whole. Raises ServiceError if it does not load so.

    Of each text as many tokens are read as `lengths` say; the rest is left out.
    """

    def __init__(self, files: "CheckpointFiles", lengths: "ReadLengths") -> None:
        from transformers import AutoTokenizer

        self._lengths = lengths
        self._model = _whole_encoder(files)
        self._tokenizer = AutoTokenizer.from_pretrained(str(files.folder))
        self._pooling = pooling_of(files.folder)
        self.dim = int(self._model.config.hidden_size)

    def queries(self, texts: Sequence[str]) -> "torch.Tensor":
        """Return float32 embeddings of shape (texts, 1, dim), on the CPU: as many vectors a text as there are."""
        return self._vectors(texts, self._lengths.query)[:, None]

    def documents(self, texts: Sequence[str]) -> tuple["torch.Tensor", list[int]]:
        """Return float32 embeddings of shape (texts, dim), on the CPU, and how many vectors each text has: one."""
        return self._vectors(texts, self._lengths.document), [1] * len(texts)

    def _vectors(self, texts: Sequence[str], most: int) -> "torch.Tensor":
        import torch

        parts = []
        for start in range(0, len(texts), _BATCH):
            batch = self._tokenizer(
                list(texts[start : start + _BATCH]), padding=True, truncation=True, max_length=most, return_tensors="pt"
            )
            with torch.inference_mode():
                states = self._model(**batch).last_hidden_state
            parts.append(torch.nn.functional.normalize(self._pooled(states, batch["attention_mask"]), dim=-1))
        return torch.cat(parts)

    def _pooled(self, states: "torch.Tensor", mask: "torch.Tensor") -> "torch.Tensor":
        if self._pooling == _FIRST:
            return states[:, 0]
        weights = mask[:, :, None].to(states.dtype)
        return (states * weights).sum(1) / weights.sum(1)


def _whole_encoder(files: "CheckpointFiles") -> Any:
    """Return the encoder with every weight from its files; a pooler of its own is not asked."""
    import torch
    from transformers import AutoModel

    how: dict[str, Any] = {"output_loading_info": True, "ignore_mismatched_sizes": True, "dtype": torch.float32}
    try:
        model, told = AutoModel.from_pretrained(str(files.folder), **how)
    except load_errors() as error:
        raise ServiceError(f"The sentence encoder {files.name} does not load: {error}") from error
    gaps = Gaps(
        [one for one in told["missing_keys"] if not one.startswith("pooler.")],
        [one for one in told["unexpected_keys"] if not one.endswith("position_ids")],  # numbers, not learned
        [str(one[0]) for one in told["mismatched_keys"]],
    )
    if gaps:
        raise ServiceError(
            f"The sentence encoder {files.name} does not load whole: of its weights, {gaps}. What is missing would be "
            "made up. Give a complete folder."
        )
    return model.eval()


def is_sentence_encoder(folder: Path) -> bool:
    """Return whether sentence-transformers wrote the folder."""
    return (folder / MODULES).is_file()


def pooling_of(folder: Path) -> str:
    """Return the pooling mode that the folder asks for, empty if it is none, or several, or one that is not known."""
    asked = [name for name, on in _read(folder / "1_Pooling" / "config.json").items() if on is True]
    modes = [name for name in asked if name.startswith("pooling_mode_")]
    return modes[0] if modes in ([_MEAN], [_FIRST]) else ""


def length_of(folder: Path) -> int | None:
    """Return how many tokens of a text the folder says are read, None if it does not say."""
    return _read(folder / LENGTH).get("max_seq_length")


def sentence_problems(folder: Path) -> list[str]:
    """Return what keeps the folder from being encoded as it was meant to be."""
    modules = json.loads((folder / MODULES).read_text(encoding="utf-8"))
    kinds = [str(one.get("type", "")).rpartition(".")[2] for one in modules]
    problems = [f"its module {kind} is not known here" for kind in kinds if kind not in _KNOWN]
    if not pooling_of(folder):
        problems.append("its pooling is neither the mean of all tokens nor the first one (1_Pooling/config.json)")
    if _read(folder / "config_sentence_transformers.json").get("prompts"):
        problems.append(
            "it puts texts of its own before prompts (config_sentence_transformers.json), and here none are"
        )
    return problems


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
