"""The benchmark counts what it says, compares like with like, and knows the peer's smallest beam."""

from __future__ import annotations

import json
import math
import sys
from importlib.util import find_spec
from itertools import count

import pytest
import torch

from tests.benchmarks import bench_bytes
from tokenlab.errors import ArgumentError
from tokenlab.lm import load

TEXT = b"def f(x):"


@pytest.fixture(scope="module")
def draft():
    return load("lab-draft")


@pytest.fixture(scope="module")
def readings(draft):
    return bench_bytes.ours(*draft, (2,))


def test_a_method_reads_what_the_distribution_says(draft, readings):
    """Log P(text and byte) - log P(text), from the sums over the covers of each prefix."""
    from tokenlab.bytelevel import ByteLM

    lm = ByteLM(*draft)
    sums = [lm.stream(TEXT[:length]).cover_log_prob for length in range(len(TEXT) + 1)]
    expected = torch.tensor(sums).diff()
    for name in ("valid", "valid, text known"):
        torch.testing.assert_close(torch.tensor(readings[name](TEXT)), expected, rtol=0, atol=1e-4)
    # The leak is far from nothing where a document may begin with a special token.
    assert readings["valid"](TEXT)[0] < float(lm.stream().log_probs[TEXT[0]]) - 0.1


def test_a_wide_beam_finds_no_less_than_the_valid_covers(draft, readings):
    wide = bench_bytes.ours(*draft, (32,))["all, 32"]
    assert math.fsum(wide(TEXT)) >= math.fsum(readings["valid"](TEXT)) - 1e-6


def test_rows_count_bytes_calls_and_tokens(draft):
    model, _ = draft
    calls = []

    def read(text: bytes, length: int) -> list[float]:
        model(torch.zeros(1, length, dtype=torch.long))
        calls.append(text)
        return [-1.0] * len(text)

    def lost(text: bytes) -> list[float]:
        if text != TEXT[:4]:
            raise ArgumentError("no open cover goes on")
        return [0.0] * 4

    methods = {"one": lambda text: read(text, 1), "ten": lambda text: read(text, 10), "lost": lost}
    texts = {"a": TEXT, "b": TEXT * 2}
    ticks, lines = count(), []
    rows, values = bench_bytes.measure(
        methods, model, texts, clock=lambda: float(next(ticks)), report=lines.append
    )
    one, ten, none = rows
    # A tick for each of two texts, of 9 and 18 bytes.
    assert one["bytes_per_second"] == 13.5 and (one["low"], one["high"]) == (9, 18)
    assert one["calls_per_byte"] == ten["calls_per_byte"] == pytest.approx(2 / 27, abs=1e-3)
    assert ten["tokens_per_byte"] == pytest.approx(20 / 27, abs=1e-3)
    assert one["nats_per_byte"] == 1 and values["one"].keys() == texts.keys()
    assert none["error"] == "b: no open cover goes on" and "bytes_per_second" not in none
    assert len(lines) == 3
    assert not model.get_input_embeddings()._forward_hooks
    json.dumps(rows, allow_nan=False)


def test_distances():
    found = {"a": [-1.0, -2.0], "b": [-3.0, -3.0]}
    others = {"a": [-1.5, -1.5], "b": [-3.0, -2.0]}
    assert bench_bytes.distance(found, others) == {"largest": 1.0, "mean": 0.5, "per_byte": 0.5}
    assert bench_bytes.distance(found, {"a": [-1.5, -1.5]}) is None
    assert bench_bytes.distance(found, others | {"b": [-3.0, -math.inf]}) is None
    rows = bench_bytes.agreement(
        {"all, 2": found, "genlm-bytes, 2": others, "all, 1": found, "genlm-bytes, 1": {}}, (1, 2)
    )
    assert rows[0] == {"width": 1, "error": "a byte had probability 0"}
    assert rows[1]["width"] == 2 and rows[1]["largest"] == 1


def test_the_verdict_takes_the_smallest_beam_that_is_wide_enough_at_its_fastest():
    def values(gap: float) -> dict[str, list[float]]:
        return {"a": [-1.0 - gap, -1.0]}

    gaps = {
        "genlm-bytes, 1": math.inf,
        "genlm-bytes, 2": 0.01,
        "genlm-bytes, 5": 0.001,
        "genlm-bytes, 5, own loop": 0.0,
        "genlm-bytes, 10": 0.0,
        "genlm-bytes, 32": 0.0,
    }
    from_wide = bench_bytes.close_to_wide({name: values(gap) for name, gap in gaps.items()}, (5, 32))
    assert "genlm-bytes, 1" not in from_wide
    assert from_wide["genlm-bytes, 2"] == pytest.approx(0.005)

    def rows(clock: str) -> list[dict]:
        rates = {
            "valid": 100.0,
            "valid, text known": 400.0,
            "genlm-bytes, 2": 50.0,
            "genlm-bytes, 5": 4.0,
            "genlm-bytes, 5, own loop": 8.0,
            "genlm-bytes, 10": 20.0,
        }
        found = [{"method": name, clock: rate} for name, rate in rates.items()]
        return [*found, {"method": "genlm-bytes, 1"}]

    lines = bench_bytes.verdict(
        {1: rows("bytes_per_second"), 2: rows("bytes_per_second_wall")},
        from_wide,
        [{"width": 2, "largest": 1e-4, "mean": 1e-5, "per_byte": 0.0}, {"width": 1, "error": "nothing"}],
    )
    assert lines[0].endswith("beside genlm-bytes: at most 1.0e-04 nats apart at any byte, 1.0e-05 on average")
    assert lines[1].endswith("nothing")
    for threads, line in enumerate(lines[2:], start=1):
        assert line.startswith(
            f"threads {threads}: valid covers read 12.5 times the bytes per second of genlm"
        )
        assert "5, own loop, and 50.0 times where the text is known" in line


def test_pieces_are_held_out_and_of_equal_length():
    found = bench_bytes.pieces(64)
    assert len(found) == 4 and {len(text) for text in found.values()} == {64}


@pytest.mark.skipif(find_spec("genlm") is not None, reason="genlm-bytes is installed here")
def test_without_the_peer_it_says_what_to_do(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["bench_bytes"])
    with pytest.raises(SystemExit):
        bench_bytes.main()
    assert "genlm-bytes is not installed here: run `make peers`" in capsys.readouterr().err
