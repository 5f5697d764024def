"""A token-level model as a model over bytes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Literal

from tokenlab.backend import BACKENDS, Backend
from tokenlab.bytelevel.covers import Anything
from tokenlab.bytelevel.model.byte_model import ByteModel
from tokenlab.bytelevel.model.own_tokenizer import check_own_tokenizer
from tokenlab.bytelevel.model.streams import ByteStream, ByteStreams
from tokenlab.bytelevel.tokenizer.reading import read_tokenizer
from tokenlab.bytelevel.tokenizer.text import check_bytes, check_utf8, is_normalized
from tokenlab.bytelevel.tokenizer.tokenization import Tokenization
from tokenlab.bytelevel.tokenizer.validity import Validity
from tokenlab.errors import ArgumentError, DtypeError, check_choice, check_int
from tokenlab.lm.contract import causal_model, logits_width
from tokenlab.lm.prompting import end_tokens

#: Which token sequences count.
Counted = Literal["valid", "all"]
TOKENIZATIONS = ("valid", "all")


class ByteLM(ByteModel):
    r"""A causal language model over tokens, as a distribution over byte strings.

    The probability that a text begins with the bytes :math:`x` is a sum over its covers: the token
    sequences that spell it and of which only the last token may reach beyond it.

    .. math:: P(x) &= \sum_{t \in \operatorname{cover}(x)} P(t) \\
              P(b \mid x) &= \frac{P(x b)}{\sum_{b'} P(x b') + P(x, \text{end})}

    ``"valid"`` sums over the sequences that the tokenizer may write. What a trained model gives to others
    is left out (see :attr:`ByteStream.leak`) and the rest normalised. ``"all"`` sums over every sequence,
    as far as a beam of ``beam_width`` open covers reaches.

    A space that the tokenizer puts before a text is no part of it. Where ``"x"`` and ``" x"`` get the same
    tokens (Metaspace, ``add_prefix_space``), these are the text ``"x"``; ``" x"`` has one space more.

    Parameters
    ----------
    model : transformers.PreTrainedModel
    tokenizer : transformers.PreTrainedTokenizerFast or tokenizers.Tokenizer
        Byte-pair encoding over bytes, or over characters with byte fallback.
    start_ids
        The tokens before every text. Default: the special tokens that the tokenizer puts there, else the
        model's ``bos_token_id``, else its end of text.

    Attributes
    ----------
    vocabulary, end_ids
        The tokens that stand for bytes, and those that end a text.

    Raises
    ------
    DtypeError, ArgumentError
        If the tokenizer is not supported, writes text in tokens that the model lacks, or is another than lies
        beside the model's weights; nothing can stand before a text, or ``beam_width`` does not fit ``tokenization``.

    Examples
    --------
    >>> from tokenlab.lm import load
    >>> lm = ByteLM(*load("lab-draft"))
    >>> log_probs = lm.next_byte_log_probs(b"def __ini")  # the prompt ends inside a token
    >>> chr(int(log_probs[:256].argmax()))
    't'
    >>> lm.log_prob(b"import os") > lm.log_prob(b"import qx")
    True

    Reference: Phan, Amos et al. 2024, arXiv 2410.09303 ("valid"); Vieira et al. 2024, arXiv 2412.03719 ("all").
    """

    stream_class = ByteStream

    def __init__(
        self,
        model,
        tokenizer,
        tokenization: Counted = "valid",
        *,
        beam_width: int | None = None,
        start_ids: Sequence[int] | None = None,
        backend: Backend = "auto",
    ) -> None:
        self.tokenization: Counted = check_choice("tokenization", tokenization, TOKENIZATIONS)
        self.backend = check_choice("backend", backend, BACKENDS)
        if tokenization == "all":
            if beam_width is None:
                raise ArgumentError(
                    "beam_width is None, expected a number of open covers with tokenization='all'"
                )
            check_int("beam_width", beam_width, low=1)
        elif beam_width is not None:
            raise ArgumentError(
                f"beam_width is {beam_width}, expected None with tokenization='valid', which sums all covers"
            )
        self.beam_width = beam_width
        self.model = model = causal_model("model", model)
        vocab_size = logits_width("model", model)
        self.end_ids, _ = end_tokens(model)
        self.description = read_tokenizer(tokenizer, vocab_size, self.end_ids)
        check_own_tokenizer(model, tokenizer, self.description.json_text)
        self.vocabulary = self.description.vocabulary
        self.start_ids = self._start_ids(start_ids, vocab_size)
        #: Which sequences count. A pre-tokenizer that is not supported is refused here.
        self.rules = self.validity if tokenization == "valid" else Anything(self.vocabulary)

    @cached_property
    def validity(self) -> Validity:
        """Which sequences the tokenizer may write."""
        return Validity(self.description)

    @property
    def dummy(self) -> bytes:
        """What the tokenizer puts before a text."""
        return self.description.dummy

    def _start_ids(self, given: Sequence[int] | None, vocab_size: int) -> list[int]:
        if given is not None:
            return _checked_ids("start_ids", given, vocab_size)
        found = list(self.description.start_ids)
        bos = self.model.config.get_text_config().bos_token_id
        found = _checked_ids("the tokenizer's start", found, vocab_size) if found else found
        found = found or ([bos] if isinstance(bos, int) else self.end_ids[:1])
        if not found:
            raise ArgumentError(
                "start_ids is None, and neither the tokenizer nor the model names a token that begins a "
                "text: give at least one, since the model says nothing without a token before"
            )
        return found

    def check_text(self, name: str, text: bytes) -> bytes:
        return check_text(name, text, self.description if self.tokenization == "valid" else None)

    def encode(self, name: str, text: bytes, *, dummy: bool = True) -> list[int]:
        """The tokenizer's encoding of whole characters; ArgumentError if it spells another text."""
        check_utf8(name, text)
        text = check_text(name, text, self.description)
        ids = self.description.encode(text, dummy=dummy, name=name)
        positions = self.vocabulary.positions[ids].tolist()
        spelled = b"".join(self.vocabulary.strings[position] for position in positions if position >= 0)
        if -1 in positions or spelled != (self.dummy if dummy and text else b"") + text:
            raise ArgumentError(
                f"{name} {text[-40:]!r} is one that the tokenizer never writes: what it makes of it spells "
                f"{spelled[-40:]!r}"
            )
        return ids

    def why_not(self, text: bytes, byte: int) -> str:
        """Why no sequence spells a text with one more byte."""
        if self.tokenization == "all":
            return f"none of the {self.beam_width} open covers of the beam goes on with it"
        try:
            check_utf8("it", bytes(text) + bytes([byte]), cut=True)
        except ArgumentError as error:
            return str(error)
        lacking = self.description.why_lacking(bytes(text) + bytes([byte]))
        return lacking or "the tokenizer never writes such a text"

    def _streams(self, prefixes: list[bytes], context_ids: Sequence[int] | None) -> ByteStreams:
        ids = self.start_ids
        if context_ids is not None:
            ids = _checked_ids("context_ids", context_ids, self.vocabulary.vocab_size)
        streams = ByteStreams(self, [ids] * len(prefixes))
        if any(prefixes):
            streams.extend(prefixes, score=False)
        return streams


def _checked_ids(name: str, ids: Sequence[int], vocab_size: int) -> list[int]:
    if isinstance(ids, str | bytes) or not isinstance(ids, Sequence):
        raise DtypeError(f"{name} must be a list of token ids, found {type(ids).__name__}")
    if not ids:
        raise ArgumentError(
            f"{name} is empty, expected at least one token: the model says nothing without a token before"
        )
    return [
        check_int(f"{name}[{index}]", token, low=0, high=vocab_size - 1) for index, token in enumerate(ids)
    ]


def check_text(name: str, text: bytes, description: Tokenization | None) -> bytes:
    """Refuse what is no bytes and, given a tokenizer, what it never writes."""
    text = check_bytes(name, text)
    if description is not None:
        chars = check_utf8(name, text, cut=True)
        form = description.normal_form
        if form is not None and not all(
            is_normalized(form, part) for part in description.normalized_parts(chars)
        ):
            raise ArgumentError(
                f"{name} is not in the normal form {form}, in which this tokenizer writes every text: no "
                f"encoding spells it; give unicodedata.normalize({form!r}, ...) of it"
            )
    return text
