"""GGUF files: which one a path means, and what transformers makes of one, put right.

A GGUF file is data: tensors, a configuration and a tokenizer; nothing in it is executed. Its weights are taken
out of their blocks into ordinary matrices, so the model is like any other, with the numbers of the quantised one.
"""

from __future__ import annotations

from pathlib import Path

from tokenlab.errors import CheckpointError

#: Kinds of byte-level BPE (``tokenizer.ggml.pre``) that cut as GPT-2 does, and those that cut each digit off first.
AS_GPT2 = ("gpt-2", "phi-2", "mpt", "olmo")
DIGITS_APART = ("smollm", "starcoder", "refact", "command-r", "codeshell", "exaone")


def find_gguf(path: Path) -> Path | None:
    """The GGUF file that the path is, or the only one of a folder that has no safetensors.

    CheckpointError: if there are several.
    """
    if path.suffix == ".gguf" and path.is_file():
        return path
    if not path.is_dir() or any(path.glob("*.safetensors")):
        return None
    found = sorted(path.glob("*.gguf"))
    if len(found) > 1:
        names = ", ".join(file.name for file in found)
        raise CheckpointError(f"{path} has {len(found)} GGUF files: name one of them, {path}/... ({names})")
    return found[0] if found else None


def quantisation(file: Path) -> str:
    """How most matrices of the file are stored, such as ``"Q4_1"``."""
    from gguf import LlamaFileType

    kind = _fields(file).get("general.file_type")
    return "unknown" if kind is None else LlamaFileType(int(kind)).name.removeprefix("MOSTLY_")


def reading_options() -> dict:
    """Arguments of ``from_pretrained`` by which all weights are ordinary matrices, and the model may be saved."""
    try:
        from transformers import GgufConfig
    except ImportError:  # Older versions do nothing else.
        return {}
    return {"quantization_config": GgufConfig(dequantize=True)}


def mend_splits(tokenizer, file: Path) -> None:
    """Cut texts as the tokenizer in the file says; transformers falls back to GPT-2's cuts without a word.

    CheckpointError: if it is not known what the file says.
    """
    from tokenizers import pre_tokenizers

    fields = _fields(file)
    if fields.get("tokenizer.ggml.model") != "gpt2":
        return
    kind = fields.get("tokenizer.ggml.pre")
    if kind in DIGITS_APART:
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Digits(individual_digits=True),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
            ]
        )
    elif kind not in AS_GPT2 and kind not in _read_by_transformers():
        raise CheckpointError(
            f"{file} has tokenizer.ggml.pre {kind!r}, and how that cuts texts into words is not known here: "
            "load a folder with the model's tokenizer.json and safetensors"
        )


def _read_by_transformers() -> frozenset[str]:
    try:
        from transformers.integrations.gguf.gguf_tokenizer_mapping import GGUF_PRE_TOKENIZER_SPLITS
    except ImportError:
        return frozenset()
    return frozenset(GGUF_PRE_TOKENIZER_SPLITS)


def _fields(file: Path) -> dict:
    """The file's single entries; its lists, of tokens and merges, are long."""
    from gguf import GGUFReader, GGUFValueType

    fields = GGUFReader(file).fields
    return {
        name: field.contents()
        for name, field in fields.items()
        if field.types and field.types[0] != GGUFValueType.ARRAY
    }
