"""Time of each CPU reference beside the plain PyTorch expression of the same result.

``python -m tests.benchmarks.bench_ops`` prints a table and saves
``runs/benchmarks/ops_cpu.json``. Each time is the median of the repeats, on one
thread, and counts processor time, so that other work on the machine does not enter.

Where PyTorch has no expression for the same result, the row says what is compared:
``torch.topk`` leaves the order of equal logits open, a stable sort does not.
"""

from __future__ import annotations

import json
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from tokenlab.commands import RUNS, add_output, check_free, command_parser
from tokenlab.ops import STATS, open_uniform, reference, sample_categorical

RESULTS = Path(__file__).parent / "results" / "ops_cpu.json"
SHAPES = ((8, 32_000), (64, 32_000), (8, 128_256))
DTYPES = (torch.float32, torch.bfloat16)
SEED = 0

Case = tuple[str, str, Callable[[], object], Callable[[], object]]


def main() -> None:
    parser = command_parser("tests.benchmarks.bench_ops", __doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    add_output(parser, RUNS / "benchmarks" / RESULTS.name, "file of the results")
    options = parser.parse_args()
    check_free([options.output], overwrite=options.overwrite)
    torch.set_num_threads(1)

    rows = []
    for dtype in DTYPES:
        for shape in SHAPES:
            generator = torch.Generator().manual_seed(SEED)
            logits = (torch.randn(shape, generator=generator) * 3).to(dtype)
            for name, plain_name, ours, plain in cases(logits, generator):
                ours_ms, plain_ms = take_turns(ours, plain, options.repeats)
                rows.append(
                    {
                        "operation": name,
                        "dtype": str(dtype).removeprefix("torch."),
                        "shape": list(shape),
                        "reference_ms": round(ours_ms, 4),
                        "plain": plain_name,
                        "plain_ms": round(plain_ms, 4),
                        "ratio": round(ours_ms / plain_ms, 3),
                    }
                )
                print(
                    f"{rows[-1]['dtype']:9} {shape[0]:3} x {shape[1]:<7} {name:26} {ours_ms:9.3f} ms   "
                    f"{plain_ms:9.3f} ms  x{ours_ms / plain_ms:<6.2f} {plain_name}"
                )

    result = {
        "command": "python -m tests.benchmarks.bench_ops",
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "device": processor(),
        "threads": 1,
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "seed": SEED,
        "repeats": options.repeats,
        "statistic": "median processor time",
        "rows": rows,
    }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(result, indent=1) + "\n")


def cases(logits: Tensor, generator: torch.Generator) -> Iterator[Case]:
    """Name of the operation, name of the plain expression, and both as functions of nothing."""

    def stats(*names: str) -> Callable[[], object]:
        return lambda: reference.row_stats(logits, names)

    yield "row_stats, all", "five expressions", stats(*STATS), lambda: all_stats(logits)
    yield "row_stats, max", "amax", stats("max"), lambda: logits.amax(-1).float()
    yield "row_stats, logsumexp", "logsumexp", stats("logsumexp"), lambda: logits.float().logsumexp(-1)
    yield "row_stats, entropy", "softmax, entr, sum", stats("entropy"), lambda: entropy(logits)
    yield "row_stats, margin", "topk(2)", stats("margin"), lambda: margin(logits)
    yield "row_stats, argmax", "argmax", stats("argmax"), lambda: logits.argmax(-1)

    for k in (1, 8, 50):
        yield f"top_k, {k}", "topk, ties open", partial(reference.top_k, logits, k), partial(logits.topk, k)
    yield (
        "top_k, 50",
        "stable sort",
        lambda: reference.top_k(logits, 50),
        lambda: logits.sort(descending=True, stable=True),
    )

    one, two, many = (
        open_uniform(shape, generator=generator)
        for shape in (logits.shape[:-1], (len(logits), 2), logits.shape)
    )
    yield (
        "inverse_cdf",
        "float64 softmax, cumsum, searchsorted",
        lambda: reference.inverse_cdf(logits, one),
        lambda: inverse_cdf(logits, one),
    )
    yield (
        "two_level",
        "float64 softmax, cumsum, searchsorted",
        lambda: reference.two_level(logits, two, 1024),
        lambda: inverse_cdf(logits, one),
    )
    yield (
        "gumbel_max",
        "argmax of logits + noise",
        lambda: reference.gumbel_max(logits, many),
        lambda: (logits.double() - (-torch.log1p(-many)).log()).argmax(-1),
    )
    yield (
        "exponential_race",
        "argmax of float64 softmax / noise",
        lambda: reference.exponential_race(logits, many),
        lambda: (logits.softmax(-1, dtype=torch.float64) / -torch.log1p(-many)).argmax(-1),
    )
    yield (
        "sample_categorical",
        "softmax, multinomial",
        lambda: sample_categorical(logits, generator=generator),
        lambda: torch.multinomial(logits.float().softmax(-1), 1, generator=generator),
    )


def all_stats(logits: Tensor) -> tuple[Tensor, ...]:
    largest = logits.amax(-1).float()
    return largest, logits.float().logsumexp(-1), entropy(logits), margin(logits), logits.argmax(-1)


def entropy(logits: Tensor) -> Tensor:
    return torch.special.entr(logits.float().softmax(-1)).sum(-1)


def margin(logits: Tensor) -> Tensor:
    first, second = logits.topk(2).values.float().unbind(-1)
    return first - second


def inverse_cdf(logits: Tensor, uniform: Tensor) -> Tensor:
    cdf = logits.softmax(-1, dtype=torch.float64).cumsum(-1)
    return torch.searchsorted(cdf, uniform.unsqueeze(-1), right=True)


def take_turns(ours: Callable[[], object], plain: Callable[[], object], repeats: int) -> tuple[float, ...]:
    """Median times in milliseconds, after one call of each to warm up."""
    ours(), plain()
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        for call, found in zip((ours, plain), times, strict=True):
            start = time.process_time()
            call()
            found.append(1e3 * (time.process_time() - start))
    return tuple(map(statistics.median, times))


def processor() -> str:
    """The processor's name, as Linux or else Python tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
