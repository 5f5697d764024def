"""Texts that grow by bytes: what one text, or several, offer whatever gives their distributions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic, Self, TypeVar

from jaxtyping import Float64
from torch import Tensor

from tokenlab.bytelevel.tokenizer.text import check_bytes, numbered
from tokenlab.bytelevel.tokenizer.vocabulary import END
from tokenlab.errors import ArgumentError, ShapeError

#: Bytes of a known text whose contexts are computed in one forward.
AHEAD = 64


class TextStreams(ABC):
    """Several texts that grow by bytes; ``texts`` holds them, prefixes included."""

    texts: list[bytes]
    # How many bytes of a known text are read ahead.
    ahead = AHEAD

    @abstractmethod
    def __len__(self) -> int:
        """How many texts there are."""

    @property
    @abstractmethod
    def log_probs(self) -> Float64[Tensor, "rows 257"]:
        """Log-probability of each next byte, and of the end."""

    @property
    @abstractmethod
    def log_probs_of_texts(self) -> list[float]:
        """The sum of the log-probabilities of the bytes pushed to each text."""

    @abstractmethod
    def copy(self) -> Self:
        """Streams that go on from here by themselves."""

    @abstractmethod
    def restore(self, before: Self) -> None:
        """Become again what a copy, which is used for nothing else, has kept."""

    @abstractmethod
    def scores(self, *, ended: bool = False) -> list:
        """What is known of the bytes pushed or read with ``score=True``, and if ``ended`` of the end."""

    def push(self, byte_values: Sequence[int | None], *, forget: bool = True) -> None:
        """Read one byte of each text, None for no byte; ``forget=False`` keeps what was read ahead.

        ShapeError: if there is not one for each text. ArgumentError: if one is no byte or cannot follow.
        """
        if len(byte_values) != len(self):
            raise ShapeError(f"byte_values has {len(byte_values)} entries, expected {len(self)}")
        for byte in byte_values:
            if byte is not None and not is_byte(byte):
                raise ArgumentError(
                    f"byte_values holds {byte!r}, expected whole numbers from 0 to 255, or None"
                )
        self._push(byte_values)
        if forget:
            self.forget()

    def extend(self, data: Sequence[bytes], *, score: bool = True) -> None:
        """Read several bytes of each text; without ``score`` they do not count as pushed.

        Errors as for :meth:`push`; after one, no text has grown.
        """
        data = [check_bytes(*named) for named in numbered("data", data)]
        if len(data) != len(self):
            raise ShapeError(f"data has {len(data)} entries, expected {len(self)}")
        before = self.copy()
        try:
            if not score:
                return self._skip(data)
            for start in range(0, max(map(len, data), default=0), self.ahead):
                parts = [part[start : start + self.ahead] for part in data]
                self.read_ahead(parts)
                self._push_all(parts, forget=False)
                self.forget()
        except BaseException:
            self.restore(before)
            raise

    @abstractmethod
    def read_ahead(self, data: Sequence[bytes]) -> None:
        """Compute at once what the next bytes need; the texts stay as they are."""

    @abstractmethod
    def forget(self) -> None:
        """Drop what no cover hangs on any more."""

    @abstractmethod
    def _push(self, byte_values: Sequence[int | None]) -> None:
        """Read bytes that were checked."""

    @abstractmethod
    def _skip(self, data: list[bytes]) -> None:
        """Read bytes without their probabilities."""

    def _push_all(self, data: list[bytes], *, forget: bool = True) -> None:
        for index in range(max(map(len, data), default=0)):
            self.push([part[index] if index < len(part) else None for part in data], forget=forget)


Streams = TypeVar("Streams", bound=TextStreams)


class TextStream(Generic[Streams]):
    """The one text of a batch of one."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams

    @property
    def text(self) -> bytes:
        """The text so far, the prefix included."""
        return self._streams.texts[0]

    @property
    def log_probs(self) -> Float64[Tensor, "257"]:
        """Log-probability of each next byte, and of the end."""
        return self._streams.log_probs[0]

    @property
    def log_prob(self) -> float:
        """The sum of the log-probabilities of the bytes pushed."""
        return self._streams.log_probs_of_texts[0]

    def push(self, byte: int) -> None:
        """Read one byte. ArgumentError: if it is no byte, or cannot follow."""
        if not is_byte(byte):
            raise ArgumentError(f"byte is {byte!r}, expected a whole number from 0 to 255")
        self._streams.push([byte])

    def extend(self, data: bytes, *, score: bool = True) -> None:
        """Read several bytes; see :meth:`TextStreams.extend`."""
        self._streams.extend([data], score=score)

    def copy(self) -> Self:
        """A stream that goes on from here by itself."""
        return type(self)(self._streams.copy())


def is_byte(value: object) -> bool:
    """Whether a value is a whole number from 0 to 255, and no bool."""
    return type(value) is int and 0 <= value < END
