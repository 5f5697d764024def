"""The results that the page of benchmarks shows: replaced by ``make gpu`` and ``make peers``, on purpose."""

from __future__ import annotations


def replacing(benchmark: str, file: str) -> tuple[str, ...]:
    """Arguments of Python, at the root of a clone: run a benchmark, and replace one of these files."""
    output = ("--output", f"tests/benchmarks/results/{file}", "--overwrite")
    return ("-m", f"tests.benchmarks.{benchmark}", *output)
