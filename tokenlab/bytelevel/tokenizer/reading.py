"""What a Hugging Face tokenizer does with a text, read from its own description.

Supported is byte-pair encoding, over bytes (GPT-2, Llama 3, Qwen) or over characters with byte
fallback (converted SentencePiece). With others probabilities would be wrong: they are refused.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable

import numpy as np
from jaxtyping import Int32

from tokenlab.bytelevel.tokenizer.pretokenizer_json import adds_space, flat_parts
from tokenlab.bytelevel.tokenizer.roles import read_roles
from tokenlab.bytelevel.tokenizer.tokenization import Kind, Tokenization
from tokenlab.bytelevel.tokenizer.vocabulary import SPACE, ByteVocabulary, fallback_byte
from tokenlab.errors import ArgumentError, DtypeError


def read_tokenizer(tokenizer, vocab_size: int | None = None, end_ids: Iterable[int] = ()) -> Tokenization:
    """Read a fast tokenizer of transformers, or a tokenizer of the ``tokenizers`` library.

    ``vocab_size``: columns of the model's logits; added tokens beyond them have probability 0. ``end_ids``:
    what ends a text, and so is none. How the tokenizer pads or truncates does not matter. DtypeError if this
    is no tokenizer, or a slow one; ArgumentError if its kind is not supported, a token that its merges write
    lies beyond the logits, an id has two meanings, or an added token that is not special has a dummy space
    after it, ``single_word``, ``lstrip`` or ``rstrip``.

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
    size = 1 + max([*model["vocab"].values(), *(token["id"] for token in state["added_tokens"])])
    _check_fallback(model, kind)
    roles = read_roles(_backend(tokenizer), state, kind, dummy=dummy, end_ids=frozenset(end_ids))
    pieces, merges = roles.pieces, _merges(model)
    vocab_size = size if vocab_size is None else vocab_size
    _check_rows(pieces, merges, vocab_size)
    strings: list[bytes | None] = [roles.literals.get(token) for token in range(min(size, vocab_size))]
    for token, string in roles.strings.items():
        strings[token] = string
    single = {piece: token for piece, token in pieces.items() if _is_character(piece)}
    fallback = [
        token
        for piece, token in pieces.items()
        if kind == "sentencepiece" and fallback_byte(piece) is not None
    ]
    return Tokenization(
        kind=kind,
        vocabulary=ByteVocabulary(strings, vocab_size),
        literals=roles.literals,
        added_ids={
            token["content"]: token["id"] for token in state["added_tokens"] if token["id"] < vocab_size
        },
        characters=frozenset(filter(_is_character, model["vocab"]))
        if kind == "sentencepiece"
        else frozenset(),
        fallback=np.array(fallback, np.int64),
        merges=merges,
        base=np.array([*single.values(), *fallback], np.int64),
        splits=_splits(state, kind),
        normal_form=normal_form,
        dummy=dummy,
        dummy_ends=dummy_ends,
        ignore_merges=bool(model.get("ignore_merges")),
        start_ids=_start_ids(state["post_processor"]),
        packed=zlib.compress(description.encode(), level=1),
    )


def _backend(tokenizer):
    from tokenizers import Tokenizer

    backend = getattr(tokenizer, "backend_tokenizer", tokenizer)
    if not isinstance(backend, Tokenizer):
        raise DtypeError(
            f"tokenizer is a {type(tokenizer).__name__}, expected a fast tokenizer (one with "
            "`backend_tokenizer`): others do not say how they divide a text; where the model's folder has a "
            "tokenizer.json, transformers.PreTrainedTokenizerFast.from_pretrained(folder) reads it, whatever "
            "class AutoTokenizer chooses"
        )
    return backend


def _check_model(model: dict) -> None:
    """Refuse what is not a plain byte-pair encoding."""
    if model["type"] != "BPE":
        reasons = {
            "WordPiece": "its tokens depend on where a word begins and its unknown token stands for any word",
            "WordLevel": "its unknown token stands for any word",
            "Unigram": "it takes the likeliest of all segmentations, which no pair of neighbours decides; a "
            "validity test that compares the scores of whole segmentations would be needed",
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


def _check_fallback(model: dict, kind: Kind) -> None:
    """Refuse a part of the byte tokens: characters are written in bytes where all of theirs are there.

    With none of them, as without byte fallback, other characters are never written.
    """
    if kind != "sentencepiece":
        return
    found = {fallback_byte(piece) for piece in model["vocab"]} - {None}
    if found and len(found) < 256:
        lacking = min(set(range(256)) - found)
        raise ArgumentError(
            f"tokenizer has byte_fallback and tokens for {len(found)} bytes, but none for <0x{lacking:02X}>: "
            "characters with this byte are unknown to it; expected tokens for all 256 bytes"
        )


def _check_rows(pieces: dict[str, int], merges: Int32[np.ndarray, "merges 3"], vocab_size: int) -> None:
    """Refuse a tokenizer that writes ordinary text in tokens which the model does not have."""
    highest = max(max(pieces.values(), default=-1), int(merges.max(initial=-1)))
    if highest >= vocab_size:
        raise ArgumentError(
            f"tokenizer writes text in tokens up to {highest}, the model has rows for {vocab_size}: it is not the "
            "model's; only added tokens may lie beyond"
        )


def _is_character(piece: str) -> bool:
    return len(piece) == 1


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
        if part["type"] == "Metaspace" and part["replacement"] != SPACE:
            raise ArgumentError(f"tokenizer writes a space as {part['replacement']!r}, expected {SPACE!r}")
        if adds_space(part):
            # A text that begins with a space gets no other one, so that " " is written as the dummy.
            dummy, ends = b" ", not dummy
    return form, dummy, ends


def _splits(state: dict, kind: Kind) -> dict | None:
    """The pre-tokenizer without splits at spaces, where U+2581 has replaced them."""
    spec = state["pre_tokenizer"]
    if kind == "byte_level" or spec is None:
        return spec
    replaced = any(part["type"] == "Replace" for part in flat_parts(state["normalizer"], "normalizers"))
    parts = []
    for part in flat_parts(spec, "pretokenizers"):
        replaced |= part["type"] == "Metaspace"
        if not (replaced and part["type"] == "Split" and part["pattern"] == {"String": " "}):
            parts.append(part)
    return {"type": "Sequence", "pretokenizers": parts} if parts else None


def _start_ids(post_processor: dict | None) -> tuple[int, ...]:
    """The special tokens that the tokenizer puts before a text.

    A tokenizer of one word is asked: the given one may pad or truncate, as it was last used.
    """
    from tokenizers import Tokenizer, models

    state = json.loads(Tokenizer(models.WordLevel({"a": 0}, unk_token="a")).to_str())
    encoding = Tokenizer.from_str(json.dumps(state | {"post_processor": post_processor})).encode("a")
    return tuple(encoding.ids[: encoding.special_tokens_mask.index(0)])
