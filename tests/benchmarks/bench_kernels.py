"""Time of the kernels of ``tokenlab.ops`` on a GPU, beside eager PyTorch, ``torch.compile`` and FlashInfer.

``python -m tests.benchmarks.bench_kernels`` prints a table and saves
``runs/benchmarks/kernels_cuda.json``; ``make gpu`` replaces the one that the book shows.

The bytes of an operation are those that it cannot avoid: one read of the logits. Its share
of the copy bandwidth says how close a call comes to that, whatever it really moves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from tests.benchmarks.timing import Call, Time, cold, command_line, copy_bandwidth, in_graph, provenance
from tokenlab.ops import STATS, row_stats, sample_categorical, top_k

RESULTS = Path(__file__).parent / "results" / "kernels_cuda.json"
SHAPES = ((1, 128_256), (8, 128_256), (64, 128_256), (256, 32_000), (256, 50_257), (256, 128_256))
#: torch.compile takes seconds for each, so it runs where it says most.
COMPILED_SHAPES = ((8, 128_256), (256, 128_256))
DTYPES = (torch.float32, torch.bfloat16)
SEED = 0

#: What was aimed at on an H200: operation, dtype, shape, least share of the copy bandwidth.
GOALS = (
    ("logsumexp, argmax", "float32", (256, 128_256), 0.75),
    ("all statistics", "float32", (256, 128_256), 0.60),
    ("all statistics", "bfloat16", (256, 128_256), 0.45),
)
#: Sampling takes at most this many times the statistics that it needs.
SAMPLING_GOAL = ("two-level sample", "logsumexp, argmax", "float32", (256, 128_256), 1.3)


class Operation(NamedTuple):
    """The kernel, and plain PyTorch for the same result (or the same distribution)."""

    kernel: Callable[[Tensor], object]
    eager: Callable[[Tensor], object]


def operations() -> dict[str, Operation]:
    kernel = {"backend": "triton", "validate": False}

    def sample(method: str) -> Callable[[Tensor], object]:
        return lambda logits: sample_categorical(logits, method=method, **kernel)

    return {
        "logsumexp, argmax": Operation(
            lambda logits: row_stats(logits, ("logsumexp", "argmax"), **kernel), plain_logsumexp_argmax
        ),
        "all statistics": Operation(lambda logits: row_stats(logits, STATS, **kernel), plain_statistics),
        "two-level sample": Operation(sample("two_level"), plain_multinomial),
        "Gumbel sample": Operation(sample("gumbel"), plain_gumbel),
        "top-k, 8": Operation(lambda logits: top_k(logits, 8, **kernel), lambda logits: logits.topk(8)),
    }


def plain_logsumexp_argmax(logits: Tensor) -> tuple[Tensor, ...]:
    return logits.float().logsumexp(-1), logits.argmax(-1)


def plain_statistics(logits: Tensor) -> tuple[Tensor, ...]:
    logits = logits.float()
    first, second = logits.topk(2).values.unbind(-1)
    log_probs = logits.log_softmax(-1)
    entropy = -(log_probs.exp() * log_probs.clamp(min=-1000)).sum(-1)
    return first, logits.logsumexp(-1), entropy, first - second, logits.argmax(-1)


def plain_multinomial(logits: Tensor) -> Tensor:
    return torch.multinomial(logits.float().softmax(-1), 1)


def plain_gumbel(logits: Tensor) -> Tensor:
    noise = torch.rand_like(logits, dtype=torch.float32)
    return (logits - (-torch.log1p(-noise)).log()).argmax(-1)


def flashinfer_calls() -> dict[str, Callable[[Tensor], object]]:
    """FlashInfer's functions for the same operations, where it is installed."""
    try:
        import flashinfer
    except ImportError:
        return {}
    sampling = flashinfer.sampling
    return {
        "two-level sample": lambda logits: sampling.sampling_from_probs(sampling.softmax(logits.float())),
        "Gumbel sample": lambda logits: sampling.sampling_from_logits(logits.float()),
    }


def providers(name: str, operation: Operation, shape: tuple[int, int]) -> Iterator[tuple[str, Callable]]:
    """Who computes an operation, beginning with the kernel."""
    yield "kernel", operation.kernel
    yield "eager", operation.eager
    if shape in COMPILED_SHAPES:
        yield "torch.compile", torch.compile(operation.eager, dynamic=False)
    if name in (calls := flashinfer_calls()):
        yield "flashinfer", calls[name]


def measure(
    *,
    shapes: tuple = SHAPES,
    dtypes: tuple = DTYPES,
    device: str = "cuda",
    timer: Callable[[Call], Time] = cold,
    graph_timer: Callable[[Call], float | None] = in_graph,
    report: Callable[[str], None] = print,
) -> dict:
    """The table, as rows with provenance; the timers can be replaced, for a test without GPU."""
    bandwidth = copy_bandwidth(timer, device)
    report(f"copy: {bandwidth / 1e12:.2f} TB/s")
    rows = []
    for dtype in dtypes:
        for shape in shapes:
            torch.manual_seed(SEED)
            logits = (torch.randn(shape, device=device) * 3).to(dtype)
            for name, operation in operations().items():
                rows += [
                    row
                    | {"operation": name, "dtype": str(dtype).removeprefix("torch."), "shape": list(shape)}
                    for row in compare(name, operation, logits, bandwidth, timer, graph_timer, report)
                ]
    return provenance("python -m tests.benchmarks.bench_kernels", SEED) | {
        "copy_bandwidth": bandwidth,
        "statistic": "median of cold launches; the graph's mean is warm",
        "rows": rows,
    }


def compare(
    name: str,
    operation: Operation,
    logits: Tensor,
    bandwidth: float,
    timer: Callable[[Call], Time],
    graph_timer: Callable[[Call], float | None],
    report: Callable[[str], None],
) -> Iterator[dict]:
    """One operation on one tensor: a row for each provider, ratios against the kernel."""
    calls = (
        (provider, partial(function, logits))
        for provider, function in providers(name, operation, tuple(logits.shape))
    )
    where = f"{str(logits.dtype).removeprefix('torch.'):9} {tuple(logits.shape)!s:15} {name:18}"
    size = logits.numel() * logits.element_size()
    yield from race(calls, size, where, bandwidth, timer, graph_timer, report)


def race(
    calls: Iterable[tuple[str, Call]],
    size: int,
    where: str,
    bandwidth: float,
    timer: Callable[[Call], Time],
    graph_timer: Callable[[Call], float | None],
    report: Callable[[str], None],
) -> Iterator[dict]:
    """A row for each provider's call, the kernel's first; ``size`` is the bytes that none can avoid."""
    kernel: Time | None = None
    for provider, call in calls:
        try:
            time = timer(call)
        except Exception as error:
            if provider == "kernel":
                raise
            # A peer that does not run here is part of the result.
            report(f"{where} {provider:14} failed: {type(error).__name__}")
            yield {"provider": provider, "error": f"{type(error).__name__}: {error}"[:200]}
            continue
        kernel = kernel or time
        graph = graph_timer(call)
        share = time.share_of_copy(size, bandwidth)
        report(
            f"{where} {provider:14} {1e3 * time.median:9.1f} us  "
            f"{100 * share:5.1f} % of copy  x{time.median / kernel.median:.2f}"
        )
        yield {
            "provider": provider,
            "ms": round(time.median, 5),
            "ms_low": round(time.low, 5),
            "ms_high": round(time.high, 5),
            "graph_ms": None if graph is None else round(graph, 5),
            "bytes": size,
            "share_of_copy": round(share, 4),
            "ratio": round(time.median / kernel.median, 3),
        }


def goals(result: dict) -> list[dict]:
    """Each goal with what was measured."""

    def find(operation: str, dtype: str, shape: tuple[int, int]) -> dict | None:
        wanted = {"operation": operation, "dtype": dtype, "shape": list(shape), "provider": "kernel"}
        return next((row for row in result["rows"] if wanted.items() <= row.items()), None)

    found = []
    for operation, dtype, shape, share in GOALS:
        if row := find(operation, dtype, shape):
            text = f"{operation}, {dtype}, {shape[0]} x {shape[1]}: at least {share:.0%} of copy"
            found.append(
                {"goal": text, "found": f"{row['share_of_copy']:.0%}", "met": row["share_of_copy"] >= share}
            )
    sample, stats, dtype, shape, factor = SAMPLING_GOAL
    if (above := find(sample, dtype, shape)) and (below := find(stats, dtype, shape)):
        ratio = above["ms"] / below["ms"]
        text = f"{sample}, {dtype}, {shape[0]} x {shape[1]}: at most {factor} times {stats}"
        found.append({"goal": text, "found": f"{ratio:.2f} times", "met": ratio <= factor})
    return found


if __name__ == "__main__":
    command_line("bench_kernels", __doc__, RESULTS, measure, goals)
