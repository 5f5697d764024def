"""What a draw costs in bytes: as operations of PyTorch, and as the two kernels of this book."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from tokenlab.chapters.kernel_figures import passes
from tokenlab.chapters.traffic import Pass, memory_traffic
from tokenlab.errors import check_int

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def softmax_and_draw(x: Tensor) -> Tensor:
    """Softmax and exponential race, as ``torch.multinomial`` draws one token."""
    probs = x.softmax(-1)
    return (probs / torch.empty_like(probs).exponential_()).argmax(-1)


def two_kernels(rows: int, vocab: int, tile: int) -> list[Pass]:
    """Two launches on float32 logits: all tiles, and then one program for each row.

    The first writes a maximum and a sum for each tile. The second reads them, reads the drawn tile again, and
    writes a token number of eight bytes.
    """
    for name, value in (("rows", rows), ("vocab", vocab), ("tile", tile)):
        check_int(name, value, low=1)
    partial = 2 * 4 * rows * math.ceil(vocab / tile)
    return [Pass("tiles", 4 * rows * vocab, partial), Pass("rows", partial + 4 * rows * tile, 8 * rows)]


def bytes_of_a_draw(rows: int = 256, vocab: int = 128_256, tile: int = 1024) -> tuple[Figure, dict]:
    """Bytes read and written to draw a token from each row, in both ways; ``ratio`` is that of the totals."""
    kernels = two_kernels(rows, vocab, tile)
    operations = memory_traffic(softmax_and_draw, torch.empty(rows, vocab, device="meta"))
    figure, data = passes({"four operations": operations, "two kernels": kernels})
    operations_total, kernels_total = data["total"].values()
    return figure, data | {"ratio": operations_total / kernels_total}
