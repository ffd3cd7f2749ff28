"""A tiny ColBERT checkpoint: a BERT of 2 layers with a WordPiece tokenizer, stored as colbert-ai stores one.

    .venv/bin/python -m tests.tools.tinycolbert FOLDER

Its weights are random but fixed, and set up so that a prompt finds itself, and then prompts that share words with it.
"""

import json
import os
import string
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django
import pytest

DIM = 32
DOCUMENT_TOKENS = 120
QUERY_TOKENS = 32
SENTENCE_TOKENS = 24
_SPECIAL = ("[PAD]", "[unused0]", "[unused1]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_VERBS = ("learn", "teach", "find", "make", "repair", "choose", "clean", "plan", "grow", "write", "stop", "begin")
_THINGS = (
    "bread", "a garden", "the piano", "my bicycle", "a short story", "tomatoes", "old maps", "a birthday party",
    "the kitchen", "a budget", "some sleep", "new friends", "an umbrella", "the attic", "chess", "a good knife",
)  # fmt: skip
_COMMON = (
    "the be to of and a in that have i it for not on with he as you do at this but his by from they we say her she or "
    "an will my one all would there their what so up out if about who get which go me when make can like time no just "
    "him know take people into year your good some could them see other than then now look only come its over think "
    "also back after use two how our work first well way even new want because any these give day most us is are was "
    "were been has had did does am should must may might very much many more where why person someone money home name "
    "tell best help need feel bad find please write show ing ed er ly s es"
)
_WAYS = ("quickly", "without money", "with two children", "in winter", "at night", "on a boat", "alone", "for my aunt")


@pytest.fixture(scope="session")
def tiny_colbert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny ColBERT checkpoint."""
    folder = tmp_path_factory.mktemp("colbert") / "checkpoint"
    make_colbert(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_sentence_encoder(tiny_colbert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny sentence encoder: the encoder of the checkpoint, as sentence-transformers stores one."""
    folder = tmp_path_factory.mktemp("sentences") / "encoder"
    make_sentence_encoder(folder, tiny_colbert)
    return folder


@pytest.fixture(scope="session")
def compiled_extensions() -> Iterator[Path]:
    """A folder for compiled extensions that outlives test runs and checkouts: compiling takes two minutes."""
    from modelhub.retrieval.extensions import VARIABLE, versioned

    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = versioned(cache / "personaeval" / "torch_extensions")
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = str(folder)
    yield folder
    del os.environ[VARIABLE]
    if before is not None:
        os.environ[VARIABLE] = before


def prompts(count: int) -> list[str]:
    """Return as many different prompts; up to 1,536 are of different words, further ones are numbered."""
    found: list[str] = []
    while len(found) < count:
        number = len(found)
        verb, thing = _VERBS[number % len(_VERBS)], _THINGS[number // len(_VERBS) % len(_THINGS)]
        way = _WAYS[number // (len(_VERBS) * len(_THINGS)) % len(_WAYS)]
        repeat = number // (len(_VERBS) * len(_THINGS) * len(_WAYS))
        found.append(f"How do I {verb} {thing} {way}{f' in {repeat} days' if repeat else ''}?")
    return found


def make_colbert(folder: Path, dim: int = DIM) -> None:
    """Make the checkpoint (hidden 64, 2 layers, 2 heads, embeddings of `dim` numbers) as colbert-ai saves one."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    from modelhub.retrieval.checkpoint import METADATA

    folder.mkdir(parents=True)
    size = _save_tokenizer(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=size, hidden_size=64, num_hidden_layers=2, num_attention_heads=2, intermediate_size=128,
        max_position_embeddings=512, pad_token_id=0,
    )  # fmt: skip
    config.architectures = ["HF_ColBERT"]
    model = BertModel(config)
    _spread_words(model.embeddings.word_embeddings.weight, BertTokenizerFast.from_pretrained(folder))
    weights = {f"bert.{name}": tensor.contiguous() for name, tensor in model.state_dict().items()}
    weights["linear.weight"] = torch.nn.Linear(64, dim, bias=False).weight.detach()
    _save(folder, config, weights)
    _save_settings(folder / METADATA, dim)


def make_sentence_encoder(folder: Path, colbert: Path) -> None:
    """Make a sentence encoder of the encoder in a ColBERT checkpoint: the mean of SENTENCE_TOKENS tokens at most."""
    from safetensors.torch import load_file, save_file
    from transformers import BertTokenizerFast

    (folder / "1_Pooling").mkdir(parents=True)
    weights = load_file(colbert / "model.safetensors")
    own = {name.removeprefix("bert."): tensor for name, tensor in weights.items() if name.startswith("bert.")}
    save_file(own, folder / "model.safetensors", metadata={"format": "pt"})
    BertTokenizerFast.from_pretrained(colbert).save_pretrained(folder)
    config = json.loads((colbert / "config.json").read_text(encoding="utf-8")) | {"architectures": ["BertModel"]}
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
    modules = [{"path": path, "type": f"sentence_transformers.models.{kind}"} for path, kind in kinds.items()]
    pooling = {"word_embedding_dimension": 64, "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}
    for name, content in (
        ("config.json", config), ("modules.json", modules), ("1_Pooling/config.json", pooling),
        ("sentence_bert_config.json", {"max_seq_length": SENTENCE_TOKENS}),
    ):  # fmt: skip
        (folder / name).write_text(json.dumps(content), encoding="utf-8")


def _spread_words(embeddings: Any, tokenizer: Any) -> None:
    """Set words apart, and make one of all that says nothing: masks, markers, punctuation match any document's start.

    Training does the like; untrained, what fills queries up would decide what they find.
    """
    import torch

    # The usual spread of 0.02 leaves tokens of different words nearly alike.
    torch.nn.init.normal_(embeddings, std=1.0)
    empty = tokenizer.convert_tokens_to_ids(["[unused0]", "[unused1]", "[MASK]", "[SEP]", *string.punctuation])
    with torch.no_grad():
        embeddings[empty] = embeddings[tokenizer.cls_token_id].clone()


def _save(folder: Path, config: Any, weights: dict[str, Any]) -> None:
    from safetensors.torch import save_file

    config.save_pretrained(folder)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def _save_settings(path: Path, dim: int) -> None:
    from colbert.infra import ColBERTConfig

    settings = ColBERTConfig(
        dim=dim, doc_maxlen=DOCUMENT_TOKENS, query_maxlen=QUERY_TOKENS, mask_punctuation=True, nbits=2
    )
    # Its own `save` asks git for the branch, and ends with an error where no branch is checked out.
    path.write_text(json.dumps(settings.export(), indent=4), encoding="utf-8")


def _save_tokenizer(folder: Path) -> int:
    """Save a WordPiece tokenizer with every word of the prompts, common words and all letters; return its size.

    Its vocabulary is written down instead of trained: among equally frequent pieces training decides by chance.
    """
    from transformers import BertTokenizerFast

    words = {word for prompt in prompts(1536) for word in prompt.lower().rstrip("?").split()} | set(_COMMON.split())
    letters = string.ascii_lowercase + string.digits
    pieces = [*string.punctuation, *letters, *(f"##{letter}" for letter in letters)]
    vocabulary = [*_SPECIAL, *pieces, *sorted(words - set(pieces))]
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    tokenizer = BertTokenizerFast(vocab=str(folder / "vocab.txt"), model_max_length=512)
    tokenizer.save_pretrained(folder)
    return len(tokenizer)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "personaeval.settings")
    django.setup()
    make_colbert(Path(sys.argv[1]))
