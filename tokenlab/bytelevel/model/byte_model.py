"""What every model over bytes offers: distributions, scores, streams and samples."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from jaxtyping import Float64
from torch import Tensor

from tokenlab.bytelevel.model.sampling import ByteSample, check_sampling, sample_streams
from tokenlab.bytelevel.model.scores import ByteScore, EnsembleScore
from tokenlab.bytelevel.model.text_streams import TextStream, TextStreams
from tokenlab.bytelevel.tokenizer.text import check_bytes, numbered
from tokenlab.errors import ArgumentError, DtypeError, check_int


class ByteModel(ABC):
    """A distribution over byte strings. Texts in one list share each call of the model."""

    # The class of one stream.
    stream_class: type[TextStream]

    @abstractmethod
    def _streams(self, prefixes: list[bytes], context_ids: Sequence[int] | None) -> TextStreams:
        """Texts whose prefixes, already checked, are read."""

    def check_text(self, name: str, text: bytes) -> bytes:
        """Refuse what no text of this model can be."""
        return check_bytes(name, text)

    def _checked(self, name: str, texts: Sequence[bytes]) -> list[bytes]:
        return [self.check_text(*named) for named in numbered(name, texts)]

    def next_byte_log_probs(
        self, prefix: bytes | Sequence[bytes], *, context_ids: Sequence[int] | None = None
    ) -> Float64[Tensor, "*batch 257"]:
        """Log-probability in nats of each next byte, and of the end of the text (entry 256).

        The prefix may be empty, and may end inside a token or a character. ``context_ids``, such as a chat
        template, stand before it in place of ``start_ids``.

        Raises
        ------
        DtypeError
            If a prefix is not bytes.
        ArgumentError
            If the tokenizer never writes a prefix, it outgrows the model's positions, or no byte is possible
            for all members of an ensemble.
        """
        single = not isinstance(prefix, list | tuple)
        log_probs = self.streams([prefix] if single else prefix, context_ids=context_ids).log_probs
        return log_probs[0] if single else log_probs

    def log_prob(self, text: bytes, *, ended: bool = False) -> float:
        """Log-probability in nats that a text begins with these bytes or, if ``ended``, is these bytes."""
        return self.score(check_bytes("text", text), ended=ended).log_prob

    def score(
        self, text: bytes | Sequence[bytes], *, ended: bool = False, context_ids: Sequence[int] | None = None
    ) -> ByteScore | EnsembleScore | list[ByteScore] | list[EnsembleScore]:
        """What the model says about each byte of a text and, if ``ended``, about its end.

        Errors as for :meth:`next_byte_log_probs`; ArgumentError: also for a byte that cannot follow.
        """
        single = not isinstance(text, list | tuple)
        texts = self._checked("text", [text] if single else text)
        streams = self.streams([b""] * len(texts), context_ids=context_ids)
        streams.extend(texts)
        scores = streams.scores(ended=ended)
        return scores[0] if single else scores

    def stream(self, prefix: bytes = b"", *, context_ids: Sequence[int] | None = None) -> TextStream:
        """A text that takes bytes one at a time. The prefix's probability is not computed."""
        return self.stream_class(self.streams([prefix], context_ids=context_ids))

    def streams(self, prefixes: Sequence[bytes], *, context_ids: Sequence[int] | None = None) -> TextStreams:
        """Several texts at once."""
        if not isinstance(prefixes, list | tuple):
            raise DtypeError(f"prefixes must be a list of bytes, found {type(prefixes).__name__}")
        if not prefixes:
            raise ArgumentError("prefix is an empty list, expected at least one text")
        return self._streams(self._checked("prefix", prefixes), context_ids)

    def sample(
        self,
        prefix: bytes | Sequence[bytes] = b"",
        max_new_bytes: int = 64,
        *,
        temperature: float = 1.0,
        top_p: float = 1.0,
        generator: torch.Generator | None = None,
        context_ids: Sequence[int] | None = None,
    ) -> ByteSample | list[ByteSample]:
        """Draw a text byte by byte; prefix, context and errors as for :meth:`next_byte_log_probs`.

        Parameters
        ----------
        max_new_bytes
            Where to stop if the text does not end.
        temperature, top_p
            They act on the distribution of the next byte, not of tokens: log-probabilities are divided by the
            temperature (0: the most probable byte, the lowest of equal ones), then the fewest most probable
            bytes whose probabilities reach ``top_p`` are kept.
        generator
            Source of the noise, on the CPU.
        """
        check_int("max_new_bytes", max_new_bytes, low=0)
        check_sampling(temperature, top_p, generator)
        single = not isinstance(prefix, list | tuple)
        samples = sample_streams(
            self.streams([prefix] if single else prefix, context_ids=context_ids),
            max_new_bytes,
            temperature=temperature,
            top_p=top_p,
            generator=generator,
        )
        return samples[0] if single else samples
