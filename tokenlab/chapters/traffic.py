"""What PyTorch operations read and write, in bytes, counted from the shapes of their tensors.

Where memory is the bottleneck, this decides the time. It is a lower bound: each operation reads its
operands and writes its results at least once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

#: Operations that take the shape of their first operand and do not read its values.
WRITE_ONLY = {
    "copy_", "exponential_", "fill_", "full_like", "new_full", "new_ones", "new_zeros", "normal_",
    "ones_like", "rand_like", "randn_like", "uniform_", "zero_", "zeros_like",
}  # fmt: skip


#: Operations that find room for a tensor and touch nothing.
UNTOUCHED = {"empty", "empty_like", "empty_strided", "new_empty"}


class Pass(NamedTuple):
    """One operation's name, and the bytes that it reads and writes."""

    operation: str
    read: int
    written: int


def memory_traffic(function: Callable[..., Any], *tensors: Tensor) -> list[Pass]:
    """The passes over memory that ``function(*tensors)`` makes: an operation each, new views left out.

    Nothing is computed: the function gets tensors without values (``device="meta"``), and must not ask for
    one, as ``.item()`` does.

    Examples
    --------
    >>> import torch
    >>> logits = torch.empty(2, 1000)  # 8,000 bytes
    >>> memory_traffic(lambda x: x.exp().sum(-1), logits)
    [Pass(operation='exp', read=8000, written=8000), Pass(operation='sum', read=8000, written=8)]
    """
    shapes = [tensor.to("meta") for tensor in tensors]
    with _Recorder() as recorder:
        function(*shapes)
    return recorder.passes


class _Recorder(TorchDispatchMode):
    """Sees every operation just before it runs."""

    def __init__(self) -> None:
        super().__init__()
        self.passes: list[Pass] = []

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        results = operation(*args, **(kwargs or {}))
        name = operation.overloadpacket.__name__
        if not operation.is_view and name not in UNTOUCHED:
            operands = _tensors([*args, *(value for key, value in (kwargs or {}).items() if key != "out")])
            read = operands[1:] if name in WRITE_ONLY else operands
            self.passes.append(Pass(name.lstrip("_"), _bytes(read), _bytes(_tensors(results))))
        return results


def _tensors(values: Any) -> list[Tensor]:
    """All tensors, also inside lists and tuples."""
    if isinstance(values, Tensor):
        return [values]
    return [t for value in values for t in _tensors(value)] if isinstance(values, list | tuple) else []


def _bytes(tensors: list[Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
