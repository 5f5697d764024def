"""Compile every kernel of ``tokenlab.ops`` for sm_90 as it would be launched, and print the facts.

``python -m tests.ops.compiled`` prints JSON, one entry for each launch of each case; with
``--save`` it also writes the file that the book's page of benchmarks shows. Run it without
``TRITON_INTERPRET``.
"""

from __future__ import annotations

import argparse
import json
import platform
from datetime import UTC, datetime
from pathlib import Path

import torch
import triton

from tests.compile_only import compile_launch, recording
from tokenlab.ops import STATS, kernels

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results" / "kernels_sm90.json"

#: Vocabulary and row stride: as most models have it, as GPT-2 has it, and padded to 16.
LAYOUTS = {"aligned": (128_256, 128_256), "odd": (50_257, 50_257), "padded": (50_257, 50_272)}
SEED = torch.zeros(1, dtype=torch.int64)


#: What is compiled for which layout; another layout differs in its loads only.
CASES = {
    ("float32", "aligned"): (
        "logsumexp, argmax", "all statistics", "two-level sample", "Gumbel sample", "Gumbel sample, given noise", "top-k, 1", "top-k, 8",
    ),
    ("bfloat16", "aligned"): ("logsumexp, argmax", "all statistics", "Gumbel sample", "top-k, 1"),
    ("float32", "padded"): ("all statistics", "Gumbel sample"),
    ("bfloat16", "padded"): ("all statistics", "Gumbel sample"),
    ("float32", "odd"): ("all statistics",),
}  # fmt: skip


def calls(logits: torch.Tensor) -> dict:
    """Name of the case, and a call that launches its kernels."""
    rows, vocab = logits.shape
    return {
        "logsumexp, argmax": lambda: kernels.row_stats(logits, ("logsumexp", "argmax")),
        "all statistics": lambda: kernels.row_stats(logits, STATS),
        "two-level sample": lambda: kernels.two_level(logits, torch.zeros(rows, 2, dtype=torch.float64), 1024),
        "Gumbel sample": lambda: kernels.gumbel_max(logits, seed=SEED),
        "Gumbel sample, given noise": lambda: kernels.gumbel_max(logits, torch.zeros(rows, vocab, dtype=torch.float64)),
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
            with recording(kernels) as recorded:
                calls(logits)[name]()
            where = {"case": name, "dtype": dtype, "layout": layout}
            for launch in recorded:
                facts = where | compile_launch(*launch)
                # Only the kernels whose programs form a plane read all the logits, a tile each.
                tile = launch[2].get("TILE") if len(launch[3]) == 2 else None
                facts["tokens_per_thread"] = tile and tile // (32 * facts["warps"])
                found.append(facts)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--save", action="store_true", help=f"write {RESULTS.name}")
    options = parser.parse_args()
    found = launches()
    print(json.dumps(found))
    if options.save:
        result = {
            "command": "python -m tests.ops.compiled --save",
            "date": datetime.now(UTC).strftime("%Y-%m-%d"),
            "device": "compiled for sm_90",
            "versions": {"python": platform.python_version(), "triton": triton.__version__},
            "launches": [launch for launch in found if launch["layout"] == "aligned"],
        }
        RESULTS.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
