"""Tokens per second of decoding with the lab pair on a CPU, beside its peers.

``python -m tests.benchmarks.bench_generate`` prints a table and saves
``runs/benchmarks/generate_cpu.json``. Every method continues the same prompts at the
same settings: T = 1 without truncation, and greedily; no end of text. The peers are our own
loop without a draft model, transformers' ``generate``, and transformers' assisted generation
with the same draft model: as it is set by default, and with the numbers of assistant tokens
that we try for our chains (constant, no confidence threshold).

One thread; methods take turns at each prompt. Time is processor time, so that other work on the
machine does not enter; wall-clock time stands beside it. Calls of the target model are counted
by a hook, for all methods alike. The spread is over prompts and seeds.
"""

from __future__ import annotations

import json
import platform
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import torch
import transformers
from torch import Tensor

from tests.benchmarks.bench_ops import processor
from tokenlab.commands import RUNS, add_output, check_free, command_parser
from tokenlab.lm import load
from tokenlab.lm.corpus import ASSETS
from tokenlab.sampling import generate as plain_generate
from tokenlab.transport import Branching, Chain, DynamicTree, Sequences, generate

RESULTS = Path(__file__).parent / "results" / "generate_cpu.json"
LENGTHS = (1, 2, 3, 4)
#: transformers' own settings of an assistant.
ASSISTED_DEFAULT = (20, 0.4)

Method = Callable[[Tensor, bool, int], Tensor]


def methods(target, draft, new_tokens: int) -> dict[str, Method]:
    """Each takes a prompt, whether to sample, and a seed; and returns the whole text."""

    def plain(prompt: Tensor, do_sample: bool, seed: int) -> Tensor:
        return plain_generate(
            target,
            prompt,
            max_new_tokens=new_tokens,
            rule=None if do_sample else "greedy",
            eos_token_id=(),
            generator=torch.Generator().manual_seed(seed),
        ).sequences

    def theirs(prompt: Tensor, do_sample: bool, seed: int, *, assistant=None, setting=ASSISTED_DEFAULT):
        torch.manual_seed(seed)
        config = draft.generation_config
        config.num_assistant_tokens, config.assistant_confidence_threshold = setting
        config.num_assistant_tokens_schedule = "constant"
        return target.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            max_new_tokens=new_tokens,
            do_sample=do_sample,
            eos_token_id=None,
            assistant_model=assistant,
            **({"top_k": 0} if do_sample else {}),
        )

    def ours(prompt: Tensor, do_sample: bool, seed: int, **options) -> Tensor:
        return generate(
            target,
            draft,
            prompt,
            max_new_tokens=new_tokens,
            do_sample=do_sample,
            eos_token_id=(),
            generator=torch.Generator().manual_seed(seed),
            **options,
        ).sequences

    found: dict[str, Method] = {
        "plain loop": plain,
        "transformers": theirs,
        "transformers assisted, default": partial(theirs, assistant=draft),
    }
    for length in LENGTHS:
        found[f"transformers assisted, {length}"] = partial(theirs, assistant=draft, setting=(length, 0.0))
    for rule in ("recursive", "block"):
        for length in LENGTHS:
            found[f"chain {length}, {rule}"] = partial(ours, drafts=Chain(length), rule=rule)
    for number, length in ((2, 3), (4, 3)):
        for rule in ("recursive", "kseq", "traversal"):
            found[f"iid_sequences {number} x {length}, {rule}"] = partial(
                ours, drafts=Sequences(number, length=length), rule=rule
            )
    for levels in ((2, 2), (4, 2, 1)):
        for rule in ("recursive", "greedy", "traversal"):
            found[f"without_replacement {levels}, {rule}"] = partial(
                ours, drafts=Branching(*levels), rule=rule
            )
    for number in (6, 12):
        for rule in ("recursive", "traversal"):
            found[f"dynamic {number}, {rule}"] = partial(ours, drafts=DynamicTree(number, depth=5), rule=rule)
    return found


def measure(
    models: tuple,
    prompts: list[Tensor],
    seeds: range,
    new_tokens: int,
    *,
    clock: Callable[[], float] = time.process_time,
    report: Callable[[str], None] = print,
) -> list[dict]:
    """A row for each method and each way to sample."""
    target, draft = models
    calls = [0]

    def count(*_):
        calls[0] += 1

    hook = target.register_forward_hook(count)
    rows = []
    try:
        for do_sample in (True, False):
            runs: dict[str, list[tuple[int, float, float, int]]] = {}
            every = methods(target, draft, new_tokens)
            for method in every.values():  # warm up
                method(prompts[0], do_sample, 0)
            for prompt in prompts:
                # Greedy text is the same with every seed.
                for seed in seeds if do_sample else seeds[:1]:
                    for name, method in every.items():
                        calls[0] = 0
                        wall, start = time.perf_counter(), clock()
                        text = method(prompt, do_sample, seed)
                        taken = clock() - start, time.perf_counter() - wall
                        runs.setdefault(name, []).append((text.shape[1] - prompt.shape[1], *taken, calls[0]))
            for name, found in runs.items():
                rows.append({"method": name, "do_sample": do_sample} | _summary(found))
                row = rows[-1]
                report(
                    f"{'sampled' if do_sample else 'greedy':8} {name:40} {row['tokens_per_second']:7.1f} tokens/s "
                    f"({row['low']:.1f} to {row['high']:.1f})  {row['tokens_per_target_call']:5.2f} tokens a call"
                )
    finally:
        hook.remove()
    return rows


def _summary(runs: list[tuple[int, float, float, int]]) -> dict:
    """Totals over all runs, and the fifths of the runs' own rates."""
    tokens, seconds, wall, calls = (sum(column) for column in zip(*runs, strict=True))
    rates = [run[0] / run[1] for run in runs]
    per_call = [run[0] / run[3] for run in runs]
    return {
        "tokens_per_second": round(tokens / seconds, 2),
        "low": round(_fifth(rates, 1), 2),
        "high": round(_fifth(rates, 4), 2),
        "tokens_per_second_wall": round(tokens / wall, 2),
        "tokens_per_target_call": round(tokens / calls, 4),
        "tokens_per_target_call_low": round(_fifth(per_call, 1), 4),
        "tokens_per_target_call_high": round(_fifth(per_call, 4), 4),
        "runs": len(runs),
        "tokens": tokens,
    }


def _fifth(values: list[float], number: int) -> float:
    return statistics.quantiles(values, n=5, method="inclusive")[number - 1] if len(values) > 1 else values[0]


def verdict(rows: list[dict]) -> list[str]:
    """The best chain beside the best of each peer."""
    lines = []
    for do_sample in (True, False):
        here = [row for row in rows if row["do_sample"] == do_sample]

        def best(start: str, here: list[dict] = here) -> dict:
            return max(
                (row for row in here if row["method"].startswith(start)),
                key=lambda row: row["tokens_per_second"],
            )

        chain = best("chain")
        for peer in map(best, ("plain loop", "transformers assisted, default", "transformers assisted")):
            ratio = chain["tokens_per_second"] / peer["tokens_per_second"]
            lines.append(
                f"{'sampled' if do_sample else 'greedy'}: {chain['method']} is {ratio:.2f} times {peer['method']}"
            )
    return lines


def main() -> None:
    parser = command_parser("tests.benchmarks.bench_generate", __doc__.splitlines()[0])
    parser.add_argument("--prompts", type=int, default=6)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--tokens", type=int, default=64)
    add_output(parser, RUNS / "benchmarks" / RESULTS.name, "file of the results")
    options = parser.parse_args()
    check_free([options.output], overwrite=options.overwrite)
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()

    (target, tokenizer), (draft, _) = load("lab-target"), load("lab-draft")
    texts = json.loads((ASSETS / "heldout" / "prompts.json").read_text())["prompts"]
    # Both kinds of prompts, source and prose, in equal parts where there are enough.
    chosen = [text for kind in _kinds(texts) for text in kind[: -(-options.prompts // len(_kinds(texts)))]]
    chosen = chosen[: options.prompts]
    prompts = [tokenizer(text["text"], return_tensors="pt").input_ids for text in chosen]
    rows = measure((target, draft), prompts, range(options.seeds), options.tokens)
    lines = verdict(rows)
    print(*lines, sep="\n")
    result = {
        "command": "python -m tests.benchmarks.bench_generate",
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "device": processor(),
        "threads": 1,
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        },
        "models": ["lab-target", "lab-draft"],
        "prompts": [text["id"] for text in chosen],
        "seeds": list(range(options.seeds)),
        "new_tokens": options.tokens,
        "statistic": "tokens over processor time, all runs together; fifths of the runs; sampled at T = 1",
        "rows": rows,
        "verdict": lines,
    }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(result, indent=1) + "\n")


def _kinds(texts: list[dict]) -> list[list[dict]]:
    kinds: dict[str, list[dict]] = {}
    for text in texts:
        kinds.setdefault(text["kind"], []).append(text)
    return list(kinds.values())


if __name__ == "__main__":
    main()
