"""What each id stands for. An id has one meaning, or the tokenizer is refused by its name."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from tokenlab.bytelevel.tokenizer.added_tokens import overlap
from tokenlab.bytelevel.tokenizer.pretokenizer_json import flat_parts
from tokenlab.bytelevel.tokenizer.tokenization import Kind
from tokenlab.bytelevel.tokenizer.vocabulary import (
    SPACE,
    byte_level_string,
    fallback_byte,
    sentencepiece_string,
)
from tokenlab.errors import ArgumentError

#: What to do with an added token that cannot be cut out of texts here.
_WAY_OUT = (
    "mark it as special, tokenizer.add_tokens([AddedToken({content!r}, special=True)], special_tokens=True): "
    "its text is then a text like any other"
)


class Roles(NamedTuple):
    """Ids that stand for text."""

    pieces: dict[str, int]  #: what the model's merges may write
    strings: dict[int, bytes | None]  #: their bytes; None where no text has them
    literals: dict[int, bytes]  #: added tokens, which are cut out of a text before


def read_roles(backend, state: dict, kind: Kind, *, dummy: bytes, end_ids: Collection[int]) -> Roles:
    """Tell text from added tokens and from ends.

    ``backend`` is the tokenizer of which ``state`` is the description. ``end_ids``: what the model ends a
    text with; as special tokens are, such an added token is no part of any text. ArgumentError: if an id
    would have two meanings, or an added token cannot be cut out of a text exactly.
    """
    writes = _Writer(backend, state, kind)
    names = {token: piece for piece, token in state["model"]["vocab"].items()}
    for token in end_ids:
        if token in names and writes(names[token], token):
            raise ArgumentError(
                f"tokenizer writes {names[token]!r}, the text {_string(names[token], kind)!r}, as token {token}, "
                "which ends a text by the model's generation_config.eos_token_id: it cannot do both; expected "
                "ends that are no text"
            )
    no_text, literals = set(end_ids), {}
    for token in state["added_tokens"]:
        number, piece = token["id"], names.get(token["id"])
        written = piece is not None and writes(piece, number)
        if token["special"] or number in end_ids:
            # Merges may write it all the same: then it is a text like any other.
            no_text |= set() if written else {number}
        elif not _is_piece(token, state, kind):
            no_text.add(number)
            if token["content"]:
                _check_cut_out(token, dummy)
                literals[number] = _literal(token, backend.normalizer, kind)
                if written and _string(piece, kind) != literals[number]:
                    raise ArgumentError(
                        f"tokenizer has the added token {token['content']!r} with the id {number}, by which it "
                        f"also writes {_string(piece, kind)!r}: an id cannot stand for both"
                    )
    _check_overlaps([token for token in state["added_tokens"] if token["id"] in literals])
    pieces = {piece: token for token, piece in names.items() if token not in no_text}
    return Roles(pieces, {token: _string(piece, kind) for piece, token in pieces.items()}, literals)


class _Writer:
    """Whether the model, which knows nothing of added tokens, may write a text as one of its pieces."""

    def __init__(self, backend, state: dict, kind: Kind) -> None:
        self.backend, self.kind, self.unknown = backend, kind, state["model"].get("unk_token")
        self.whole_pieces = bool(state["model"].get("ignore_merges"))
        self.merges = state["model"]["merges"]
        self._made: frozenset[str] | None = None

    def __call__(self, piece: str, token: int) -> bool:
        if self.kind == "sentencepiece" and fallback_byte(piece) is not None:
            return True
        if piece == self.unknown or [found.id for found in self.backend.model.tokenize(piece)] != [token]:
            return False
        return not self.whole_pieces or len(piece) == 1 or piece in self.made or self._is_whole(piece)

    @property
    def made(self) -> frozenset[str]:
        if self._made is None:
            self._made = frozenset(
                merge.replace(" ", "", 1) if isinstance(merge, str) else "".join(merge)
                for merge in self.merges
            )
        return self._made

    def _is_whole(self, piece: str) -> bool:
        """Whether the pre-tokenizer leaves its text in one piece."""
        string = _string(piece, self.kind)
        if string is None or self.backend.pre_tokenizer is None:
            return string is not None
        try:
            text = string.decode()
        except UnicodeDecodeError:
            return False
        return piece in (found for found, _ in self.backend.pre_tokenizer.pre_tokenize_str(text))


def _is_piece(token: dict, state: dict, kind: Kind) -> bool:
    """Whether an added token is never found in a text, but made by merges.

    Gemma's runs of U+2581 are: they are looked for before spaces are written so.
    """
    if kind != "sentencepiece":
        return False
    replaces = any(part["type"] == "Replace" for part in flat_parts(state["normalizer"], "normalizers"))
    return SPACE in token["content"] and not (token["normalized"] and replaces)


def _check_cut_out(token: dict, dummy: bytes) -> None:
    """Refuse added tokens after which the text is not given back by joining tokens."""
    reasons = {
        "single_word": "is found only between characters of which none belongs to a word",
        "lstrip": "swallows the spaces before it",
        "rstrip": "swallows the spaces after it",
    }
    found = [f"has {option}, so that it {why}" for option, why in reasons.items() if token[option]]
    if dummy:
        found.append("makes the tokenizer put a dummy space before the text after it, which no text holds")
    if found:
        raise ArgumentError(
            f"tokenizer has the added token {token['content']!r} (id {token['id']}), which {found[0]}: not "
            f"supported; {_WAY_OUT.format(content=token['content'])}"
        )


def _check_overlaps(found: list[dict]) -> None:
    early, late = (
        [token["content"] for token in found if token["normalized"] == normalized]
        for normalized in (False, True)
    )
    if (pair := overlap(late, early)) is not None:
        raise ArgumentError(
            f"tokenizer has the added tokens {pair[0]!r} and {pair[1]!r}, of which one is looked for before "
            "normalization and one after it, and which may overlap in a text: this is not supported"
        )


def _literal(token: dict, normalizer, kind: Kind) -> bytes:
    """How a text holds an added token: normalized, if it is looked for after that."""
    content = token["content"]
    if token["normalized"] and normalizer is not None:
        content = normalizer.normalize_str(content)
    return (content.replace(SPACE, " ") if kind == "sentencepiece" else content).encode()


def _string(piece: str, kind: Kind) -> bytes | None:
    if kind == "sentencepiece":
        return sentencepiece_string(piece) or None
    try:
        return byte_level_string(piece) or None
    except ArgumentError:
        # It can be typed by no text, as a special token.
        return None
