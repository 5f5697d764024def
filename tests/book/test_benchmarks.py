"""The page of benchmarks: every file as tables, and honest words where there is none."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.pictures import overlapping_texts


@pytest.fixture(scope="module")
def benchmarks(extension):
    return extension("benchmarks")


def row(provider: str, **values) -> dict:
    where = {"operation": "top-k, 8", "dtype": "float32", "shape": [8, 32_000], "provider": provider}
    return where | values


MEASURED = {
    "rows": [
        row("kernel", ms=0.01234, graph_ms=0.005, share_of_copy=0.7654, ratio=1.0),
        row("eager", ms=0.1, graph_ms=None, share_of_copy=0.1, ratio=8.104),
        row("flashinfer", error="RuntimeError: no"),
    ],
    "goals": [{"goal": "fast", "found": "60%", "met": False}],
}


def test_rows_of_kernels(benchmarks):
    head, cells = benchmarks.kernels(MEASURED)
    assert dict(zip(head, cells, strict=True)) == {
        "Operation": "top-k, 8",
        "Rows x vocabulary": "8 x 32,000",
        "Dtype": "float32",
        "Kernel, µs": "12.3",
        "In a graph, µs": "5.0",
        "Share of copy": "77%",
        "Eager": "8.10x",
        "torch.compile": "–",
        "FlashInfer": "failed",
    }
    assert benchmarks.goals(MEASURED)[1] == ["fast", "60%", "no"]


def test_rows_of_verification(benchmarks):
    where = {"operation": "chain", "dtype": "float32", "shape": [256, 128_256], "drafts": 1}
    measured = {
        "kernel": {"ms": 0.2, "graph_ms": 0.15, "share_of_copy": 0.5, "ratio": 1.0},
        "eager": {"ratio": 5.0},
        "transformers": {"ratio": 40.0},
        "vllm": {"error": "ImportError"},
    }
    head, cells = benchmarks.transport(
        {"rows": [where | {"provider": name} | row for name, row in measured.items()]}
    )
    assert dict(zip(head, cells, strict=True)) == {
        "Case": "chain",
        "Nodes x vocabulary": "256 x 128,256",
        "Drafts": "1",
        "Dtype": "float32",
        "Kernel, µs": "200.0",
        "In a graph, µs": "150.0",
        "Share of copy": "50%",
        "Eager": "5.00x",
        "torch.compile": "–",
        "transformers": "40.00x",
        "FlashInfer": "–",
        "vLLM": "failed",
    }


def test_rows_of_byte_masses(benchmarks):
    where = {"operation": "after a space", "dtype": "bfloat16", "shape": [64, 128_256], "tokens": 51_127}
    measured = {
        "kernel": {"ms": 0.0311, "graph_ms": None, "share_of_copy": 0.25, "ratio": 1.0},
        "eager": {"ratio": 4.5},
        "torch.compile": {"error": "RuntimeError"},
    }
    head, cells = benchmarks.byte_masses(
        {"rows": [where | {"provider": name} | row for name, row in measured.items()]}
    )
    assert dict(zip(head, cells, strict=True)) == {
        "Byte": "after a space",
        "Rows x vocabulary": "64 x 128,256",
        "Tokens read": "51,127",
        "Dtype": "bfloat16",
        "Kernel, µs": "31.1",
        "In a graph, µs": "–",
        "Share of copy": "25%",
        "Eager": "4.50x",
        "index_add": "–",
        "Two scatters": "–",
        "Sparse product": "–",
        "torch.compile": "failed",
    }


def test_rows_of_byte_distributions(benchmarks):
    rate = {
        "bytes_per_second": 38.45,
        "low": 30.0,
        "high": 41.26,
        "calls_per_byte": 1.0,
        "tokens_per_byte": 1.04,
    }
    rows = [
        {"threads": 1, "method": "valid", "nats_per_byte": 1.23456} | rate,
        {"threads": 2, "method": "valid", "nats_per_byte": 1.23456} | rate,
        {"threads": 1, "method": "all, 1", "nats_per_byte": None, "error": "a byte cannot follow"},
        {"threads": 1, "method": "genlm-bytes, 2", "nats_per_byte": None, "from_wide": 0.00123} | rate,
    ]
    head, valid, beam, theirs = benchmarks.byte_distributions({"rows": rows})
    assert dict(zip(head, valid, strict=True)) == {
        "Distribution": "valid covers",
        "Bytes/s": "38.5",
        "(texts)": "30.0 to 41.3",
        "Calls a byte": "1.00",
        "Tokens a byte": "1.0",
        "Nats a byte": "1.2346",
        "From the widest": "–",
    }
    assert beam[1:] == ["–", "–", "–", "–", "a byte of probability 0", "–"]
    assert theirs[-2:] == ["a byte of probability 0", "1.2e-03"]


#: What the repository has results of.
MADE = (
    "compiled",
    "compiled_transport",
    "compiled_bytes",
    "byte_distributions",
    "references",
    "rates",
    "decoding",
)


@pytest.mark.parametrize("name", MADE)
def test_files_in_the_repository_make_tables(benchmarks, name):
    file, makers = benchmarks.FILES[name]
    result = benchmarks.load(file)
    assert {"command", "date", "device", "versions"} <= result.keys()
    for make in makers:
        rows = make(result)
        assert len(rows) > 4 and len({len(cells) for cells in rows}) == 1


@pytest.fixture(scope="module")
def charts(extension):
    return extension("benchmark_charts")


def alt(chart: str) -> str:
    return re.search(r'aria-label="([^"]*)"', chart)[1]


@pytest.fixture(scope="module")
def wording(extension):
    return extension("benchmark_words")


@pytest.mark.parametrize(
    ("recorded", "shown"),
    [
        ("plain loop", "plain loop"),
        ("transformers", "transformers, no draft"),
        ("transformers assisted, default", "transformers, assisted as by default"),
        ("transformers assisted, 1", "transformers, assisted by 1 draft"),
        ("chain 1, block", "1 draft, block"),
        ("iid_sequences 2 x 3, kseq", "2 sequences of 3, K-SEQ"),
        ("without_replacement (4, 2, 1), greedy", "tree 4-2-1, greedy drafts"),
        ("dynamic 12, traversal", "dynamic tree of 12, traversal"),
    ],
)
def test_words_of_decoding(wording, recorded, shown):
    assert wording.decoding(recorded) == shown


def test_words_of_byte_distributions(wording):
    assert wording.byte_distribution("all, 2") == "beam of 2"
    assert wording.byte_distribution("genlm-bytes, 5, own loop") == "genlm-bytes, beam of 5, own loop"


@pytest.mark.parametrize("file", ["generate_cpu", "bytes_cpu"])
def test_recorded_names_and_verdicts_are_worded(benchmarks, wording, file):
    result = benchmarks.load(file)
    named = wording.decoding if file == "generate_cpu" else wording.byte_distribution
    names = [named(row["method"]) for row in result["rows"] if row.get("threads", 1) == 1]
    raw = re.compile(r"_|\bx\b|[()]|^all,|^valid$|^dynamic \d")
    assert [name for name in names if raw.search(name)] == []
    # Rows that differ in the file differ on the page.
    assert len(set(names)) == len({row["method"] for row in result["rows"] if row.get("threads", 1) == 1})
    lines = wording.verdict(result["verdict"])
    assert len(lines) == len(set(result["verdict"])) and set(lines).isdisjoint(result["verdict"])
    for line, recorded in zip(lines, dict.fromkeys(result["verdict"]), strict=True):
        measured = re.findall(r"\d+\.\d+(?:e-\d+)?", recorded)
        assert [number for number in measured if number not in line] == []


def test_charts_show_the_numbers_of_the_files(benchmarks, charts, wording):
    found = {name: alt(charts.CHARTS[name](benchmarks.load(benchmarks.FILES[name][0]))) for name in MADE}
    rows = {row["method"]: row for row in benchmarks.load("generate_cpu")["rows"] if row["do_sample"]}
    for method in charts.DECODING:
        assert f"{wording.decoding(method)} {rows[method]['tokens_per_second']:.3g}" in found["decoding"]
    assert "genlm-bytes, beam of 32 13.8" in found["byte_distributions"]
    assert "own loop" not in found["byte_distributions"]
    (kseq,) = [
        row["seconds"]
        for row in benchmarks.load("rates_cpu")["rows"]
        if row["quantity"] == "kseq" and row["shape"][1] == 262_144
    ]
    assert f"K-SEQ {kseq:.2f} s" in found["rates"]
    assert "two-level sample 12.5" in found["compiled"]
    assert "K-SEQ, stats 27.2; K-SEQ, factors 59.5" in found["compiled_transport"]
    assert "S(c), 8 factors 27.5; S(c), 8 factors, of probabilities 16" in found["compiled_transport"]


@pytest.mark.parametrize("name", MADE)
def test_charts_are_legible_at_full_width_and_on_a_phone(benchmarks, charts, monkeypatch, name):
    drawn = []
    show = charts.show
    monkeypatch.setattr(charts, "show", lambda figure, **how: drawn.append(figure) or show(figure, **how))
    charts.CHARTS[name](benchmarks.load(benchmarks.FILES[name][0]))
    (figure,) = drawn
    assert overlapping_texts(figure) == []


def test_chart_of_kernels_leaves_out_what_failed(charts):
    assert alt(charts.kernels(MEASURED)) == "Bars in share of copy bandwidth: top-k, 8, float32 0.765."


def test_ink_follows_the_page(benchmarks, charts):
    for name in MADE:
        chart = charts.CHARTS[name](benchmarks.load(benchmarks.FILES[name][0]))
        assert "fill: #000000" not in chart and "currentColor" in chart


def test_what_was_not_measured_is_said(benchmarks, html: Path):
    page = (html / "book" / "benchmarks.html").read_text(encoding="utf-8")
    unmeasured = any(
        benchmarks.load(name) is None for name in ("kernels_cuda", "transport_cuda", "bytes_cuda")
    )
    assert ("Not measured yet" in page) == unmeasured
    assert "Per entry" in page and "two-level sample" in page and "K-SEQ" in page
