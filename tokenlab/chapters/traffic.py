"""What PyTorch operations read and write, in bytes, counted from the shapes of their tensors.

Where memory is the bottleneck, this count decides the time. It is a lower bound: each
operation reads its operands at least once and writes its results at least once.
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
    """One operation's way through memory: its name, and the bytes that it reads and writes."""

    operation: str
    read: int
    written: int


def memory_traffic(function: Callable[..., Any], *tensors: Tensor) -> list[Pass]:
    """The passes over memory that ``function(*tensors)`` makes, operation by operation.

    Nothing is computed and no memory is needed: the function is called on tensors that
    have a shape and a dtype but no values (``device="meta"``). It must therefore not ask
    for a value, as ``.item()`` does. What an operation does inside is one pass here.

    Parameters
    ----------
    function : callable
        Made of PyTorch operations on ``tensors``.
    *tensors : Tensor
        Their shapes, strides and dtypes count, their values do not.

    Returns
    -------
    list of Pass
        ``operation``, and the bytes ``read`` and ``written``, for each operation that is
        not only a new view of the same memory.

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
    """All tensors among values, also inside lists and tuples."""
    if isinstance(values, Tensor):
        return [values]
    return [t for value in values for t in _tensors(value)] if isinstance(values, list | tuple) else []


def _bytes(tensors: list[Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
