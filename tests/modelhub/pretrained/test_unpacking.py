"""A language model in a GGUF file comes back as the same model in safetensors."""

from pathlib import Path
from typing import Any

import pytest

from annotation.errors import ServiceError
from modelhub.engines.base import EngineSettings
from modelhub.engines.decoding import Decoding
from modelhub.engines.modelfiles import check_files
from modelhub.pretrained.unpacking import write_gguf

gguf = pytest.importorskip("gguf", reason="installed by make real-model alone")
TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
HIDDEN, HEADS, LAYERS, INNER = 32, 2, 1, 64


def tokens() -> list[str]:
    """The bytes as byte-level BPE writes them, and the tokens that begin and end a turn."""
    from tokenizers.pre_tokenizers import ByteLevel

    return ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *sorted(ByteLevel.alphabet()), "te", "tea"]


def write_tokens(writer: Any) -> None:
    """Write the tokenizer of a file."""
    words = tokens()
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(words)
    writer.add_token_types([3] * 3 + [1] * (len(words) - 3))
    writer.add_token_merges(["t e", "te a"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(2)
    writer.add_chat_template(TEMPLATE)


def write_file(path: Path, *, without: str = "") -> None:
    """Write a Llama of one layer, its matrices quantized as those of the real file are, but for one weight."""
    import numpy as np

    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_context_length(128)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(len(tokens()))
    write_tokens(writer)
    square, wide = (HIDDEN, HIDDEN), (INNER, HIDDEN)
    matrices = {
        "token_embd": (len(tokens()), HIDDEN), "blk.0.attn_q": square, "blk.0.attn_k": square, "blk.0.attn_v": square,
        "blk.0.attn_output": square, "blk.0.ffn_gate": wide, "blk.0.ffn_up": wide, "blk.0.ffn_down": (HIDDEN, INNER),
    }  # fmt: skip
    random = np.random.default_rng(0)
    for name, shape in matrices.items():
        if name != without:
            weights = random.normal(size=shape).astype(np.float32)
            packed = gguf.quants.quantize(weights, gguf.GGMLQuantizationType.Q4_1)
            writer.add_tensor(f"{name}.weight", packed, raw_dtype=gguf.GGMLQuantizationType.Q4_1)
    for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
        writer.add_tensor(f"{name}.weight", np.ones(HIDDEN, dtype=np.float32))
    for write in (writer.write_header_to_file, writer.write_kv_data_to_file, writer.write_tensors_to_file):
        write()
    writer.close()


def test_the_written_model_has_the_weights_of_the_file_and_its_tokenizer_with_the_chat_template(tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source, folder = tmp_path / "source", tmp_path / "made"
    source.mkdir()
    folder.mkdir()
    write_file(source / "tiny.gguf")
    write_gguf(source / "tiny.gguf", folder)
    check_files(EngineSettings(model=str(folder)), Decoding(chat=True))
    model = AutoModelForCausalLM.from_pretrained(folder)
    assert model.dtype == torch.float32 and not hasattr(model.config, "quantization_config")
    packed = next(one for one in gguf.GGUFReader(source / "tiny.gguf").tensors if one.name == "token_embd.weight")
    wanted = torch.from_numpy(gguf.quants.dequantize(packed.data, packed.tensor_type))
    assert torch.equal(model.get_input_embeddings().weight, wanted)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer.eos_token == "<|im_end|>" and tokenizer.decode(tokenizer("tea")["input_ids"]) == "tea"
    assert tokenizer.apply_chat_template([{"role": "user", "content": "tea"}], tokenize=False) == "tea"


def test_a_file_that_lacks_a_weight_is_refused(tmp_path: Path) -> None:
    (source := tmp_path / "source").mkdir()
    (folder := tmp_path / "made").mkdir()
    write_file(source / "tiny.gguf", without="blk.0.attn_q")
    with pytest.raises(ServiceError, match=r"q_proj"):
        write_gguf(source / "tiny.gguf", folder)


def test_a_file_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    (source := tmp_path / "source").mkdir()
    (folder := tmp_path / "made").mkdir()
    write_file(source / "tiny.gguf")
    whole = (source / "tiny.gguf").read_bytes()
    (source / "tiny.gguf").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ServiceError, match=r"tiny\.gguf cannot be written as a model"):
        write_gguf(source / "tiny.gguf", folder)
