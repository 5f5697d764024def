"""A tiny Llama with byte-level BPE as a GGUF file, and such files in wheels as the package index has them."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import numpy as np
import pytest
from tokenizers.pre_tokenizers import ByteLevel

from tokenlab.lm.known_models import KnownModel, Wheel

HIDDEN, INNER, HEADS = 32, 64, 2
#: Two spaces are one token, as are two ends of line: whoever cuts them apart writes other ids.
MERGES = ("ĠĠ", "ĊĊ")
TOKENS = [*sorted(ByteLevel.alphabet()), *MERGES, "<|end|>"]


def write_gguf(path: Path, *, pre: str | None = "smollm") -> dict[str, np.ndarray]:
    """Write it with Q4_1 matrices; returns these, as ``gguf`` itself takes them out of their blocks."""
    gguf = pytest.importorskip("gguf", reason="gguf is not installed: not the .venv of make")
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_context_length(64)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(1)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(HIDDEN // HEADS)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(len(TOKENS))
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q4_1)
    writer.add_tokenizer_model("gpt2")
    if pre is not None:
        writer.add_tokenizer_pre(pre)
    writer.add_token_list(TOKENS)
    writer.add_token_types([gguf.TokenType.NORMAL] * (len(TOKENS) - 1) + [gguf.TokenType.CONTROL])
    writer.add_token_merges([" ".join(merge) for merge in MERGES])
    writer.add_bos_token_id(len(TOKENS) - 1)
    writer.add_eos_token_id(len(TOKENS) - 1)
    random = np.random.default_rng(0)
    kind = gguf.GGMLQuantizationType.Q4_1
    shapes = {"token_embd": (len(TOKENS), HIDDEN), "blk.0.ffn_down": (HIDDEN, INNER)}
    shapes |= {f"blk.0.attn_{part}": (HIDDEN, HIDDEN) for part in ("q", "k", "v", "output")}
    shapes |= {f"blk.0.ffn_{part}": (INNER, HIDDEN) for part in ("gate", "up")}
    matrices = {}
    for name, shape in shapes.items():
        blocks = gguf.quants.quantize(random.normal(size=shape).astype(np.float32), kind)
        matrices[name] = gguf.quants.dequantize(blocks, kind)
        writer.add_tensor(f"{name}.weight", blocks, raw_dtype=kind)
    for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
        writer.add_tensor(f"{name}.weight", np.ones(HIDDEN, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return matrices


def write_wheel(folder: Path, package: str, member: str, content: bytes) -> Wheel:
    """A wheel with one file of data, and what is known of it."""
    stem = f"{package.replace('-', '_')}-1.0"
    path = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, content)
        archive.writestr(f"{stem}.dist-info/WHEEL", "Wheel-Version: 1.0\n")
        metadata = f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\nRequires-Dist: not-there\n"
        archive.writestr(f"{stem}.dist-info/METADATA", metadata)
    return Wheel(package, "1.0", digest(path.read_bytes()), member)


def known_model(index: Path, file: Path, *, parts: int = 1, terms: str | None = None) -> KnownModel:
    """The file as a model of that index, ``tiny``; its parts in as many wheels."""
    index.mkdir(exist_ok=True)
    content = file.read_bytes()
    step = -(-len(content) // parts)
    wheels = tuple(
        write_wheel(
            index, f"tiny-part{i}", f"tiny_part{i}/tiny.gguf.{i}", content[i * step : i * step + step]
        )
        for i in range(parts)
    )
    page = write_wheel(index, "tiny-terms", "tiny_terms/terms.html", terms.encode()) if terms else None
    return KnownModel(
        name="tiny",
        hub_id="someone/tiny",
        licence="terms of the test",
        file="tiny.gguf",
        sha256=digest(content),
        quantisation="Q4_1",
        wheels=wheels,
        room=len(content),
        terms=page,
    )


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
