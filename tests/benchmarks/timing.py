"""Time on a GPU, with the copy bandwidth of the same run as the yardstick."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import torch

from tokenlab.commands import RUNS, add_output, check_free, command_parser

Call = Callable[[], object]
#: Bytes of the buffer that is copied to measure the bandwidth: far more than the cache holds.
COPIED = 2**30


@dataclass(frozen=True)
class Time:
    """Milliseconds: the median, and the fifths on both sides of it."""

    median: float
    low: float
    high: float

    def share_of_copy(self, bytes_moved: int, copy_bandwidth: float) -> float:
        """Bandwidth of this call over that of a copy."""
        return bytes_moved / (1e-3 * self.median) / copy_bandwidth


def cold(call: Callable[[], object]) -> Time:
    """Launched one by one, the second-level cache cleared before each call."""
    from triton.testing import do_bench

    median, low, high = do_bench(call, quantiles=[0.5, 0.2, 0.8])
    return Time(median, low, high)


def in_graph(call: Callable[[], object]) -> float | None:
    """Milliseconds inside a CUDA graph, without launch overhead, the cache as the last call left it.

    None where the call cannot be captured (it waits for the GPU, say).
    """
    from triton.testing import do_bench_cudagraph

    try:
        with torch.cuda.stream(torch.cuda.Stream()):
            return do_bench_cudagraph(call)
    except Exception:
        # A failed capture may leave an error after, which the next call would report.
        torch.cuda.synchronize()
        return None


def copy_bandwidth(timer: Callable[[Callable[[], object]], Time] = cold, device: str = "cuda") -> float:
    """Bytes per second that a large copy reads and writes."""
    source = torch.zeros(COPIED if device == "cuda" else 2**20, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    time = timer(lambda: target.copy_(source))
    return 2 * source.numel() / (1e-3 * time.median)


def provenance(command: str, seed: int) -> dict:
    """Date, device and versions: where the numbers of a results file come from."""
    import triton

    return {
        "command": command,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else platform.processor(),
        "driver": _driver(),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "cuda": torch.version.cuda,
            "triton": triton.__version__,
        },
        "seed": seed,
    }


def _driver() -> str | None:
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        return subprocess.run(query, capture_output=True, text=True, check=True).stdout.split()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        return None


def command_line(
    name: str, about: str, results: Path, measure: Callable[[], dict], goals: Callable[[dict], list[dict]]
) -> None:
    """Measure, judge the goals, save; without a GPU say so."""
    parser = command_parser(f"tests.benchmarks.{name}", about.splitlines()[0])
    add_output(parser, RUNS / "benchmarks" / results.name, "file of the results")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit(f"{name} needs a CUDA device, found none: an interpreter's times say nothing")
    check_free([options.output], overwrite=options.overwrite)
    result = measure()
    result["goals"] = goals(result)
    for goal in result["goals"]:
        print(f"{'met   ' if goal['met'] else 'missed'} {goal['goal']}: {goal['found']}")
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(result, indent=1) + "\n")
    print(f"saved {options.output}")
