"""``{benchmarks}``: results files of tests/benchmarks as tables, or that nothing was measured."""

from __future__ import annotations

import json
from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective
from tables import table

RESULTS = Path(__file__).parents[2] / "tests" / "benchmarks" / "results"
UNMEASURED = (
    "Not measured yet: no GPU has been at hand. On a machine with one, ",
    " runs the kernel tests compiled, measures, and saves the file that this page then shows.",
)


def load(name: str) -> dict | None:
    """A results file, or None if it was never made."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def kernels(result: dict) -> list[list[str]]:
    """One row per operation, shape and dtype: the kernel's time and how others compare."""
    rows = [
        [
            "Operation",
            "Rows x vocabulary",
            "Dtype",
            "Kernel, µs",
            "In a graph, µs",
            "Share of copy",
            "Eager",
            "torch.compile",
            "FlashInfer",
        ]
    ]
    cases: dict[tuple, dict] = {}
    for row in result["rows"]:
        key = (row["operation"], *row["shape"], row["dtype"])
        cases.setdefault(key, {})[row["provider"]] = row
    for (operation, count, vocab, dtype), found in cases.items():
        kernel = found["kernel"]
        graph = kernel["graph_ms"]
        rows.append(
            [
                operation,
                f"{count} x {vocab:,}",
                dtype,
                f"{1e3 * kernel['ms']:.1f}",
                "–" if graph is None else f"{1e3 * graph:.1f}",
                f"{kernel['share_of_copy']:.0%}",
                *(ratio(found.get(provider)) for provider in ("eager", "torch.compile", "flashinfer")),
            ]
        )
    return rows


def transport(result: dict) -> list[list[str]]:
    """One row per rule and dtype: the kernels' time, and how others compare."""
    others = {
        "eager": "Eager",
        "torch.compile": "torch.compile",
        "transformers": "transformers",
        "flashinfer": "FlashInfer",
        "vllm": "vLLM",
    }
    rows = [["Case", "Nodes x vocabulary", "Drafts", "Dtype", "Kernels, µs", "In a graph, µs", "Share of copy",
             *others.values()]]  # fmt: skip
    cases: dict[tuple, dict] = {}
    for row in result["rows"]:
        cases.setdefault((row["operation"], row["dtype"]), {})[row["provider"]] = row
    for (operation, dtype), found in cases.items():
        kernel = found["kernel"]
        graph = kernel["graph_ms"]
        rows.append(
            [
                operation,
                f"{kernel['shape'][0]} x {kernel['shape'][1]:,}",
                str(kernel["drafts"]),
                dtype,
                f"{1e3 * kernel['ms']:.1f}",
                "–" if graph is None else f"{1e3 * graph:.1f}",
                f"{kernel['share_of_copy']:.0%}",
                *(ratio(found.get(provider)) for provider in others),
            ]
        )
    return rows


def byte_masses(result: dict) -> list[list[str]]:
    """One row per operation, shape and dtype: the kernels' time, and how others compare."""
    others = {
        "eager": "Eager",
        "index_add": "index_add",
        "two scatters": "Two scatters",
        "sparse product": "Sparse product",
        "torch.compile": "torch.compile",
    }
    rows = [["Byte", "Rows x vocabulary", "Tokens read", "Dtype", "Kernels, µs", "In a graph, µs", "Share of copy",
             *others.values()]]  # fmt: skip
    cases: dict[tuple, dict] = {}
    for row in result["rows"]:
        cases.setdefault((row["operation"], *row["shape"], row["dtype"]), {})[row["provider"]] = row
    for (operation, count, vocab, dtype), found in cases.items():
        kernel = found["kernel"]
        graph = kernel["graph_ms"]
        rows.append(
            [
                operation,
                f"{count} x {vocab:,}",
                f"{kernel['tokens']:,}",
                dtype,
                f"{1e3 * kernel['ms']:.1f}",
                "–" if graph is None else f"{1e3 * graph:.1f}",
                f"{kernel['share_of_copy']:.0%}",
                *(ratio(found.get(provider)) for provider in others),
            ]
        )
    return rows


def ratio(row: dict | None) -> str:
    """How many times the kernel's time another provider takes."""
    if row is None:
        return "–"
    return "failed" if "error" in row else f"{row['ratio']:.2f}x"


def goals(result: dict) -> list[list[str]]:
    return [["Goal", "Measured", "Met"]] + [
        [goal["goal"], goal["found"], "yes" if goal["met"] else "no"] for goal in result["goals"]
    ]


def compiled(result: dict) -> list[list[str]]:
    """One row per kernel that reads all logits: what the compiler made of it."""
    reading = [launch for launch in result["launches"] if launch["tokens_per_thread"]]
    head = ["Operation", "Dtype", "Registers", "Spills", "Instructions for a token", "16-byte loads"]
    return [head] + [[launch["case"], launch["dtype"], *_machine_code(launch)] for launch in reading]


def compiled_transport(result: dict) -> list[list[str]]:
    """The same of the verification kernels, several of which make a call."""
    reading = [launch for launch in result["launches"] if launch["tokens_per_thread"]]
    head = [
        "Case",
        "Kernel",
        "Reads",
        "Dtype",
        "Registers",
        "Spills",
        "Instructions for a token",
        "16-byte loads",
    ]
    return [head] + [
        [
            launch["case"],
            launch["kernel"].strip("_").removesuffix("_kernel").replace("_", " "),
            "logits" if launch["logits"] else "probabilities",
            launch["dtype"],
            *_machine_code(launch),
        ]
        for launch in reading
    ]


def compiled_bytes(result: dict) -> list[list[str]]:
    """The same of the kernels for the next byte; some places of a slot stay empty."""
    head = ["Case", "Kernel", "Dtype", "Registers", "Spills", "Instructions for a place", "16-byte loads"]
    return [head] + [
        [
            launch["case"],
            launch["kernel"].strip("_").removesuffix("_kernel"),
            launch["dtype"],
            *_machine_code(launch),
        ]
        for launch in result["launches"]
        if launch["tokens_per_thread"]
    ]


def _machine_code(launch: dict) -> list[str]:
    return [
        str(launch["registers"]),
        str(launch["spills"]),
        f"{launch['instructions'] / launch['tokens_per_thread']:.1f}",
        f"{launch['wide_loads']} of {launch['loads']}",
    ]


def references(result: dict) -> list[list[str]]:
    """One row per operation of the CPU references beside plain PyTorch."""
    rows = [["Operation", "Rows x vocabulary", "Dtype", "Reference, ms", "Plain PyTorch", "Its time, ms"]]
    for row in result["rows"]:
        shape = f"{row['shape'][0]} x {row['shape'][1]:,}"
        rows.append(
            [
                row["operation"],
                shape,
                row["dtype"],
                f"{row['reference_ms']:.2f}",
                row["plain"],
                f"{row['plain_ms']:.2f}",
            ]
        )
    return rows


def rates(result: dict) -> list[list[str]]:
    """One row per quantity: its time for each vocabulary, which shows how it grows."""
    sizes = sorted({row["shape"][1] for row in result["rows"]})
    count, drafts = result["rows"][0]["shape"][0], result["rows"][0]["drafts"]
    seconds = {(row["quantity"], row["shape"][1]): row["seconds"] for row in result["rows"]}
    quantities = dict.fromkeys(row["quantity"] for row in result["rows"])
    head = [f"{count} rows, {drafts} drafts; time in ms at", *(f"{size:,} tokens" for size in sizes)]
    return [head] + [[name, *(f"{1e3 * seconds[name, size]:.0f}" for size in sizes)] for name in quantities]


def decoding(result: dict) -> list[list[str]]:
    """One row per way of decoding: tokens a second and tokens for a call of the target, both ways."""
    head = [
        "Decoding",
        "Sampled, tokens/s",
        "(fifths)",
        "Per call",
        "Greedy, tokens/s",
        "(fifths)",
        "Per call",
    ]
    cases: dict[str, dict[bool, dict]] = {}
    for row in result["rows"]:
        cases.setdefault(row["method"], {})[row["do_sample"]] = row

    def cells(row: dict | None) -> list[str]:
        if row is None:
            return ["–"] * 3
        spread = f"{row['low']:.0f} to {row['high']:.0f}"
        return [f"{row['tokens_per_second']:.0f}", spread, f"{row['tokens_per_target_call']:.2f}"]

    return [head] + [
        [name, *cells(found.get(True)), *cells(found.get(False))] for name, found in cases.items()
    ]


def verdict(result: dict) -> list[list[str]]:
    """What the fastest chain comes to beside the others."""
    return [["The fastest chain beside others, by tokens a second"]] + [[line] for line in result["verdict"]]


def byte_distributions(result: dict) -> list[list[str]]:
    """One row per way of reading a text byte by byte; the processor's time with one thread."""
    head = [
        "Distribution",
        "Bytes/s",
        "(texts)",
        "Calls a byte",
        "Tokens a byte",
        "Nats a byte",
        "From the widest",
    ]
    rows = [row for row in result["rows"] if row["threads"] == 1]

    def cells(row: dict) -> list[str]:
        if "error" in row:
            return ["–", "–", "–", "–", "a byte of probability 0", "–"]
        nats, gap = row["nats_per_byte"], row.get("from_wide")
        return [
            f"{row['bytes_per_second']:.1f}",
            f"{row['low']:.1f} to {row['high']:.1f}",
            f"{row['calls_per_byte']:.2f}",
            f"{row['tokens_per_byte']:.1f}",
            "a byte of probability 0" if nats is None else f"{nats:.4f}",
            "–" if gap is None else f"{gap:.1e}",
        ]

    return [head] + [[row["method"], *cells(row)] for row in rows]


def byte_verdict(result: dict) -> list[list[str]]:
    """Agreement at equal width, and speed beside the smallest beam that is wide enough."""
    return [["This package beside genlm-bytes"]] + [[line] for line in result["verdict"]]


def with_command(before: str, command: str, after: str = "") -> nodes.paragraph:
    """A sentence around a command, whose hyphens stay what they are."""
    return nodes.paragraph("", "", nodes.Text(before), nodes.literal(command, command), nodes.Text(after))


def origin(result: dict) -> nodes.paragraph:
    """Where the numbers come from."""
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items() if version)
    return with_command(f"{result['device']}, {result['date']}, {versions}: ", result["command"])


FILES = {
    "kernels": ("kernels_cuda", (goals, kernels)),
    "compiled": ("kernels_sm90", (compiled,)),
    "transport": ("transport_cuda", (goals, transport)),
    "compiled_transport": ("transport_sm90", (compiled_transport,)),
    "byte_masses": ("bytes_cuda", (goals, byte_masses)),
    "compiled_bytes": ("bytes_sm90", (compiled_bytes,)),
    "byte_distributions": ("bytes_cpu", (byte_verdict, byte_distributions)),
    "references": ("ops_cpu", (references,)),
    "rates": ("rates_cpu", (rates,)),
    "decoding": ("generate_cpu", (verdict, decoding)),
}


class Benchmarks(SphinxDirective):
    """Render one results file, by its name in FILES."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        self.env.note_reread()
        name, tables = FILES[self.arguments[0]]
        result = load(name)
        if result is None:
            before, after = UNMEASURED
            return [nodes.note("", with_command(before, "make gpu", after))]
        return [origin(result), *(table(make(result)) for make in tables)]


def setup(app) -> dict:
    app.add_directive("benchmarks", Benchmarks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
