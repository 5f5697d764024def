"""Small real tokenizers of every supported kind, trained on a few lines."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

from tests.bytelevel.pretokenizers import BYTES_ONLY, SPECS, library, sequence
from tests.support.tiny_models import tiny_model

SPACE = "▁"
SPECIAL = ("<bos>", "<eos>", "<pad>")

#: Words, numbers, runs of spaces, contractions, scripts of one to four bytes, marks that combine.
TEXT = """\
The cat's hat: it's the rat that sat on the mat, and they'll say they've seen a star.
In 2024 it cost 1234567 euros; in 1999 only 12.50 and 100 more, 3 of 10, or 12 of 123.
    def start(self, x):
        return self.x[12] + "it's"  # 4 spaces

\tif a == b:\r\n\t\tthat's  all...  ''' !!! ---


cafe, café, cafés; naïve, naïveté; 5 € and 10 €, déjà vu, über, à la carte.
가나다 가나 나다 간 각 한글 한국; 한글날 漢字 漢字と 東京 日本 日本語.
😀😀 😃 smile 😀, 👍 👍🏽 ok; x\u0338 = x\u0338, s\u0323 s\u0323.
HTTPServer getURL CamelCase camelCase IOError; I'M SURE THAT IT'S THEIRS, WE'D SAY.
١٢٣ ½ Ⅷ ١٢ the the the that that its cats hats stars starts
"""


def with_bytes(name: str) -> dict[str, Any]:
    """A pre-tokenizer of :data:`SPECS`, and then bytes."""
    spec = SPECS[name]
    return spec if "ByteLevel" in json.dumps(spec) else sequence(*([spec] if spec else []), BYTES_ONLY)


def byte_level(
    spec: dict[str, Any],
    *,
    size: int = 440,
    normalizer=None,
    ignore_merges: bool = False,
    pieces: tuple[str, ...] = (),
    forget: tuple[str, ...] = (),
    special: tuple[str, ...] = SPECIAL,
) -> Tokenizer:
    """Byte-pair encoding over bytes.

    ``pieces`` are further tokens that no merges make; the merges that make the tokens ``forget``
    are forgotten, as in vocabularies whose merges were guessed from their ranks.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = library(spec)
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(special),
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator([TEXT], trainer)
    alphabet = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)

    def change(state):
        model, model["ignore_merges"] = state["model"], ignore_merges
        written = {
            "".join(part for part, _ in alphabet.pre_tokenize_str(piece)) for piece in (*pieces, *forget)
        }
        for piece in sorted(written):
            model["vocab"].setdefault(piece, len(model["vocab"]))
        model["merges"] = [merge for merge in model["merges"] if "".join(merge) not in written]

    return starting_with("<bos>", changed(tokenizer, change)) if special else changed(tokenizer, change)


def sentencepiece(
    spec: dict[str, Any] | None = None, *, normalizer=None, size: int = 420, dummy: bool | None = None
) -> Tokenizer:
    """Byte-pair encoding over characters, the rare ones as bytes.

    ``dummy`` says whether the decoder takes a space away in front.
    """
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    if spec is not None:
        tokenizer.pre_tokenizer = library(spec)
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace(SPACE, " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            *([decoders.Strip(" ", 1, 0)] if dummy else []),
        ]
    )
    fallback = [f"<0x{byte:02X}>" for byte in range(256)]
    # The trainer would choose by chance among characters that are equally frequent.
    frequent = sorted(Counter(TEXT.replace(" ", SPACE)).items(), key=lambda entry: (-entry[1], entry[0]))[:50]
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=["<unk>", *SPECIAL, *fallback],
        show_progress=False,
        initial_alphabet=[char for char, _ in frequent],
        limit_alphabet=len(frequent),
    )
    # Without a pre-tokenizer a whole text is one piece; its lines make better tokens.
    tokenizer.train_from_iterator(TEXT.splitlines(keepends=True), trainer)

    def change(state):
        state["added_tokens"] = [token for token in state["added_tokens"] if token["content"] not in fallback]

    return starting_with("<bos>", changed(tokenizer, change))


def changed(tokenizer: Tokenizer, change: Callable[[dict], object]) -> Tokenizer:
    """The tokenizer with a change in its description."""
    state = json.loads(tokenizer.to_str())
    change(state)
    return Tokenizer.from_str(json.dumps(state))


def starting_with(token: str, tokenizer: Tokenizer) -> Tokenizer:
    """The tokenizer that puts a special token before every text."""
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{token} $A", special_tokens=[(token, tokenizer.token_to_id(token))]
    )
    return tokenizer


def with_added(tokenizer: Tokenizer, contents: tuple[str, ...], **options: bool) -> Tokenizer:
    """A copy of the tokenizer with further added tokens."""
    tokenizer = Tokenizer.from_str(tokenizer.to_str())
    tokenizer.add_tokens([AddedToken(content, **options) for content in contents])
    return tokenizer


def renumbered(tokenizer: Tokenizer, order: list[int]) -> Tokenizer:
    """The tokenizer whose token ``t`` has the id ``order[t]``."""

    def change(state):
        state["post_processor"] = None
        vocab = state["model"]["vocab"]
        state["model"]["vocab"] = {piece: order[token] for piece, token in vocab.items()}
        for token in state["added_tokens"]:
            token["id"] = order[token["id"]]

    return starting_with("<bos>", changed(tokenizer, change))


def _replace():
    return normalizers.Replace(" ", SPACE)


def _prepend():
    return normalizers.Sequence([normalizers.Prepend(SPACE), _replace()])


def _metaspace(scheme: str, split: bool = True) -> dict[str, Any]:
    return {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": scheme, "split": split}


BUILDERS: dict[str, Callable[[], Tokenizer]] = {
    "gpt2": lambda: byte_level(SPECS["gpt2"]),
    "roberta": lambda: byte_level({**SPECS["gpt2"], "add_prefix_space": True}),
    "llama3": lambda: byte_level(
        SPECS["llama3"],
        ignore_merges=True,
        pieces=(" star", "1234", "éé", "\n\n\n", "😃", "it'"),
        forget=("123", "'s", " cat", "가", "\n\n", "12"),
    ),
    "qwen2": lambda: byte_level(SPECS["qwen2"], normalizer=normalizers.NFC()),
    "o200k": lambda: byte_level(with_bytes("o200k")),
    "deepseek": lambda: byte_level(SPECS["deepseek"]),
    "digits": lambda: byte_level(SPECS["starcoder"]),
    "lab": lambda: byte_level(SPECS["lab_bytes"]),
    "one piece": lambda: byte_level(BYTES_ONLY),
    "lab sentencepiece": lambda: sentencepiece(SPECS["lab_spm"], normalizer=_prepend(), dummy=True),
    "llama2": lambda: sentencepiece(normalizer=_prepend(), dummy=True),
    "metaspace first": lambda: sentencepiece(_metaspace("first"), dummy=True),
    "metaspace always": lambda: sentencepiece(_metaspace("always", split=False), dummy=True),
    "metaspace never": lambda: sentencepiece(_metaspace("never")),
    "gemma": lambda: sentencepiece(SPECS["space_before"], normalizer=_replace()),
    "nfkc": lambda: sentencepiece(_metaspace("first"), normalizer=normalizers.NFKC(), dummy=True),
}

NAMES = tuple(BUILDERS)


@cache
def built(name: str) -> Tokenizer:
    """A tokenizer of :data:`BUILDERS`; not to be changed."""
    return BUILDERS[name]()


@cache
def described(name: str):
    """What is read of it."""
    from tokenlab.bytelevel.tokenizer.reading import read_tokenizer

    return read_tokenizer(built(name))


@cache
def validity(name: str):
    """Its viable sequences."""
    return lm_of(name).validity


@cache
def lm_of(name: str):
    """A tiny random model for it over bytes, with valid covers; not to be changed."""
    from tokenlab.bytelevel import ByteLM

    return ByteLM(model_of(name), built(name))


@cache
def model_of(name: str, seed: int = 0):
    """A tiny random model with wide weights for a tokenizer of :data:`BUILDERS`; not to be changed."""
    return tiny_for(built(name), seed)


def tiny_for(tokenizer: Tokenizer, seed: int = 0, positions: int = 64):
    """A tiny random model for a tokenizer, in float64."""
    special = {f"{name}_token_id": tokenizer.token_to_id(f"<{name}>") for name in ("bos", "eos", "pad")}
    size = {"positions": positions, "hidden": 16, "heads": 2, "kv_heads": 1}
    return tiny_model(vocab=tokenizer.get_vocab_size(), seed=seed, **size, **special)


def texts(draw, number: int, longest: int = 12) -> Iterator[str]:
    """Random texts: parts of :data:`TEXT` and single characters in any order."""
    chars = sorted(set(TEXT)) + list("  \n'1aé😀\u0301각\u0345")
    for _ in range(number):
        parts = []
        while sum(map(len, parts)) < longest:
            start = draw.randrange(len(TEXT))
            part = TEXT[start : start + draw.randrange(1, 7)]
            parts.append(draw.choice([part, draw.choice(chars), draw.choice(" \n'1a")]))
        yield "".join(parts)[:longest]
