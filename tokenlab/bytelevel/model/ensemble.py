"""Several models as one, whatever their tokenizers: over bytes their distributions have the same entries."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float64
from torch import Tensor

from tokenlab.bytelevel.model.byte_lm import ByteLM
from tokenlab.bytelevel.model.sampling import ByteSample, check_sampling, sample_streams
from tokenlab.bytelevel.model.streams import AHEAD, ByteStream, ByteStreams, OneText
from tokenlab.bytelevel.tokenizer.text import check_bytes
from tokenlab.bytelevel.tokenizer.vocabulary import END
from tokenlab.errors import (
    ArgumentError,
    DtypeError,
    ProbabilityError,
    ShapeError,
    check_choice,
    check_int,
    check_real,
)

HOW = ("mix", "product")


How = Literal["mix", "product"]


#: How far weights may be from a sum of one.
TOLERANCE = 1e-9


class EnsembleScore(NamedTuple):
    """What several models together, and each of them, say about a text.

    Attributes
    ----------
    log_probs : Float64[Tensor, "bytes"]
        Log-probability of each byte after those before it, in nats; of the end too if it was asked
        for.
    member_log_probs : Float64[Tensor, "members bytes"]
        The same of each member; -inf from the first byte on that it cannot write.
    """

    log_probs: Float64[Tensor, "bytes"]
    member_log_probs: Float64[Tensor, "members bytes"]

    @property
    def log_prob(self) -> float:
        """The sum of ``log_probs``."""
        return float(self.log_probs.sum())

    @property
    def bits_per_byte(self) -> float:
        """Minus the mean of ``log_probs``, in bits."""
        return -self.log_prob / max(len(self.log_probs), 1) / math.log(2)


def ensemble(
    byte_lms: Sequence[ByteLM], weights: Sequence[float] | None = None, how: How = "mix"
) -> ByteEnsemble:
    r"""Several models as one; their tokenizers may differ.

    At each byte the models' distributions :math:`P_i(b \mid x)` over 256 bytes and the end are combined:

    .. math:: P_\text{mix}(b \mid x) = \sum_i w_i P_i(b \mid x), \qquad
              P_\text{product}(b \mid x) = \frac{\prod_i P_i(b \mid x)^{w_i}}
                                                {\sum_{b'} \prod_i P_i(b' \mid x)^{w_i}}

    The weights are the same at each byte: this is no mixture of whole texts, in which a model that
    predicts a text badly loses its say. A byte that a member excludes is excluded from the product.
    In the mixture it may come from the others; the member then has no say in the rest of the text,
    and the others' weights are divided by their sum.

    Parameters
    ----------
    byte_lms : sequence of ByteLM
        The members.
    weights : sequence of float, optional
        One positive weight for each member, which sum to one within 1e-9; equal ones by default.
    how : {"mix", "product"}
        Arithmetic or geometric mean.

    Returns
    -------
    ByteEnsemble

    Raises
    ------
    DtypeError
        If a member is no ByteLM.
    ShapeError
        If there is not one weight for each member.
    ProbabilityError
        If a weight is not positive, or they do not sum to one.
    ArgumentError
        If there is no member, or for another ``how``.

    Examples
    --------
    >>> from tokenlab.lm import load
    >>> both = ensemble([ByteLM(*load("lab-draft")), ByteLM(*load("lab-other"))], [0.25, 0.75])
    >>> chr(int(both.next_byte_log_probs(b"def __ini")[:256].argmax()))
    't'

    Reference: Phan et al. 2025, arXiv 2410.09303 (the mean of distributions over bytes); Hayase et al. 2025,
    arXiv 2506.14123 (mixture and product).
    """
    return ByteEnsemble(byte_lms, weights, how)


class ByteEnsemble:
    """Several models as one; made by :func:`ensemble`.

    Attributes
    ----------
    members : list of ByteLM
        The models.
    weights : list of float
        Their weights.
    how : {"mix", "product"}
        How their distributions are combined.
    """

    def __init__(self, byte_lms: Sequence[ByteLM], weights: Sequence[float] | None, how: How) -> None:
        self.members = list(byte_lms)
        if not self.members:
            raise ArgumentError("byte_lms is empty, expected at least one model")
        for place, member in enumerate(self.members):
            if not isinstance(member, ByteLM):
                raise DtypeError(f"byte_lms[{place}] must be a ByteLM, found {type(member).__name__}")
        self.weights = _checked_weights(weights, len(self.members))
        self.how: How = check_choice("how", how, HOW)

    def next_byte_log_probs(self, prefix: bytes | Sequence[bytes]) -> Float64[Tensor, "*batch 257"]:
        """Log-probability of each next byte, and of the end of the text (entry 256).

        Parameters
        ----------
        prefix : bytes or sequence of bytes
            The text so far, or several for a batch.

        Raises
        ------
        DtypeError, ArgumentError
            As :meth:`ByteLM.next_byte_log_probs`, for any member; and if no byte is left that all
            members of a product allow.
        """
        single = not isinstance(prefix, list | tuple)
        log_probs = self.streams([prefix] if single else prefix).log_probs
        return log_probs[0] if single else log_probs

    def log_prob(self, text: bytes, *, ended: bool = False) -> float:
        """Log-probability that a text begins with these bytes, or is these bytes, in nats."""
        return self.score(text, ended=ended).log_prob

    def score(
        self, text: bytes | Sequence[bytes], *, ended: bool = False
    ) -> EnsembleScore | list[EnsembleScore]:
        """Log-probability of each byte of a text, or of each text of a batch, and each member's.

        Parameters
        ----------
        text : bytes or sequence of bytes
            The text, or several.
        ended : bool
            Whether the end of the text is one more entry.

        Raises
        ------
        DtypeError, ArgumentError
            As :meth:`next_byte_log_probs`, and for a byte that cannot follow.
        """
        single = not isinstance(text, list | tuple)
        texts = [check_bytes("text", part) for part in ([text] if single else text)]
        streams = self.streams([b""] * len(texts))
        streams.extend(texts)
        scores = streams.scores(ended=ended)
        return scores[0] if single else scores

    def stream(self, prefix: bytes = b"") -> EnsembleStream:
        """A text that takes bytes one at a time and gives the distribution of the next."""
        return EnsembleStream(self.streams([prefix]))

    def streams(self, prefixes: Sequence[bytes]) -> EnsembleStreams:
        """Several texts at once, which share each call of the models."""
        prefixes = list(prefixes)
        return EnsembleStreams(self, [member.streams(prefixes) for member in self.members])

    def sample(
        self,
        prefix: bytes | Sequence[bytes] = b"",
        max_new_bytes: int = 64,
        *,
        temperature: float = 1.0,
        top_p: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> ByteSample | list[ByteSample]:
        """Draw a text byte by byte; parameters and errors as :meth:`ByteLM.sample`."""
        check_int("max_new_bytes", max_new_bytes, low=0)
        check_sampling(temperature, top_p, generator)
        single = not isinstance(prefix, list | tuple)
        samples = sample_streams(
            self.streams([prefix] if single else prefix),
            max_new_bytes,
            temperature=temperature,
            top_p=top_p,
            generator=generator,
        )
        return samples[0] if single else samples


class EnsembleStreams:
    """Several texts that grow by bytes; made by :meth:`ByteEnsemble.streams`.

    Attributes
    ----------
    members : list of ByteStreams
        The same texts for each model. A text that a member cannot write stays there as it was.
    texts : list of bytes
        The texts so far, prefixes included.
    """

    def __init__(self, ensemble: ByteEnsemble, members: list[ByteStreams]) -> None:
        self.ensemble, self.members = ensemble, members
        self.texts = members[0].texts
        #: whether each member can write each text
        self._writes = torch.ones(len(members), len(self.texts), dtype=torch.bool)
        self._scores: list[list[tuple[float, list[float]]]] = [[] for _ in self.texts]
        self._distribution: tuple[Tensor, Tensor] | None = None

    def copy(self) -> EnsembleStreams:
        """Streams that go on from here by themselves; what is computed is shared."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other.members = [member.copy() for member in self.members]
        other.texts, other._writes = list(self.texts), self._writes.clone()
        other._scores = [list(row) for row in self._scores]
        return other

    @property
    def log_probs(self) -> Float64[Tensor, "rows 257"]:
        """Log-probability of each next byte; the last entry is the end of the text."""
        return self._next()[0]

    @property
    def log_probs_of_texts(self) -> list[float]:
        """For each text, the sum of the log-probabilities of the bytes pushed so far."""
        return [sum(log_prob for log_prob, _ in row) for row in self._scores]

    def push(self, byte_values: Sequence[int | None]) -> None:
        """Read one byte of each text; None leaves a text as it is.

        Raises
        ------
        ShapeError
            If there is not one entry for each text.
        ArgumentError
            If an entry is no byte, or a byte cannot follow.
        """
        self._push(byte_values)
        for member in self.members:
            member._forget()

    def extend(self, data: Sequence[bytes], *, score: bool = True) -> None:
        """Read several bytes of each text; see :meth:`ByteStreams.extend`."""
        data = [check_bytes("data", part) for part in data]
        if len(data) != len(self.texts):
            raise ShapeError(f"data has {len(data)} entries, expected {len(self.texts)}")
        if not score:
            for member, writes in zip(self.members, self._writes, strict=True):
                member.extend(
                    [part if able else b"" for part, able in zip(data, writes, strict=True)], score=False
                )
            self.texts = [text + part for text, part in zip(self.texts, data, strict=True)]
            self._distribution = None
            return
        for start in range(0, max(map(len, data), default=0), AHEAD):
            parts = [part[start : start + AHEAD] for part in data]
            for member, writes in zip(self.members, self._writes, strict=True):
                if member.byte_lm.beam_width is None:
                    member._read_ahead(
                        [part if able else b"" for part, able in zip(parts, writes, strict=True)]
                    )
            for place in range(max(map(len, parts))):
                self._push([part[place] if place < len(part) else None for part in parts])
            for member in self.members:
                member._forget()

    def scores(self, *, ended: bool = False) -> list[EnsembleScore]:
        """Log-probabilities of the bytes that were pushed, or read with ``score=True``."""
        scores = []
        for number, row in enumerate(self._scores):
            entries = list(row)
            if ended:
                entries.append(self._entry(number, END))
            log_probs = torch.tensor([entry for entry, _ in entries], dtype=torch.float64)
            each = torch.tensor([entry for _, entry in entries], dtype=torch.float64)
            scores.append(EnsembleScore(log_probs, each.reshape(-1, len(self.members)).T))
        return scores

    def _push(self, byte_values: Sequence[int | None]) -> None:
        if len(byte_values) != len(self.texts):
            raise ShapeError(f"byte_values has {len(byte_values)} entries, expected {len(self.texts)}")
        for byte in byte_values:
            if byte is not None and not (isinstance(byte, int) and 0 <= byte < END):
                raise ArgumentError(
                    f"byte_values holds {byte!r}, expected whole numbers from 0 to 255, or None"
                )
        entries = [None if byte is None else self._entry(row, byte) for row, byte in enumerate(byte_values)]
        for row, (byte, entry) in enumerate(zip(byte_values, entries, strict=True)):
            if entry is not None and entry[0] == -math.inf:
                without = [member for member, one in enumerate(entry[1]) if one == -math.inf]
                raise ArgumentError(
                    f"byte 0x{byte:02x} cannot follow {self.texts[row][-40:]!r}: "
                    f"excluded by members {', '.join(map(str, without))} of the {self.ensemble.how}"
                )
        for row, (byte, entry) in enumerate(zip(byte_values, entries, strict=True)):
            if entry is not None:
                self._scores[row].append(entry)
                self.texts[row] += bytes([byte])
                self._writes[:, row] = torch.tensor(entry[1]) > -math.inf
        for member, writes in zip(self.members, self._writes.tolist(), strict=True):
            member._push([byte if able else None for byte, able in zip(byte_values, writes, strict=True)])
        self._distribution = None

    def _entry(self, row: int, byte: int) -> tuple[float, list[float]]:
        """Log-probability of a byte, and each member's."""
        distribution, distributions = self._next()
        return float(distribution[row, byte]), distributions[:, row, byte].tolist()

    def _next(self) -> tuple[Float64[Tensor, "rows 257"], Float64[Tensor, "members rows 257"]]:
        """The distribution of the next byte, and each member's, computed once for each state."""
        if self._distribution is None:
            distributions = torch.stack([member.log_probs for member in self.members])
            distributions = distributions.masked_fill(~self._writes.unsqueeze(-1), -math.inf)
            self._distribution = self._combined(distributions), distributions
        return self._distribution

    def _combined(self, distributions: Float64[Tensor, "members rows 257"]) -> Float64[Tensor, "rows 257"]:
        weights = torch.tensor(self.ensemble.weights, dtype=torch.float64)[:, None, None]
        if self.ensemble.how == "mix":
            has_say = weights.log().masked_fill(~self._writes.unsqueeze(-1), -math.inf)
            return torch.logsumexp(has_say.log_softmax(0) + distributions, 0)
        distribution = (weights * distributions).sum(0)
        total = torch.logsumexp(distribution, -1, keepdim=True)
        if bool((total == -math.inf).any()):
            row = int((total == -math.inf).nonzero()[0, 0])
            raise ArgumentError(
                f"nothing can follow {self.texts[row][-40:]!r}: no byte is allowed by all members of the product"
            )
        return distribution - total


class EnsembleStream(OneText):
    """One text that grows by bytes; made by :meth:`ByteEnsemble.stream`."""

    @property
    def members(self) -> list[ByteStream]:
        """The same text for each model."""
        return [ByteStream(member) for member in self._streams.members]


def _checked_weights(weights: Sequence[float] | None, members: int) -> list[float]:
    if weights is None:
        return [1 / members] * members
    if len(weights) != members:
        raise ShapeError(f"weights has {len(weights)} entries, expected {members}, one for each model")
    for place, weight in enumerate(weights):
        check_real(f"weights[{place}]", weight, low=0.0)
        if weight == 0:
            raise ProbabilityError(f"weights[{place}] is 0, expected a positive number: leave the model out")
    total = math.fsum(weights)
    if abs(total - 1) > TOLERANCE:
        raise ProbabilityError(f"weights sum to {total:.10g}, expected 1 within {TOLERANCE:g}")
    return [float(weight) for weight in weights]
