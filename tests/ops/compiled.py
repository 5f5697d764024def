"""Compile every kernel of ``tokenlab.ops`` for sm_90 as it would be launched, and print the facts.

``python -m tests.ops.compiled`` prints JSON, one entry for each launch of each case; with
``--save`` it also writes the file that the book's page of benchmarks shows. Run it without
``TRITON_INTERPRET``.
"""

from __future__ import annotations

from pathlib import Path

import torch

from tests.support.compile_only import LAYOUTS, command_line, facts_of, recording
from tokenlab.ops import STATS, kernels, tiles

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results" / "kernels_sm90.json"

SEED = torch.zeros(1, dtype=torch.int64)


#: What is compiled for which layout; another layout differs in its loads only.
CASES = {
    ("float32", "aligned"): (
        "logsumexp, argmax",
        "all statistics",
        "two-level sample",
        "Gumbel sample",
        "Gumbel sample, given noise",
        "top-k, 1",
        "top-k, 8",
    ),
    ("bfloat16", "aligned"): ("logsumexp, argmax", "all statistics", "Gumbel sample", "top-k, 1"),
    ("float32", "padded"): ("all statistics", "Gumbel sample"),
    ("bfloat16", "padded"): ("all statistics", "Gumbel sample"),
    ("float32", "odd"): ("all statistics",),
}


def calls(logits: torch.Tensor) -> dict:
    """Name of the case, and a call that launches its kernels."""
    rows, vocab = logits.shape
    return {
        "logsumexp, argmax": lambda: kernels.row_stats(logits, ("logsumexp", "argmax")),
        "all statistics": lambda: kernels.row_stats(logits, STATS),
        "two-level sample": lambda: kernels.two_level(
            logits, torch.zeros(rows, 2, dtype=torch.float64), 1024
        ),
        "Gumbel sample": lambda: kernels.gumbel_max(logits, seed=SEED),
        "Gumbel sample, given noise": lambda: kernels.gumbel_max(
            logits, torch.zeros(rows, vocab, dtype=torch.float64)
        ),
        "top-k, 1": lambda: kernels.top_k(logits, 1),
        "top-k, 8": lambda: kernels.top_k(logits, 8),
    }


def launches() -> list[dict]:
    """Every launch of every case, compiled."""
    found = []
    for (dtype, layout), names in CASES.items():
        vocab, stride = LAYOUTS[layout]
        logits = torch.empty(2, stride, dtype=getattr(torch, dtype))[:, :vocab]
        for name in names:
            with recording(kernels, tiles) as recorded:
                calls(logits)[name]()
            where = {"case": name, "dtype": dtype, "layout": layout}
            found += [facts_of(launch, **where) for launch in recorded]
    return found


if __name__ == "__main__":
    command_line("tests.ops.compiled", RESULTS, launches)
