"""What a tokenizer writes, by asking it: encodings of a text with many continuations.

None of this knows merges, pre-tokenizers or automata. A sequence of tokens is viable if some text
is found whose encoding begins with it; what is not found here is not proved to be impossible, so
the representative continuations below must be rich.
"""

from __future__ import annotations

import codecs
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from random import Random

from tests.bytelevel.tokenizers import described, texts
from tokenlab.bytelevel.tokenizer.text import code_points

Ids = tuple[int, ...]

#: At least one character of each class that the pre-tokenizers tell apart, and what combines.
CHARACTERS = tuple("a1 \n's é\u0301😀.StlA\t가각漢½\r\u0338/\u1161\u11a8")
#: After them the distribution of short forms, of runs and of words shows.
MANY = ("", *CHARACTERS, "re", "ll", "  ", " a", "\n\n", "\na", " 1")
FEW = ("", "a", "s", "S", "1", " ", "\n", "'s", ".", "é", "\u0301", " a", "가")


def pending(data: bytes) -> bytes | None:
    """The bytes of the character that is not complete; None if this is no UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        decoder.decode(data)
    except UnicodeDecodeError:
        return None
    return decoder.getstate()[0]


@cache
def completions(partial: bytes) -> tuple[bytes, ...]:
    """Bytes that complete a character: a few of each kind."""
    if not partial:
        return (b"",)
    kinds: dict[tuple[str, bool], list[str]] = {}
    for first, last in code_points(partial):
        for code in range(first, last + 1, max(1, (last - first) // 600)):
            kinds.setdefault(
                (unicodedata.category(chr(code)), unicodedata.combining(chr(code)) > 0), []
            ).append(chr(code))
    known = [char for char in CHARACTERS if char.encode().startswith(partial)]
    chars = [char for kind in kinds.values() for char in kind[:: max(1, len(kind) // 4)]]
    return tuple(char.encode()[len(partial) :] for char in known + chars)


def sequences(name: str, draw: Random, number: int) -> Iterator[Ids]:
    """Random tokens that spell a text's beginning, the last ones divided at random."""
    description = described(name)
    vocabulary, order = description.vocabulary, description.vocabulary.order.tolist()
    fallback = set(description.fallback.tolist())
    for text in texts(draw, number, 10):
        canonical = description.plain.encode(text, add_special_tokens=False).ids
        spelled = description.decode(canonical)
        ids = canonical[: draw.randrange(len(canonical) + 1)] if draw.random() < 0.5 else []
        end, start = len(description.decode(ids)), max(0, len(ids) - 3)
        while end < len(spelled) and len(ids) - start < 4:
            found = []
            for size in range(1, min(vocabulary.longest, len(spelled) - end) + 1):
                lo, hi = vocabulary.find(spelled[end : end + size])
                # Those that are just so long come first; several may stand for the same bytes.
                found += [(size, order[position]) for position in range(lo, vocabulary.ended(size, lo, hi))]
            # A character with a token of its own is not written in bytes: rarely tried.
            others = [entry for entry in found if entry[1] not in fallback]
            size, token = draw.choice(others if others and draw.random() < 0.9 else found)
            ids, end = [*ids, token], end + size
        yield tuple(ids)


def text_of(name: str, spelled: bytes) -> str | None:
    """The text that is written as these bytes, the dummy space among them; None if there is none."""
    description = described(name)
    if not spelled.startswith(description.dummy):
        return None
    if description.dummy and not description.dummy_ends:
        spelled = spelled[len(description.dummy) :]
        if not spelled:
            return None
    try:
        return spelled.decode()
    except UnicodeDecodeError:
        return None


def encodings(name: str, spelled: Iterable[bytes]) -> list[Ids]:
    """What the tokenizer writes for each text that is one, and that it does not rewrite."""
    description = described(name)
    texts = [text for text in (text_of(name, data) for data in dict.fromkeys(spelled)) if text is not None]
    return [tuple(found.ids) for found in description.plain.encode_batch(texts, add_special_tokens=False)]


def is_whole(name: str, ids: Ids) -> bool:
    """Whether these tokens are the encoding of a text."""
    return tuple(ids) in encodings(name, [described(name).decode(ids)])


def witness(name: str, ids: Ids, further: Iterable[str] = MANY) -> Ids | None:
    """An encoding that begins with these tokens, if one is found."""
    spelled = described(name).decode(ids)
    partial = pending(spelled)
    if partial is None:
        return None
    tried = (spelled + end + text.encode() for end in completions(partial) for text in further)
    return next((found for found in encodings(name, tried) if found[: len(ids)] == tuple(ids)), None)


def covers(name: str, text: bytes, further: Iterable[str] = FEW) -> set[Ids]:
    """The viable covers of a text: how the encodings of its continuations begin."""
    return {cover_of(name, text, found) for found in continued(name, text, further)} - {None}


def covers_by_next_byte(name: str, text: bytes, further: Iterable[str] = FEW) -> dict[int, set[Ids]]:
    """For each byte the viable covers of the text with it."""
    description = described(name)
    found: dict[int, set[Ids]] = {}
    for ids in continued(name, text, further):
        spelled = description.decode(ids)[len(description.dummy) :]
        if spelled.startswith(text) and len(spelled) > len(text):
            longer = spelled[: len(text) + 1]
            found.setdefault(longer[-1], set()).add(cover_of(name, longer, ids))
    return found


def continued(name: str, text: bytes, further: Iterable[str] = FEW) -> set[Ids]:
    """Encodings of a text with continuations among which each last token of a cover occurs."""
    vocabulary = described(name).vocabulary
    spelled = described(name).dummy + text
    further = [part.encode() for part in further]
    tried = set()
    for position in range(max(0, len(spelled) + 1 - vocabulary.longest), len(spelled) + 1):
        lo, hi = vocabulary.find(spelled[position:])
        for string in vocabulary.strings[lo:hi]:
            longer = spelled[:position] + string
            partial = pending(longer)
            if partial:
                tried |= {longer + end + part for end in completions(partial) for part in (b"", b"a")}
            elif partial is not None:
                tried |= {longer + part for part in further}
    return set(encodings(name, tried))


def cover_of(name: str, text: bytes, ids: Ids) -> Ids | None:
    """The first tokens that spell a text; None if they spell another."""
    description = described(name)
    spelled, end = description.dummy + text, 0
    strings = [description.vocabulary.strings[description.vocabulary.positions[token]] for token in ids]
    if not b"".join(strings).startswith(spelled):
        return None
    for count, string in enumerate(strings, start=1):
        end += len(string)
        if end >= len(spelled):
            return tuple(ids[:count])
    return None
