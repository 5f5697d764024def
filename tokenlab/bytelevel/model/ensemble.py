"""Several models as one: over bytes their distributions have the same entries."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, Self

import torch
from jaxtyping import Float64
from torch import Tensor

from tokenlab.bytelevel.model.byte_lm import ByteLM
from tokenlab.bytelevel.model.byte_model import ByteModel
from tokenlab.bytelevel.model.scores import EnsembleScore
from tokenlab.bytelevel.model.streams import ByteStream, ByteStreams
from tokenlab.bytelevel.model.text_streams import TextStream, TextStreams
from tokenlab.bytelevel.tokenizer.vocabulary import END
from tokenlab.errors import (
    ArgumentError,
    DtypeError,
    ProbabilityError,
    ShapeError,
    as_sum,
    check_choice,
    check_real,
)

How = Literal["mix", "product"]
HOW = ("mix", "product")

#: How far weights may be from a sum of one.
TOLERANCE = 1e-9


def ensemble(
    byte_lms: Sequence[ByteLM], weights: Sequence[float] | None = None, how: How = "mix"
) -> ByteEnsemble:
    r"""Several models as one; their tokenizers may differ.

    At each byte the models' distributions :math:`P_i(b \mid x)` over 256 bytes and the end are combined:

    .. math:: P_\text{mix}(b \mid x) &= \sum_i w_i P_i(b \mid x) \\
              P_\text{product}(b \mid x) &\propto \prod_i P_i(b \mid x)^{w_i}

    The weights (by default equal) are positive and sum to one within 1e-9. They are the same at each byte: a
    model that predicts badly keeps its say, unlike in a mixture of whole texts. A byte that a member excludes
    is excluded from the product. In the mixture it may come from the others, whose weights are divided by
    their sum for the rest of the text.

    Raises
    ------
    DtypeError, ShapeError, ProbabilityError, ArgumentError
        If a member is no ByteLM or there is none, for other weights, and for another ``how``.

    Examples
    --------
    >>> from tokenlab.lm import load
    >>> both = ensemble([ByteLM(*load("lab-draft")), ByteLM(*load("lab-other"))], [0.25, 0.75])
    >>> chr(int(both.next_byte_log_probs(b"def __ini")[:256].argmax()))
    't'

    Reference: Phan, Amos et al. 2024, arXiv 2410.09303 (mixture); Hayase et al. 2025, arXiv 2506.14123 (both).
    """
    return ByteEnsemble(byte_lms, weights, how)


class EnsembleStreams(TextStreams):
    """Several texts that grow by bytes; made by :meth:`ByteEnsemble.streams`.

    ``members`` has the same texts for each model, but stops before what one cannot write.
    """

    def __init__(self, ensemble: ByteEnsemble, members: list[ByteStreams]) -> None:
        self.ensemble, self.members = ensemble, members
        self.texts = members[0].texts
        #: whether each member can write each text
        self._writes = torch.ones(len(members), len(self.texts), dtype=torch.bool)
        self._entries: list[list[tuple[float, list[float]]]] = [[] for _ in self.texts]
        self._next: tuple[Tensor, Tensor] | None = None

    def __len__(self) -> int:
        return len(self.texts)

    def copy(self) -> Self:
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other.members = [member.copy() for member in self.members]
        other.texts, other._writes = list(self.texts), self._writes.clone()
        other._entries = [list(row) for row in self._entries]
        return other

    def restore(self, before: Self) -> None:
        for member, own in zip(self.members, before.members, strict=True):
            member.restore(own)
        self.texts, self._writes = before.texts, before._writes
        self._entries, self._next = before._entries, before._next

    @property
    def log_probs(self) -> Float64[Tensor, "rows 257"]:
        return self._distributions()[0]

    @property
    def log_probs_of_texts(self) -> list[float]:
        return [sum(log_prob for log_prob, _ in row) for row in self._entries]

    def scores(self, *, ended: bool = False) -> list[EnsembleScore]:
        scores = []
        for row, entries in enumerate(self._entries):
            entries = [*entries, self._entry(row, END)] if ended else entries
            log_probs = torch.tensor([entry for entry, _ in entries], dtype=torch.float64)
            each = torch.tensor([entry for _, entry in entries], dtype=torch.float64)
            scores.append(EnsembleScore(log_probs, each.reshape(-1, len(self.members)).T))
        return scores

    def read_ahead(self, data: Sequence[bytes]) -> None:
        for member, writes in zip(self.members, self._writes, strict=True):
            member.read_ahead(_where(writes, data))

    def forget(self) -> None:
        for member in self.members:
            member.forget()

    def _push(self, byte_values: Sequence[int | None]) -> None:
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
                self._entries[row].append(entry)
                self.texts[row] += bytes([byte])
                self._writes[:, row] = torch.tensor(entry[1]) > -math.inf
        for member, writes in zip(self.members, self._writes.tolist(), strict=True):
            own = [byte if able else None for byte, able in zip(byte_values, writes, strict=True)]
            member.push(own, forget=False)
        self._next = None

    def _skip(self, data: list[bytes]) -> None:
        for member, writes in zip(self.members, self._writes, strict=True):
            member.extend(_where(writes, data), score=False)
        self.texts = [text + part for text, part in zip(self.texts, data, strict=True)]
        self._next = None

    def _entry(self, row: int, byte: int) -> tuple[float, list[float]]:
        distribution, each = self._distributions()
        return float(distribution[row, byte]), each[:, row, byte].tolist()

    def _distributions(self) -> tuple[Float64[Tensor, "rows 257"], Float64[Tensor, "members rows 257"]]:
        """The distribution of the next byte, and each member's, computed once for each state."""
        if self._next is None:
            each = torch.stack([member.log_probs for member in self.members])
            each = each.masked_fill(~self._writes.unsqueeze(-1), -math.inf)
            self._next = self._combined(each), each
        return self._next

    def _combined(self, each: Float64[Tensor, "members rows 257"]) -> Float64[Tensor, "rows 257"]:
        weights = torch.tensor(self.ensemble.weights, dtype=torch.float64)[:, None, None]
        if self.ensemble.how == "mix":
            has_say = weights.log().masked_fill(~self._writes.unsqueeze(-1), -math.inf)
            return torch.logsumexp(has_say.log_softmax(0) + each, 0)
        distribution = (weights * each).sum(0)
        total = torch.logsumexp(distribution, -1, keepdim=True)
        if bool((total == -math.inf).any()):
            row = int((total == -math.inf).nonzero()[0, 0])
            raise ArgumentError(
                f"nothing can follow {self.texts[row][-40:]!r}: no byte is allowed by all members of the product"
            )
        return distribution - total


class EnsembleStream(TextStream[EnsembleStreams]):
    """One text that grows by bytes; made by :meth:`ByteEnsemble.stream`."""

    @property
    def members(self) -> list[ByteStream]:
        """The same text for each model."""
        return [ByteStream(member) for member in self._streams.members]


class ByteEnsemble(ByteModel):
    """Several models as one; made by :func:`ensemble`. ``context_ids`` are refused: tokens differ."""

    stream_class = EnsembleStream

    def __init__(self, byte_lms: Sequence[ByteLM], weights: Sequence[float] | None, how: How) -> None:
        self.members = list(byte_lms)
        if not self.members:
            raise ArgumentError("byte_lms is empty, expected at least one model")
        for index, member in enumerate(self.members):
            if not isinstance(member, ByteLM):
                raise DtypeError(f"byte_lms[{index}] must be a ByteLM, found {type(member).__name__}")
        self.weights = _checked_weights(weights, len(self.members))
        self.how: How = check_choice("how", how, HOW)

    def _streams(self, prefixes: list[bytes], context_ids: Sequence[int] | None) -> EnsembleStreams:
        if context_ids is not None:
            raise ArgumentError(
                "context_ids are given to several models, whose tokens differ, expected None: set each "
                "ByteLM's start_ids"
            )
        return EnsembleStreams(self, [member.streams(prefixes) for member in self.members])


def _where(writes: Sequence[bool], data: Sequence[bytes]) -> list[bytes]:
    """Nothing of the texts that a member cannot write."""
    return [part if able else b"" for part, able in zip(data, writes, strict=True)]


def _checked_weights(weights: Sequence[float] | None, members: int) -> list[float]:
    if weights is None:
        return [1 / members] * members
    if len(weights) != members:
        raise ShapeError(f"weights has {len(weights)} entries, expected {members}, one for each model")
    for index, weight in enumerate(weights):
        check_real(f"weights[{index}]", weight, low=0.0)
        if weight == 0:
            raise ProbabilityError(f"weights[{index}] is 0, expected a positive number: leave the model out")
    total = math.fsum(weights)
    if abs(total - 1) > TOLERANCE:
        raise ProbabilityError(f"weights sum to {as_sum(total)}, expected 1 within {TOLERANCE:g}")
    return [float(weight) for weight in weights]
