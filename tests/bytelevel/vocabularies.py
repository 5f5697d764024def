"""Vocabularies for the tests of masses: small ones with everything in them, and one like a model's."""

from __future__ import annotations

import random
from functools import lru_cache

from tokenlab.bytelevel.tokenizer.vocabulary import ByteVocabulary


def mixed(
    tokens: int, *, alphabet: bytes = bytes(range(256)), longest: int = 5, seed: int = 0
) -> ByteVocabulary:
    """Random strings, some of them twice, with tokens without bytes in between and columns after."""
    chance = random.Random(seed)
    strings: list = [bytes(chance.choices(alphabet, k=chance.randint(1, longest))) for _ in range(tokens)]
    strings += strings[: tokens // 8] + [None] * 3
    chance.shuffle(strings)
    return ByteVocabulary(strings, len(strings) + 5)


@lru_cache
def like_a_models(vocab: int, seed: int = 0) -> ByteVocabulary:
    """First bytes as frequent as in a large byte-level vocabulary: two fifths begin with a space.

    All bytes alone come first, the special tokens last, as in Llama 3.
    """
    chance = random.Random(seed)
    lower, upper, high = range(97, 123), range(65, 91), range(0xC3, 0xF1)
    punctuation = range(33, 65)
    firsts = chance.choices(
        [32, *lower, *upper, *high, *punctuation],
        [
            0.4,
            *(0.3 / 26 for _ in lower),
            *(0.1 / 26 for _ in upper),
            *(0.12 / 46 for _ in high),
            *(0.08 / 32 for _ in punctuation),
        ],
        k=vocab,
    )
    special = min(256, vocab // 10)
    strings: list = [bytes([byte]) for byte in range(256)]
    # A number after the first byte makes the strings different; its digits are letters.
    for number, first in enumerate(firsts[: vocab - 256 - special]):
        letters = bytes(97 + (number * 7919 // 23**position) % 23 for position in range(chance.randint(3, 7)))
        strings.append(bytes([first]) + letters)
    return ByteVocabulary(strings + [None] * special)
