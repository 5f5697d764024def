"""Compile every kernel of ``tokenlab.transport`` for sm_90 as it would be launched, and print the facts.

``python -m tests.transport.compiled`` prints JSON, one entry for each launch of each case; with
``--save`` it also writes the file that the book's page of benchmarks shows. Run it without
``TRITON_INTERPRET``.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import torch
import triton
from torch import Tensor

from tests.compile_only import compile_launch, recording
from tokenlab.transport import kernels

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results" / "transport_sm90.json"
#: Vocabulary and row stride: as most models have it, as GPT-2 has it, and padded to 16.
LAYOUTS = {"aligned": (128_256, 128_256), "odd": (50_257, 50_257), "padded": (50_257, 50_272)}
DRAFTS = 4


def rule(name: str, sampling: str = "iid") -> Callable[[Tensor, bool], object]:
    def call(rows: Tensor, logits: bool) -> object:
        tokens = torch.zeros(len(rows), DRAFTS, dtype=torch.int64)
        noise = torch.zeros(len(rows), DRAFTS + 2, dtype=torch.float64)
        return kernels.verify(rows, rows, tokens, noise, name, sampling, logits=logits)

    return call


#: A call, and the kernels of it that no case before it has shown.
CASES = {
    "K-SEQ": (rule("kseq"), ("_stats_kernel", "_begin_kernel", "_factors_kernel", "_residual_kernel", "_draw_kernel")),
    "recursive": (rule("recursive"), ("_recursive_kernel", "_residual_kernel")),
    "recursive, without replacement": (rule("recursive", "without_replacement"), ("_recursive_kernel",)),
    "greedy": (rule("greedy", "greedy"), ("_stats_kernel", "_begin_kernel", "_residual_kernel")),
    "S(c), 8 factors": (
        lambda rows, logits: kernels.hockey_stick(rows, rows, torch.ones(len(rows), 8), logits=logits),
        ("_hockey_stick_kernel",),
    ),
    "division factor": (
        lambda rows, logits: kernels.division_factor(rows, rows, DRAFTS, logits=logits),
        ("_factor_kernel",),
    ),
}  # fmt: skip
#: What is compiled: case, dtype, layout, and whether from logits.
WANTED = [
    *((case, "float32", "aligned", True) for case in CASES),
    ("K-SEQ", "bfloat16", "aligned", True),
    ("S(c), 8 factors", "float32", "aligned", False),
    ("S(c), 8 factors", "bfloat16", "padded", True),
    ("S(c), 8 factors", "float32", "odd", True),
]


def launches() -> list[dict]:
    """Every launch of every case, compiled; equal ones once."""
    found = []
    for case, dtype, layout, logits in WANTED:
        call, names = CASES[case]
        vocab, stride = LAYOUTS[layout]
        rows = torch.empty(2, stride, dtype=getattr(torch, dtype))[:, :vocab]
        with recording(kernels) as recorded:
            call(rows, logits)
        where = {"case": case, "dtype": dtype, "layout": layout, "logits": logits}
        for launch in recorded:
            if launch[0].__name__ in names and not (dtype == "bfloat16" and len(launch[3]) == 1):
                facts = where | compile_launch(*launch)
                # Programs that form a plane read whole rows, a tile each.
                tile = launch[2].get("TILE") if len(launch[3]) == 2 else None
                facts["tokens_per_thread"] = tile and tile // (32 * facts["warps"])
                if facts not in found:
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
            "command": "python -m tests.transport.compiled --save",
            "date": datetime.now(UTC).strftime("%Y-%m-%d"),
            "device": "compiled for sm_90",
            "versions": {"python": platform.python_version(), "triton": triton.__version__},
            "launches": [launch for launch in found if launch["layout"] == "aligned"],
        }
        RESULTS.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
