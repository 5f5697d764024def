"""What a Hugging Face tokenizer does with a text, read from its own description.

Supported is byte-pair encoding, over bytes (GPT-2, Llama 3, Qwen) or over characters with byte
fallback (converted SentencePiece). With others probabilities would be wrong: they are refused.
"""

from __future__ import annotations

import json
import zlib

import numpy as np
from jaxtyping import Int32

from tokenlab.bytelevel.tokenizer.pretokenizer_json import flat_parts
from tokenlab.bytelevel.tokenizer.tokenization import Kind, Tokenization
from tokenlab.bytelevel.tokenizer.vocabulary import (
    SPACE,
    ByteVocabulary,
    byte_level_string,
    fallback_byte,
    sentencepiece_string,
)
from tokenlab.errors import ArgumentError, DtypeError


def read_tokenizer(tokenizer, vocab_size: int | None = None) -> Tokenization:
    """Read a fast tokenizer of transformers, or a tokenizer of the ``tokenizers`` library.

    ``vocab_size``: columns of the model's logits. DtypeError if this is no tokenizer, or a slow one;
    ArgumentError if its kind is not supported, or it has more tokens than the model.

    Examples
    --------
    >>> from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    >>> vocab = {char: token for token, char in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    >>> tokenizer = Tokenizer(models.BPE(vocab=vocab | {"th": 256}, merges=[("t", "h")]))
    >>> tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    >>> tokenizer.decoder = decoders.ByteLevel()
    >>> tokenization = read_tokenizer(tokenizer)
    >>> tokenization.kind, len(tokenization.vocabulary), tokenization.encode(b"th")
    ('byte_level', 257, [256])
    """
    description = _backend(tokenizer).to_str()
    state = json.loads(description)
    model = state["model"]
    _check_model(model)
    kind: Kind = _kind(state)
    normal_form, dummy, dummy_ends = _normalizer(state, kind)
    pieces_too = [
        token["id"] for token in state["added_tokens"] if kind == "sentencepiece" and _is_piece(token, state)
    ]
    added = {token["id"] for token in state["added_tokens"]} - set(pieces_too)
    pieces = {piece: token for piece, token in model["vocab"].items() if token not in added}
    size = 1 + max([*model["vocab"].values(), *(token["id"] for token in state["added_tokens"])])
    if vocab_size is not None and size > vocab_size:
        raise ArgumentError(
            f"tokenizer has ids up to {size - 1}, the model has rows for {vocab_size}: it is not the model's"
        )
    others = [token for token in state["added_tokens"] if token["id"] in added]
    literals = {} if dummy else _literals(others, kind)
    strings: list[bytes | None] = [literals.get(token) for token in range(size)]
    for piece, token in pieces.items():
        strings[token] = _string(piece, kind)
    single = {piece: token for piece, token in pieces.items() if _is_character(piece)}
    fallback = [
        token
        for piece, token in pieces.items()
        if kind == "sentencepiece" and fallback_byte(piece) is not None
    ]
    return Tokenization(
        kind=kind,
        vocabulary=ByteVocabulary(strings, vocab_size),
        literals=literals,
        added_ids={token["content"]: token["id"] for token in state["added_tokens"]},
        characters=frozenset(filter(_is_character, model["vocab"]))
        if kind == "sentencepiece"
        else frozenset(),
        fallback=np.array(fallback, np.int64),
        merges=_merges(model),
        base=np.array([*single.values(), *fallback], np.int64),
        splits=_splits(state["pre_tokenizer"], kind),
        normal_form=normal_form,
        dummy=dummy,
        dummy_ends=dummy_ends,
        ignore_merges=bool(model.get("ignore_merges")),
        start_ids=_start_ids(tokenizer),
        packed=zlib.compress(description.encode(), level=1),
    )


def _backend(tokenizer):
    from tokenizers import Tokenizer

    backend = getattr(tokenizer, "backend_tokenizer", tokenizer)
    if not isinstance(backend, Tokenizer):
        raise DtypeError(
            f"tokenizer is a {type(tokenizer).__name__}, expected a fast tokenizer (one with "
            "`backend_tokenizer`): a slow one does not say how it divides a text; "
            "AutoTokenizer.from_pretrained(..., use_fast=True) may convert it"
        )
    return backend


def _check_model(model: dict) -> None:
    """Refuse what is not a plain byte-pair encoding."""
    if model["type"] != "BPE":
        reasons = {
            "WordPiece": "its tokens depend on where a word begins and its unknown token stands for any word",
            "WordLevel": "its unknown token stands for any word",
            "Unigram": "it takes the likeliest of all segmentations, which no pair of neighbours decides",
        }
        reason = reasons.get(model["type"], "no validity test is known here")
        raise ArgumentError(
            f"tokenizer is a {model['type']} model, expected a byte-pair encoding (BPE): {reason}"
        )
    if model.get("dropout"):
        raise ArgumentError(
            f"tokenizer drops merges at random (dropout {model['dropout']}), expected a deterministic "
            "one: with it no encoding is invalid"
        )
    for name in ("continuing_subword_prefix", "end_of_word_suffix"):
        if model.get(name):
            raise ArgumentError(
                f"tokenizer marks words with {name} {model[name]!r}, expected tokens that are simply joined"
            )


def _is_character(piece: str) -> bool:
    return len(piece) == 1


def _is_piece(token: dict, state: dict) -> bool:
    """Whether an added token is never found in a text, but made by merges.

    Gemma's runs of U+2581 are: they are looked for before spaces are written so.
    """
    replaces = any(part["type"] == "Replace" for part in flat_parts(state["normalizer"], "normalizers"))
    return SPACE in token["content"] and not token["special"] and not (token["normalized"] and replaces)


def _literals(added: list[dict], kind: Kind) -> dict[int, bytes]:
    """Added tokens that a text may hold, if there is no dummy space.

    With a dummy each stretch between them would get one. Special ones are left out, and those that
    swallow spaces around them: decoding does not give the text back.
    """
    found = [
        token
        for token in added
        if token["content"]
        and not any(token[option] for option in ("special", "lstrip", "rstrip", "single_word"))
    ]
    for first in found:
        for second in found:
            if first["normalized"] != second["normalized"] and _overlap(first["content"], second["content"]):
                raise ArgumentError(
                    f"tokenizer has the added tokens {first['content']!r} and {second['content']!r}, of "
                    "which one is looked for before normalization and one after it, and which may "
                    "overlap in a text: this is not supported"
                )
    space = SPACE if kind == "sentencepiece" else " "
    return {token["id"]: token["content"].replace(space, " ").encode() for token in found}


def _overlap(first: str, second: str) -> bool:
    shorter = min(len(first), len(second))
    return (
        first in second
        or second in first
        or any(first[-size:] == second[:size] or second[-size:] == first[:size] for size in range(1, shorter))
    )


def _merges(model: dict) -> Int32[np.ndarray, "merges 3"]:
    """Merges as ids; older files write a pair as one string."""
    vocab = model["vocab"]
    pairs = [merge.split(" ") if isinstance(merge, str) else merge for merge in model["merges"]]
    # One pair after the other, and no object for each of them: there may be half a million.
    left, right = [first for first, _ in pairs], [second for _, second in pairs]
    columns = left, right, map(str.__add__, left, right)
    ids = [np.fromiter(map(vocab.__getitem__, column), np.int32, len(pairs)) for column in columns]
    return np.stack(ids, axis=1)


def _kind(state: dict) -> Kind:
    if any(part["type"] == "ByteLevel" for part in flat_parts(state["pre_tokenizer"], "pretokenizers")):
        return "byte_level"
    metaspace = any(
        part["type"] == "Metaspace" for part in flat_parts(state["pre_tokenizer"], "pretokenizers")
    )
    replaces = any(part["type"] == "Replace" for part in flat_parts(state["normalizer"], "normalizers"))
    if state["model"].get("byte_fallback") and (metaspace or replaces):
        return "sentencepiece"
    raise ArgumentError(
        "tokenizer is neither byte-level (a ByteLevel pre-tokenizer) nor of SentencePiece's kind with "
        "byte fallback (byte_fallback, and spaces written as U+2581), expected one of the two: "
        "otherwise there are texts that it cannot write"
    )


def _normalizer(state: dict, kind: Kind) -> tuple[str | None, bytes, bool]:
    """Normal form, dummy space in front, and whether the dummy alone is an encoding."""
    form, dummy, replaced = None, b"", False
    for part in flat_parts(state["normalizer"], "normalizers"):
        if part["type"] in ("NFC", "NFD", "NFKC", "NFKD") and form is None and not (dummy or replaced):
            form = part["type"]
        elif kind == "sentencepiece" and part["type"] == "Prepend" and part["prepend"] == SPACE:
            dummy = b" "
        elif kind == "sentencepiece" and part == {
            "type": "Replace",
            "pattern": {"String": " "},
            "content": SPACE,
        }:
            replaced = True
        else:
            raise ArgumentError(
                f"tokenizer has the normalizer {json.dumps(part, ensure_ascii=False)[:80]}, expected none, one "
                "Unicode normal form, or SentencePiece's replacement of spaces: others rewrite the text"
            )
    ends = False
    for part in flat_parts(state["pre_tokenizer"], "pretokenizers"):
        if part["type"] == "Metaspace":
            if part["replacement"] != SPACE:
                raise ArgumentError(
                    f"tokenizer writes a space as {part['replacement']!r}, expected {SPACE!r}"
                )
            if part.get("prepend_scheme", "always") != "never":
                # A text that begins with a space gets no other one, so that " " is written as the dummy.
                dummy, ends = b" ", not dummy
    return form, dummy, ends


def _splits(spec: dict | None, kind: Kind) -> dict | None:
    """The pre-tokenizer without splits at spaces, where U+2581 has replaced them."""
    if kind == "byte_level" or spec is None:
        return spec
    parts = [
        part
        for part in flat_parts(spec, "pretokenizers")
        if not (part["type"] == "Split" and part["pattern"] == {"String": " "})
    ]
    return {"type": "Sequence", "pretokenizers": parts} if parts else None


def _string(piece: str, kind: Kind) -> bytes | None:
    if kind == "sentencepiece":
        return sentencepiece_string(piece) or None
    try:
        return byte_level_string(piece) or None
    except ArgumentError:
        # It can be typed by no text, as a special token.
        return None


def _start_ids(tokenizer) -> tuple[int, ...]:
    """The special tokens before the first text that the tokenizer can write."""
    backend = _backend(tokenizer)
    for char in map(chr, range(0x20, 0x7F)):
        encoding = backend.encode(char)
        if 0 in encoding.special_tokens_mask:
            return tuple(encoding.ids[: encoding.special_tokens_mask.index(0)])
    return ()
