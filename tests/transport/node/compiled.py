"""Compile every kernel of ``tokenlab.transport`` for sm_90 as it would be launched, and print the facts.

``python -m tests.transport.node.compiled`` prints JSON, one entry for each launch of each case; with
``--save`` it also writes the file that the book's page of benchmarks shows. Run it without
``TRITON_INTERPRET``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from tests.support.compile_only import LAYOUTS, command_line, facts_of, recording
from tokenlab.transport.node import kernels
from tokenlab.transport.node.residual import kernels as residual
from tokenlab.transport.node.threshold_search import kernels as threshold_search

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "transport_sm90.json"


DRAFTS = 4


def rule(name: str, sampling: str = "iid") -> Callable[[Tensor, bool], object]:
    def call(rows: Tensor, logits: bool) -> object:
        tokens = torch.zeros(len(rows), DRAFTS, dtype=torch.int64)
        noise = torch.zeros(len(rows), DRAFTS + 2, dtype=torch.float64)
        return kernels.verify(rows, rows, tokens, noise, name, sampling, logits=logits)

    return call


#: A call, and the kernels of it that no case before it has shown.
CASES = {
    "K-SEQ": (
        rule("kseq"),
        ("_stats_kernel", "_begin_kernel", "_factors_kernel", "_residual_kernel", "_draw_kernel"),
    ),
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
}


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
        with recording(kernels, threshold_search, residual) as recorded:
            call(rows, logits)
        where = {"case": case, "dtype": dtype, "layout": layout, "logits": logits}
        for launch in recorded:
            if launch[0].__name__ in names and not (dtype == "bfloat16" and len(launch[3]) == 1):
                facts = facts_of(launch, **where)
                if facts not in found:
                    found.append(facts)
    return found


if __name__ == "__main__":
    command_line("tests.transport.node.compiled", RESULTS, launches)
