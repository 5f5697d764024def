"""Bytes per second of byte-level distributions from lab-target on a CPU, beside genlm-bytes.

``python -m tests.benchmarks.bench_bytes`` prints a table and saves
``runs/benchmarks/bytes_cpu.json``; ``make peers`` runs it in an environment that has
genlm-bytes. All read the same pieces of held-out text byte by byte, from the same model object,
and give the distribution of each next byte before they read it. Only ``valid, text known`` knows the whole
text before it starts, as one who scores texts does; genlm-bytes has no such way.

What is compared is log P(text and byte) - log P(text). Special tokens are outside the byte
alphabet: here by the leak, which is added back to our conditionals, there by naming all of them
as ends of text. A beam is pruned to its width before the distribution is asked for, which is the cheaper
order for genlm-bytes; its own loops ask first, which is measured as well. Its queries wait for no
others, its trie is built before the clock starts, and it may keep the keys and values of its best
context, which it does not by itself.

Methods take turns at each text. Processor time and wall-clock time, with one thread and with
PyTorch's default; the verdict takes the processor's with one thread, the clock's with several.
The spread is the slowest and the fastest text.
"""

from __future__ import annotations

import asyncio
import json
import math
import platform
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from itertools import product
from pathlib import Path

import torch
from tqdm import tqdm

from tests.benchmarks.bench_ops import processor
from tokenlab.commands import RUNS, add_output, check_free, command_parser
from tokenlab.errors import ArgumentError
from tokenlab.lm import load
from tokenlab.lm.corpus import ASSETS

RESULTS = Path(__file__).parent / "results" / "bytes_cpu.json"
MODEL = "lab-target"
WIDTHS = (1, 2, 5, 10, 32, 128)
#: Nats per byte: what counts as the same.
CLOSE = 1e-3
#: Held-out files and where the pieces begin.
PIECES = (
    ("english/01_reading_configuration.txt", 0),
    ("english/07_text_and_encodings.txt", 600),
    ("source/config_reader.py", 0),
    ("source/tokenizer.py", 900),
)
#: Wider beams are measured with one thread only.
NARROW = 10
#: Bytes between two times at which genlm-bytes keeps keys and values, where it does.
KEEP_EVERY = 32

#: Reads a text and returns log P(text and byte) - log P(text) of each byte.
Reading = Callable[[bytes], list[float]]


def pieces(length: int) -> dict[str, bytes]:
    """The texts that are read, by file."""
    return {name: (ASSETS / "heldout" / name).read_bytes()[start : start + length] for name, start in PIECES}


def ours(model, tokenizer, widths: Sequence[int]) -> dict[str, Reading]:
    """Valid covers, a byte at a time and with the text known; and beams over all sequences."""
    from tokenlab.bytelevel import ByteLM

    valid = ByteLM(model, tokenizer)

    def typed(lm: ByteLM, text: bytes) -> list[float]:
        stream, found = lm.stream(), []
        for byte in text:
            found.append(float(stream.log_probs[byte]) + math.log1p(-stream.leak))
            stream.push(byte)
        return found

    def known(text: bytes) -> list[float]:
        score = valid.score(text)
        return (score.log_probs + torch.log1p(-score.leaks)).tolist()

    methods: dict[str, Reading] = {"valid": partial(typed, valid), "valid, text known": known}
    for width in widths:
        methods[f"all, {width}"] = partial(typed, ByteLM(model, tokenizer, "all", beam_width=width))
    return methods


def theirs(model, tokenizer, widths: Sequence[int]) -> dict[str, Reading]:
    """genlm-bytes: pruned before the distribution is asked for; as its own loops do; with keys and values kept."""
    from genlm.backend.llm import AsyncTransformer
    from genlm.bytes import BeamParams, ByteBeamState
    from genlm.bytes.byte_lm.trie_state import LazyTrieState, TrieMode
    from genlm.bytes.trie import AsyncTokenByteTrie

    llm = AsyncTransformer(model, tokenizer, batch_size=max(widths), timeout=0.0)
    specials = sorted({llm.byte_vocab[token].byte_string for token in tokenizer.all_special_ids})
    trie = AsyncTokenByteTrie.from_vocab(llm.byte_vocab, eos_byte_strings=specials, device="cpu")

    async def read(text: bytes, width: int, *, prune_first: bool = True, keep: bool = False) -> list[float]:
        # Contexts that an earlier method computed would cost nothing.
        llm.clear_cache()
        start = LazyTrieState.initial(llm, trie, mode=TrieMode.WITH_EOS)
        beam = ByteBeamState([await start.materialize()], BeamParams(K=width, eos_byte_strings=specials))
        found = []
        for position, byte in enumerate(text):
            if keep and position and position % KEEP_EVERY == 0:
                llm.cache_kv(beam.states[0].lm_state.context)
            if prune_first:
                beam = beam.prune()
            found.append(float((await beam.logp_next()).ps[byte]))
            beam = await (beam.prune() << byte)
        await beam.cleanup()
        return found

    def method(width: int, **options) -> Reading:
        return lambda text: asyncio.run(read(text, width, **options))

    methods = {}
    for width in widths:
        methods[f"genlm-bytes, {width}"] = method(width)
    for width in (width for width in widths if 1 < width <= NARROW):
        methods[f"genlm-bytes, {width}, own loop"] = method(width, prune_first=False)
        methods[f"genlm-bytes, {width}, keys and values kept"] = method(width, keep=True)
    return methods


class Forwards:
    """Calls of a model and tokens in them, padding included, for whoever calls it."""

    def __init__(self, model) -> None:
        self.calls = self.tokens = 0
        # The decoder may be called without its head, but never without its embeddings.
        self.hook = model.get_input_embeddings().register_forward_hook(self._count)

    def _count(self, module, inputs, output) -> None:
        self.calls += 1
        self.tokens += output.shape[:-1].numel()

    def taken(self) -> tuple[int, int]:
        """Calls and tokens since the last question."""
        found, self.calls, self.tokens = (self.calls, self.tokens), 0, 0
        return found


def measure(
    methods: dict[str, Reading],
    model,
    texts: dict[str, bytes],
    *,
    clock: Callable[[], float] = time.process_time,
    report: Callable[[str], None] = print,
) -> tuple[list[dict], dict[str, dict[str, list[float]]]]:
    """A row for each method, and its log-probabilities of each text."""
    counter = Forwards(model)
    runs: dict[str, list[tuple]] = {name: [] for name in methods}
    values: dict[str, dict[str, list[float]]] = {name: {} for name in methods}
    errors: dict[str, str] = {}
    try:
        first = next(iter(texts.values()))
        for read in methods.values():  # warm up
            read(first[:4])
        # Silent where nobody watches.
        for title, name in tqdm(list(product(texts, methods)), disable=None, leave=False):
            text = texts[title]
            counter.taken()
            wall, start = time.perf_counter(), clock()
            try:
                found = methods[name](text)
            except ArgumentError as error:
                # A beam can lose every open cover that goes on with the next byte.
                errors[name] = f"{title}: {error}"
                continue
            taken = clock() - start, time.perf_counter() - wall
            runs[name].append((len(text), *taken, *counter.taken()))
            values[name][title] = found
    finally:
        counter.hook.remove()
    rows = []
    for name, found in runs.items():
        row = {"method": name} | (_summary(found) if found else {})
        row["nats_per_byte"] = _mean(-x for text in values[name].values() for x in text)
        if name in errors:
            row["error"] = errors[name]
        rows.append(row)
        report(_line(row))
    return rows, values


def _summary(runs: list[tuple]) -> dict:
    length, seconds, wall, calls, tokens = (sum(column) for column in zip(*runs, strict=True))
    rates = [run[0] / run[1] for run in runs]
    return {
        "bytes_per_second": round(length / seconds, 2),
        "low": round(min(rates), 2),
        "high": round(max(rates), 2),
        "bytes_per_second_wall": round(length / wall, 2),
        "calls_per_byte": round(calls / length, 3),
        "tokens_per_byte": round(tokens / length, 3),
        "texts": len(runs),
    }


def _mean(values) -> float | None:
    """None for nothing, and where a byte had probability zero: JSON has no infinity."""
    values = list(values)
    total = math.fsum(values) if values else math.inf
    return round(total / len(values), 6) if math.isfinite(total) else None


def _line(row: dict) -> str:
    if "error" in row:
        return f"{row['method']:44} {row['error']}"
    nats = (
        "a byte of probability 0"
        if row["nats_per_byte"] is None
        else f"{row['nats_per_byte']:.5f} nats a byte"
    )
    return (
        f"{row['method']:44} {row['bytes_per_second']:8.1f} bytes/s ({row['low']:.1f} to {row['high']:.1f}), "
        f"{row['calls_per_byte']:.2f} calls and {row['tokens_per_byte']:.1f} tokens a byte, {nats}"
    )


def distance(found: dict[str, list[float]], others: dict[str, list[float]]) -> dict | None:
    """How far two methods are apart; None where one of them did not read all texts.

    ``largest`` and ``mean`` are over bytes; ``per_byte`` is the largest difference of a text's
    log-probability, divided by its length.
    """
    if found.keys() != others.keys():
        return None
    pairs = [list(zip(found[title], others[title], strict=True)) for title in found]
    if not all(math.isfinite(x) for text in pairs for pair in text for x in pair):
        return None
    gaps = [abs(a - b) for text in pairs for a, b in text]
    texts = [abs(math.fsum(a - b for a, b in text)) / len(text) for text in pairs]
    return {"largest": max(gaps), "mean": math.fsum(gaps) / len(gaps), "per_byte": max(texts)}


def agreement(values: dict[str, dict[str, list[float]]], widths: Sequence[int]) -> list[dict]:
    """Our beam beside theirs at each width."""
    rows = []
    for width in widths:
        found = distance(values[f"all, {width}"], values[f"genlm-bytes, {width}"])
        rows.append({"width": width} | (found or {"error": "a byte had probability 0"}))
    return rows


def close_to_wide(values: dict[str, dict[str, list[float]]], widths: Sequence[int]) -> dict[str, float]:
    """Nats per byte between each of their beams and the widest, at the worst text."""
    wide = values[f"genlm-bytes, {max(widths)}"]
    found = {name: distance(own, wide) for name, own in values.items() if name.startswith("genlm-bytes")}
    return {name: gap["per_byte"] for name, gap in found.items() if gap is not None}


def smallest_beam(rows: list[dict], from_wide: dict[str, float], clock: str) -> str:
    """Of their beams that are close to the widest the smallest, and of its ways the fastest."""
    rate = {row["method"]: row[clock] for row in rows if clock in row}
    near = [name for name, gap in from_wide.items() if gap <= CLOSE]
    least = min(map(_width, near))
    return max((name for name in near if _width(name) == least), key=lambda name: rate[name])


def _width(method: str) -> int:
    return int(method.split(", ")[1])


def verdict(results: dict[int, list[dict]], from_wide: dict[str, float], found: list[dict]) -> list[str]:
    """Agreement at equal width, and speed beside the smallest beam that is wide enough."""
    lines = []
    for row in found:
        gap = (
            row.get("error")
            or f"at most {row['largest']:.1e} nats apart at any byte, {row['mean']:.1e} on average"
        )
        lines.append(f"all sequences, beam of {row['width']}, beside genlm-bytes: {gap}")
    for threads, rows in results.items():
        clock = "bytes_per_second" if threads == 1 else "bytes_per_second_wall"
        peer = smallest_beam(rows, from_wide, clock)
        rate = {row["method"]: row[clock] for row in rows if clock in row}
        lines.append(
            f"threads {threads}: valid covers read {rate['valid'] / rate[peer]:.1f} times the bytes per second of "
            f"{peer}, and {rate['valid, text known'] / rate[peer]:.1f} times where the text is known "
            f"(that beam is {from_wide[peer]:.1e} nats per byte from the widest)"
        )
    return lines


def main() -> None:
    parser = command_parser("tests.benchmarks.bench_bytes", __doc__.splitlines()[0])
    parser.add_argument("--bytes", type=int, default=128, help="of each text")
    parser.add_argument("--widths", type=int, nargs="+", default=WIDTHS)
    add_output(parser, RUNS / "benchmarks" / RESULTS.name, "file of the results")
    options = parser.parse_args()
    check_free([options.output], overwrite=options.overwrite)
    versions = {"python": platform.python_version()}
    for name in ("torch", "transformers", "genlm-bytes", "genlm-backend"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            parser.error(f"{name} is not installed here: run `make peers`, which has an environment for it")
    default_threads = torch.get_num_threads()
    model, tokenizer = load(MODEL)
    texts = pieces(options.bytes)

    results, values = {}, {}
    for threads in dict.fromkeys((1, default_threads)):
        torch.set_num_threads(threads)
        print(f"threads {threads}")
        widths = options.widths if threads == 1 else [width for width in options.widths if width <= NARROW]
        methods = ours(model, tokenizer, widths) | theirs(model, tokenizer, widths)
        results[threads], found = measure(methods, model, texts)
        # The values are those of one thread.
        values = values or found
    from_wide = close_to_wide(values, options.widths)
    for row in results[1]:
        if row["method"] in from_wide:
            row["from_wide"] = from_wide[row["method"]]
    agreeing = agreement(values, options.widths)
    lines = verdict(results, from_wide, agreeing)
    print(*lines, sep="\n")
    result = {
        "command": f"python -m tests.benchmarks.bench_bytes --bytes {options.bytes} --widths "
        + " ".join(map(str, options.widths)),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "device": processor(),
        "versions": versions,
        "models": [MODEL],
        "dtype": "float32",
        "texts": {title: len(text) for title, text in texts.items()},
        "statistic": "bytes over time, all texts together; the slowest and the fastest text",
        "rows": [{"threads": threads} | row for threads, rows in results.items() for row in rows],
        "agreement": agreeing,
        "verdict": lines,
    }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
