"""Philox-4x32-10 in plain Python: what the Gumbel kernel's noise must be.

Reference: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3",
2011, figure 3 and table 2; the test checks it against the authors' known answers.
"""

from __future__ import annotations

import torch
from torch import Tensor

MASK = 2**32 - 1


def philox(counter: tuple[int, int, int, int], key: tuple[int, int], rounds: int = 10) -> tuple[int, ...]:
    """Four random words of 32 bits."""
    a, b, c, d = counter
    k, m = key
    for _ in range(rounds):
        high, low = divmod(0xD2511F53 * a, 2**32)
        high2, low2 = divmod(0xCD9E8D57 * c, 2**32)
        a, b, c, d = high2 ^ b ^ k, low2, high ^ d ^ m, low
        k, m = (k + 0x9E3779B9) & MASK, (m + 0xBB67AE85) & MASK
    return a, b, c, d


def kernel_uniforms(seed: int, rows: int, vocab: int) -> Tensor:
    """The float64 uniforms that the kernel's words stand for, (word + 1/2) / 2^32."""
    key = (seed & MASK, seed >> 32 & MASK)
    words = [
        [word for column in range(-(-vocab // 4)) for word in philox((column, row, 0, 0), key)][:vocab]
        for row in range(rows)
    ]
    return (torch.tensor(words, dtype=torch.float64) + 0.5) / 2**32
