"""Training the two lab tokenizers, both byte-pair encodings.

``byte_level`` is over bytes (GPT-2's alphabet): every string has an encoding. ``sentencepiece`` is over
characters, with byte fallback and a dummy space in front: another tokenizer, for ensembles.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from tokenlab.errors import check_choice, check_int

VOCAB_SIZE = 4096
FIM_TOKENS = ("<fim_prefix>", "<fim_suffix>", "<fim_middle>")
SPECIAL_TOKENS = ("<bos>", "<eos>", "<pad>", *FIM_TOKENS)

Style = Literal["byte_level", "sentencepiece"]


def train_tokenizer(texts: Iterable[str], style: Style, vocab_size: int = VOCAB_SIZE):
    """Train a ``PreTrainedTokenizerFast`` that puts ``<bos>`` in front of every text.

    ``vocab_size``, 300 or more, includes special tokens and the 256 bytes.
    """
    from tokenizers import Tokenizer, models, processors, trainers
    from transformers import PreTrainedTokenizerFast

    check_choice("style", style, ("byte_level", "sentencepiece"))
    check_int("vocab_size", vocab_size, low=300)
    if style == "byte_level":
        tokenizer = Tokenizer(models.BPE())
        alphabet = _byte_level(tokenizer)
        special = list(SPECIAL_TOKENS)
    else:
        tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
        _sentencepiece(tokenizer)
        alphabet = []
        special = ["<unk>", *SPECIAL_TOKENS, *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=special,
        initial_alphabet=alphabet,
        limit_alphabet=400,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    bos_id = tokenizer.token_to_id("<bos>")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A", pair="<bos> $A $B", special_tokens=[("<bos>", bos_id)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=_without_special_bytes(tokenizer),
        bos_token="<bos>",
        eos_token="<eos>",
        pad_token="<pad>",
        unk_token="<unk>" if style == "sentencepiece" else None,
        additional_special_tokens=list(FIM_TOKENS),
        clean_up_tokenization_spaces=False,
        padding_side="left",
        model_max_length=512,
    )


def _byte_level(tokenizer) -> list[str]:
    """Words, up to three digits, runs of punctuation and of spaces; all bytes."""
    from tokenizers import Regex, decoders, pre_tokenizers

    words = r" ?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(words), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return pre_tokenizers.ByteLevel.alphabet()


def _sentencepiece(tokenizer) -> None:
    """Dummy space in front, spaces written as U+2581, bytes for what has no character."""
    from tokenizers import Regex, decoders, normalizers, pre_tokenizers

    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    # A word keeps the spaces before it; a newline stands alone; as in SentencePiece, digits too.
    words = r"\n|▁*[^▁\n\d]+|\d|▁+"
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(words), behavior="isolated")
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )


def _without_special_bytes(tokenizer):
    """Make byte tokens ordinary: text may hold them, and decoding must keep them."""
    import json

    from tokenizers import Tokenizer

    state = json.loads(tokenizer.to_str())
    state["added_tokens"] = [
        token for token in state["added_tokens"] if not token["content"].startswith("<0x")
    ]
    return Tokenizer.from_str(json.dumps(state))
