"""Tiny tokenizers of three letters, tiny random models, and distributions over bytes by enumeration.

A sequence is viable here if it begins the encoding of some text, and all continuations up to a
length are tried. The distribution of the next byte is then two sums over sequences. Nothing of this is shared with the
package but the reading of a tokenizer's byte strings.
"""

from __future__ import annotations

import math
from functools import cache
from itertools import product

import torch
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from tests.support.tiny_models import EOS, plain_logits, tiny_model
from tokenlab.bytelevel import ByteLM
from tokenlab.bytelevel.tokenizer.tokenization import Tokenization

SPECIAL = ("<bos>", "<eos>", "<pad>", "<fim_prefix>", "<fim_suffix>", "<fim_middle>")
BOS, PREFIX, SUFFIX, MIDDLE = 0, 3, 4, 5
ALPHABET = "ab "
KINDS = ("byte_level", "sentencepiece")
#: A token may reach three bytes beyond a text, and what is after a run of spaces is looked at.
BEYOND = 5


def tokenizer_of(kind: str, special: tuple[str, ...] = SPECIAL) -> Tokenizer:
    """A toy of either kind.

    Over bytes two letters and the space before them are a piece, and a run of spaces leaves the last
    one to a word. The other kind has a dummy space and no pieces.
    """
    space = "Ġ" if kind == "byte_level" else "▁"
    # " a" is one token and " ab" are two: the letters come first.
    merges = [
        ("a", "b"),
        (space, "a"),
        ("ab", "a"),
        (space + "a", "a"),
        (space, space),
        (2 * space, 2 * space),
    ]
    pieces = [*special, "a", "b", space, *dict.fromkeys(left + right for left, right in merges)]
    vocab = {piece: position for position, piece in enumerate(pieces)}
    if kind == "byte_level":
        tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges))
        words = pre_tokenizers.Split(Regex(r" ?\p{L}{1,2}|\s+(?!\S)|\s+"), behavior="isolated")
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [words, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
        )
        tokenizer.decoder = decoders.ByteLevel()
    else:
        tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges, byte_fallback=True))
        tokenizer.normalizer = normalizers.Sequence(
            [normalizers.Prepend(space), normalizers.Replace(" ", space)]
        )
    tokenizer.add_special_tokens(list(special))
    return tokenizer


@cache
def tiny_lm(kind: str = "byte_level", seed: int = 0, **options) -> ByteLM:
    """A random model in float64, whose invalid sequences have a large part of its mass."""
    tokenizer = tokenizer_of(kind)
    model = tiny_model(vocab=tokenizer.get_vocab_size(), seed=seed, spread=0.3, layers=1)
    return ByteLM(model, tokenizer, **options)


@cache
def covers(description: Tokenization, text: bytes) -> frozenset[tuple[int, ...]]:
    """How the encodings of all continuations of a text begin, up to the token that ends it."""
    spelled = description.dummy + text
    further = ["".join(chars) for n in range(BEYOND + 1) for chars in product(ALPHABET, repeat=n)]
    encoded = description.plain.encode_batch(
        [text.decode() + end for end in further], add_special_tokens=False
    )
    found = set()
    for ids in (encoding.ids for encoding in encoded):
        count = next(
            (k for k in range(len(ids) + 1) if len(description.decode(ids[:k])) >= len(spelled)), None
        )
        # The empty text is written without a dummy space.
        if count is not None:
            found.add(tuple(ids[:count]))
    return frozenset(found)


class Brute:
    """The distribution of the next byte after tokens, of texts whose encoding begins with ``kept``."""

    def __init__(self, byte_lm: ByteLM, context, *, kept=(), end_anywhere: bool = False) -> None:
        self.byte_lm, self.context, self.kept = byte_lm, tuple(context), tuple(kept)
        self.end_anywhere, self.description = end_anywhere, byte_lm.description
        self._log_probs: dict[tuple[int, ...], torch.Tensor] = {}

    def log_probs(self, ids: tuple[int, ...]) -> torch.Tensor:
        if ids not in self._log_probs:
            logits = plain_logits(self.byte_lm.model, [*self.context, *ids])
            self._log_probs[ids] = logits.log_softmax(-1)
        return self._log_probs[ids]

    def log_prob(self, ids: tuple[int, ...]) -> float:
        return math.fsum(float(self.log_probs(ids[:position])[token]) for position, token in enumerate(ids))

    def covers(self, text: bytes) -> list[tuple[int, ...]]:
        """Viable sequences of which only the last token reaches beyond the text, ``kept`` first."""
        return [ids for ids in covers(self.description, text) if ids[: len(self.kept)] == self.kept]

    def mass(self, text: bytes) -> float:
        return math.fsum(math.exp(self.log_prob(ids[len(self.kept) :])) for ids in self.covers(text))

    def end(self, text: bytes) -> float:
        """The mass of sequences that spell the text and end."""
        spelled = self.description.dummy + text
        whole = [ids for ids in self.covers(text) if self.description.decode(ids) == spelled]
        if not self.end_anywhere:
            written = tuple(self.description.encode(text))
            whole = [ids for ids in whole if ids == written]
        if not text and self.description.dummy and not self.kept:
            whole.append(())
        rest = [ids[len(self.kept) :] for ids in whole]
        return math.fsum(math.exp(self.log_prob(ids) + float(self.log_probs(ids)[EOS])) for ids in rest)

    def distribution(self, text: bytes) -> torch.Tensor:
        """Probability of each next byte and of the end."""
        distribution = torch.zeros(257, dtype=torch.float64)
        for char in ALPHABET.encode():
            distribution[char] = self.mass(text + bytes([char]))
        distribution[256] = self.end(text)
        return distribution / distribution.sum()


def texts(shortest: int, longest: int) -> list[bytes]:
    return [
        "".join(chars).encode() for n in range(shortest, longest + 1) for chars in product(ALPHABET, repeat=n)
    ]
