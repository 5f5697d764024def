"""``{benchmarks}``: a results file of tests/benchmarks as a chart, with its tables folded.

``{benchmarks-unmeasured}`` says once what waits for a GPU.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import benchmark_words
from benchmark_charts import CHARTS
from docutils import nodes
from sphinx.util.docutils import SphinxDirective
from tables import table

from tokenlab.figures import METHODS

RESULTS = Path(__file__).parents[2] / "tests" / "benchmarks" / "results"
#: What is measured on a GPU, by the directive's argument.
ON_A_GPU = {
    "kernels": "primitives over a vocabulary",
    "transport": "verification",
    "byte_masses": "the next byte",
}
NOTHING = "–"

Rows = list[list[str]]
#: Head of a column -> what stands in it for a row of the results file.
Columns = Mapping[str, Callable[[dict], str]]


def load(name: str) -> dict | None:
    """A results file, or None if it was never made."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def listed(entries: list[dict], columns: Columns) -> Rows:
    """A head, and a row for each entry."""
    return [list(columns), *([cell(entry) for cell in columns.values()] for entry in entries)]


# On a GPU: a kernel's time, and what others take of it.


def kernel_table(columns: Columns, others: Mapping[str, str]) -> Callable[[dict], Rows]:
    """A table with one row for each case: what it is, the kernel's time, and the ratio of others.

    Rows of the results file with equal ``columns`` are one case; ``others`` are providers by the
    name in the file.
    """
    times = {
        "Kernel, µs": lambda row: f"{1e3 * row['ms']:.1f}",
        "In a graph, µs": lambda row: NOTHING if row["graph_ms"] is None else f"{1e3 * row['graph_ms']:.1f}",
        "Share of copy": lambda row: f"{row['share_of_copy']:.0%}",
    }

    def make(result: dict) -> Rows:
        cases: dict[tuple, dict[str, dict]] = {}
        for row in result["rows"]:
            key = (row["operation"], *row["shape"], row["dtype"])
            cases.setdefault(key, {})[row["provider"]] = row
        rows = listed([found["kernel"] for found in cases.values()], {**columns, **times})
        rows[0] += others.values()
        for cells, found in zip(rows[1:], cases.values(), strict=True):
            cells += [ratio(found.get(provider)) for provider in others]
        return rows

    return make


def ratio(row: dict | None) -> str:
    """How many times the kernel's time another provider takes."""
    if row is None:
        return NOTHING
    return "failed" if "error" in row else f"{row['ratio']:.2f}x"


def operation(row: dict) -> str:
    return row["operation"]


def shape(row: dict) -> str:
    return f"{row['shape'][0]} x {row['shape'][1]:,}"


def dtype(row: dict) -> str:
    return row["dtype"]


kernels = kernel_table(
    {"Operation": operation, "Rows x vocabulary": shape, "Dtype": dtype},
    {"eager": "Eager", "torch.compile": "torch.compile", "flashinfer": "FlashInfer"},
)
transport = kernel_table(
    {
        "Case": operation,
        "Nodes x vocabulary": shape,
        "Drafts": lambda row: str(row["drafts"]),
        "Dtype": dtype,
    },
    {
        "eager": "Eager",
        "torch.compile": "torch.compile",
        "transformers": "transformers",
        "flashinfer": "FlashInfer",
        "vllm": "vLLM",
    },
)
byte_masses = kernel_table(
    {
        "Byte": operation,
        "Rows x vocabulary": shape,
        "Tokens read": lambda row: f"{row['tokens']:,}",
        "Dtype": dtype,
    },
    {
        "eager": "Eager",
        "index_add": "index_add",
        "two scatters": "Two scatters",
        "sparse product": "Sparse product",
        "torch.compile": "torch.compile",
    },
)


def goals(result: dict) -> Rows:
    """The goals that a benchmark sets itself, and whether they are met."""
    return listed(
        result["goals"],
        {
            "Goal": lambda goal: goal["goal"],
            "Measured": lambda goal: goal["found"],
            "Met": lambda goal: "yes" if goal["met"] else "no",
        },
    )


# What the compiler made of the kernels that read whole rows.


def compiled_table(columns: Columns) -> Callable[[dict], Rows]:
    """A table with one row for each kernel; the page says what an entry is, whose instructions are counted."""
    machine_code = {
        "Registers": lambda launch: str(launch["registers"]),
        "Spills": lambda launch: str(launch["spills"]),
        "Per entry": lambda launch: f"{launch['instructions'] / launch['tokens_per_thread']:.1f}",
        "16-byte loads": lambda launch: f"{launch['wide_loads']} of {launch['loads']}",
    }

    def make(result: dict) -> Rows:
        reading = [launch for launch in result["launches"] if launch["tokens_per_thread"]]
        return listed(reading, {**columns, "Dtype": dtype, **machine_code})

    return make


def case(launch: dict) -> str:
    return launch["case"]


def kernel(launch: dict) -> str:
    return launch["kernel"].strip("_").removesuffix("_kernel").replace("_", " ")


compiled = compiled_table({"Operation": case})
# All but the marked rows read logits.
compiled_transport = compiled_table(
    {
        "Case": lambda launch: case(launch) if launch["logits"] else f"{case(launch)}, of probabilities",
        "Kernel": kernel,
    }
)
# Some entries of a slot stay empty: they are no tokens, and are read all the same.
compiled_bytes = compiled_table({"Case": case, "Kernel": kernel})


# On a CPU.


def references(result: dict) -> Rows:
    """The references beside plain PyTorch, a row for each operation."""
    return listed(
        result["rows"],
        {
            "Operation": operation,
            "Rows x vocabulary": shape,
            "Dtype": dtype,
            "Reference, ms": lambda row: f"{row['reference_ms']:.2f}",
            "Plain PyTorch": lambda row: row["plain"],
            "Its time, ms": lambda row: f"{row['plain_ms']:.2f}",
        },
    )


def rates(result: dict) -> Rows:
    """One row for each quantity: its time for each vocabulary, which shows how it grows."""
    sizes = sorted({row["shape"][1] for row in result["rows"]})
    count, drafts = result["rows"][0]["shape"][0], result["rows"][0]["drafts"]
    seconds = {(row["quantity"], row["shape"][1]): row["seconds"] for row in result["rows"]}
    quantities = dict.fromkeys(row["quantity"] for row in result["rows"])
    head = [f"{count} rows, {drafts} drafts; time in ms at", *(f"{size:,} tokens" for size in sizes)]
    names = METHODS["transport"]
    return [
        head,
        *(
            [
                names[quantity].name if quantity in names else quantity,
                *(f"{1e3 * seconds[quantity, size]:.0f}" for size in sizes),
            ]
            for quantity in quantities
        ),
    ]


def decoding(result: dict) -> Rows:
    """One row for each way of decoding: tokens a second and for a call of the target, sampled and greedy."""
    cases: dict[str, dict[bool, dict]] = {}
    for row in result["rows"]:
        cases.setdefault(row["method"], {})[row["do_sample"]] = row

    def cells(row: dict | None) -> list[str]:
        if row is None:
            return [NOTHING] * 3
        spread = f"{row['low']:.0f} to {row['high']:.0f}"
        return [f"{row['tokens_per_second']:.0f}", spread, f"{row['tokens_per_target_call']:.2f}"]

    head = [
        "Decoding",
        "Sampled, tokens/s",
        "(fifths)",
        "Per call",
        "Greedy, tokens/s",
        "(fifths)",
        "Per call",
    ]
    return [
        head,
        *(
            [benchmark_words.decoding(name), *cells(found.get(True)), *cells(found.get(False))]
            for name, found in cases.items()
        ),
    ]


def verdict(result: dict) -> Rows:
    """What the fastest chain comes to beside the others."""
    lines = benchmark_words.verdict(result["verdict"])
    return [["The fastest chain beside others, by tokens a second"], *([line] for line in lines)]


IMPOSSIBLE = "a byte of probability 0"


def byte_distributions(result: dict) -> Rows:
    """One row for each way of reading a text byte by byte; the processor's time with one thread."""

    def measured(name: str, digits: str) -> Callable[[dict], str]:
        return lambda row: NOTHING if row.get(name) is None else f"{row[name]:{digits}}"

    def spread(row: dict) -> str:
        return NOTHING if "error" in row else f"{row['low']:.1f} to {row['high']:.1f}"

    return listed(
        [row for row in result["rows"] if row["threads"] == 1],
        {
            "Distribution": lambda row: benchmark_words.byte_distribution(row["method"]),
            "Bytes/s": measured("bytes_per_second", ".1f"),
            "(texts)": spread,
            "Calls a byte": measured("calls_per_byte", ".2f"),
            "Tokens a byte": measured("tokens_per_byte", ".1f"),
            "Nats a byte": lambda row: (
                IMPOSSIBLE if row["nats_per_byte"] is None else f"{row['nats_per_byte']:.4f}"
            ),
            "From the widest": measured("from_wide", ".1e"),
        },
    )


def byte_verdict(result: dict) -> Rows:
    """Agreement at equal width, and speed beside the smallest beam that is wide enough."""
    lines = benchmark_words.verdict(result["verdict"])
    return [["This package beside genlm-bytes"], *([line] for line in lines)]


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


def folded(summary: str, tables: list[nodes.Node]) -> list[nodes.Node]:
    """Tables below a line that opens them."""
    head = nodes.raw("", f"<details class='numbers'><summary>{summary}</summary>", format="html")
    return [head, *tables, nodes.raw("", "</details>", format="html")]


class Benchmarks(SphinxDirective):
    """Render one results file, by its name in FILES; nothing if it was never made."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        self.env.note_reread()
        (name,) = self.arguments
        file, makers = FILES[name]
        result = load(file)
        if result is None:
            return []
        chart = nodes.raw("", CHARTS[name](result), format="html")
        return [chart, *folded("All numbers", [origin(result), *(table(make(result)) for make in makers)])]


class Unmeasured(SphinxDirective):
    """One note for all that waits for a GPU."""

    def run(self) -> list[nodes.Node]:
        self.env.note_reread()
        waiting = [what for name, what in ON_A_GPU.items() if load(FILES[name][0]) is None]
        if not waiting:
            return []
        before = (
            f"Not measured yet, since no GPU has been at hand: {', '.join(waiting)}. On a machine with one, "
        )
        after = " runs the kernel tests compiled, measures, and saves the files that this section then shows."
        return [nodes.note("", with_command(before, "make gpu", after))]


def setup(app) -> dict:
    app.add_directive("benchmarks", Benchmarks)
    app.add_directive("benchmarks-unmeasured", Unmeasured)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
