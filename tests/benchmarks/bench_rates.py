"""Time of acceptance rates and of the optimum, as the vocabulary grows.

``python -m tests.benchmarks.bench_rates`` prints a table and saves
``runs/benchmarks/rates_cpu.json``. Each time is the median over the repeats of the
wall clock, on all cores.
"""

from __future__ import annotations

import json
import platform
import statistics
import time
from datetime import UTC, datetime
from pathlib import Path

import torch

from tests.benchmarks.bench_ops import processor
from tokenlab.commands import RUNS, add_output, check_free, command_parser
from tokenlab.transport import acceptance_rate, optimal_acceptance_rate

RESULTS = Path(__file__).parent / "results" / "rates_cpu.json"
ROWS, DRAFTS, SEED = 64, 8, 0
VOCABULARIES = (4_096, 16_384, 65_536, 128_256, 262_144)
#: Rules with a closed form for any vocabulary, each with its own sampling.
RULES = ("target_only", "naive", "recursive", "kseq", "greedy")


def main() -> None:
    parser = command_parser("tests.benchmarks.bench_rates", __doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    add_output(parser, RUNS / "benchmarks" / RESULTS.name, "file of the results")
    parser.add_argument("--vocabularies", type=int, nargs="+", default=VOCABULARIES)
    options = parser.parse_args()
    check_free([options.output], overwrite=options.overwrite)

    rows = []
    for vocab in options.vocabularies:
        generator = torch.Generator().manual_seed(SEED)
        logits = 3 * torch.randn(ROWS, vocab, generator=generator)
        target = logits.softmax(-1)
        draft = (0.8 * logits + torch.randn(ROWS, vocab, generator=generator)).softmax(-1)
        calls = {rule: lambda rule=rule: acceptance_rate(target, draft, DRAFTS, rule) for rule in RULES}
        calls |= {
            f"optimum, {sampling}": lambda sampling=sampling: optimal_acceptance_rate(
                target, draft, DRAFTS, sampling
            )
            for sampling in ("iid", "greedy")
        }
        for name, call in calls.items():
            seconds = median_seconds(call, options.repeats)
            rows.append(
                {"quantity": name, "shape": [ROWS, vocab], "drafts": DRAFTS, "seconds": round(seconds, 5)}
            )
            print(f"{ROWS} x {vocab:<7} {name:18} {seconds:8.4f} s")

    result = {
        "command": "python -m tests.benchmarks.bench_rates",
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "device": processor(),
        "threads": torch.get_num_threads(),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "seed": SEED,
        "repeats": options.repeats,
        "statistic": "median wall clock",
        "rows": rows,
    }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(result, indent=1) + "\n")


def median_seconds(call, repeats: int) -> float:
    """Median wall clock of a call, after one to warm up."""
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


if __name__ == "__main__":
    main()
