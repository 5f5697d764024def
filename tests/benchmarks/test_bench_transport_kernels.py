"""The benchmark of verification measures what it says: equal results, right bytes, honest rows."""

from __future__ import annotations

import json
import sys
from types import ModuleType

import pytest
import torch

from tests.benchmarks import bench_transport_kernels as bench
from tests.benchmarks.timing import Time
from tests.support.backends import DEVICE, NEEDS_TRITON

pytestmark = NEEDS_TRITON


@pytest.fixture
def run(monkeypatch):
    """A measurement with a clock of its own: every call takes 2 ms, cold, and 1 ms in a graph."""
    monkeypatch.setattr(bench, "COMPILED", ())

    def measure(timer=None, peers=None):
        def clock(call):
            call()
            return Time(2.0, 1.5, 3.0)

        monkeypatch.setattr(bench, "installed_peers", lambda: peers or {})
        monkeypatch.setattr(bench, "version", lambda name: "1.0")
        lines = []
        result = bench.measure(
            requests=2,
            length=2,
            children=2,
            vocab=40,
            dtypes=(torch.float32,),
            device=DEVICE,
            timer=timer or clock,
            graph_timer=lambda call: 1.0,
            report=lines.append,
        )
        return result, lines

    return measure


def test_rows_and_provenance(run):
    result, lines = run()
    assert [row["operation"] for row in result["rows"][::2]] == ["chain", *bench.RULES]
    assert {row["provider"] for row in result["rows"]} == {"kernel", "eager"}
    assert len(lines) == 1 + len(result["rows"])
    for row in result["rows"]:
        bonus = 2 if row["operation"] == "chain" else 0
        assert row["bytes"] == (2 * 4 + bonus) * 40 * 4 and row["shape"] == [4, 40]
        assert row["ratio"] == 1 and row["graph_ms"] == 1
    assert {"command", "date", "device", "driver", "versions", "seed", "peers"} <= result.keys()
    json.dumps(result)


def test_a_peer_that_does_not_run_is_a_row(run):
    def broken(case):
        raise RuntimeError("no such device")

    result, lines = run(peers={"flashinfer": broken})
    (row,) = [row for row in result["rows"] if row["provider"] == "flashinfer"]
    assert row["operation"] == "chain" and row["error"] == "RuntimeError: no such device"
    assert "failed" in "".join(lines) and result["peers"] == {"flashinfer": "1.0"}


def certain(case, positions):
    """The same case with a target that allows one token at each position: what comes out is certain."""
    case.target = torch.full_like(case.target, -40.0).scatter_(-1, positions.unsqueeze(-1), 40.0)
    return case


@pytest.mark.parametrize("name", bench.RULES)
def test_tree_both_sides_compute_the_same(name):
    rule, sampling = bench.RULES[name]
    case = bench.make_tree(8, 3, sampling, 12, torch.float32, DEVICE)
    # At every second node the last child; elsewhere whatever it is.
    positions = torch.arange(8, device=DEVICE)
    positions[::2] = case.tokens[::2, -1]
    case = certain(case, positions)
    for function in (bench.kernel_tree, bench.eager_tree):
        assert torch.equal(function(case, rule, sampling), positions)


def test_chain_everyone_computes_the_same():
    case = bench.make_chain(3, 3, 12, torch.float32, DEVICE)
    # Request 0 accepts all, request 1 the first, request 2 none.
    positions = case.tokens.clone()
    positions[1, 1] = (positions[1, 1] + 1) % 12
    positions[2, 0] = (positions[2, 0] + 1) % 12
    case = certain(case, positions)
    case.bonus = torch.full_like(case.bonus, -40.0).index_fill_(1, torch.tensor([5], device=DEVICE), 40.0)
    expected = torch.cat([positions, torch.full_like(positions[:, :1], 5)], 1)
    expected[1, 2:], expected[2, 1:] = -1, -1
    for function in (bench.kernel_chain, bench.eager_chain):
        assert torch.equal(function(case), expected)
    pytest.importorskip("transformers", reason="transformers is not installed: its rows are not compared")
    found = bench.transformers_chain(case)()
    for (tokens, matches), wanted in zip(found, expected, strict=True):
        wanted = wanted[wanted >= 0]
        assert tokens.flatten().tolist() == wanted.tolist() and int(matches) == len(wanted) - 1


@pytest.mark.parametrize("rule", ["recursive", "kseq"])
def test_eager_residual_is_the_references(rule):
    """What eager draws from when all tests fail, and which tests pass."""
    from tokenlab.transport.node.reference import decide

    case = bench.make_tree(6, 3, "iid", 20, torch.float32, DEVICE)
    p, q = case.target.softmax(-1), case.draft.softmax(-1)
    uniform = torch.rand(case.tokens.shape, generator=torch.Generator().manual_seed(1)).to(DEVICE)
    step = {"recursive": bench.eager_recursive, "kseq": bench.eager_kseq}[rule]
    accepted, residual = step(p, q, case.tokens, uniform, "iid")
    expected = decide(p.double(), q.double(), case.tokens, rule, "iid")
    assert torch.equal(accepted, uniform < expected.accept)
    residual = residual.double() / residual.double().sum(-1, keepdim=True)
    torch.testing.assert_close(residual, expected.residual, rtol=0, atol=1e-4)


def test_vllm_gets_what_its_version_asks_for(monkeypatch):
    """vLLM needs a GPU: here a stand-in looks at what it is given."""
    case = bench.make_chain(2, 3, 12, torch.float32, DEVICE)
    seen = {}

    def by_probs(
        draft_token_ids,
        num_draft_tokens,
        max_spec_len,
        cu_num_draft_tokens,
        draft_probs,
        target_probs,
        bonus_token_ids,
        sampling_metadata,
    ):
        seen.update(locals())

    def by_logits(
        draft_token_ids,
        num_draft_tokens,
        max_spec_len,
        cu_num_draft_tokens,
        draft_probs,
        target_logits,
        bonus_token_ids,
        sampling_metadata,
    ):
        seen.update(locals())

    for function, name in ((by_probs, "target_probs"), (by_logits, "target_logits")):
        module = ModuleType("vllm.v1.sample.rejection_sampler")
        module.rejection_sample = function
        for part in ("vllm", "vllm.v1", "vllm.v1.sample"):
            monkeypatch.setitem(sys.modules, part, ModuleType(part))
        monkeypatch.setitem(sys.modules, "vllm.v1.sample.rejection_sampler", module)
        seen.clear()
        bench.vllm_chain(case)()
        assert seen[name].shape == seen["draft_probs"].shape == (6, 12)
        assert seen["cu_num_draft_tokens"].tolist() == [3, 6] and seen["num_draft_tokens"] == [3, 3]
        assert seen["bonus_token_ids"].shape == (2, 1)


def measured(operation: str, dtype: str, **ratios) -> list[dict]:
    return [
        {
            "operation": operation,
            "dtype": dtype,
            "provider": name.replace("_", "."),
            **({"ratio": ratio} if ratio else {"error": "no"}),
        }
        for name, ratio in ratios.items()
    ]


def test_goals_are_judged():
    rows = measured("chain", "float32", kernel=1.0, eager=4.5, torch_compile=0.5, flashinfer=0.9, vllm=1.4)
    rows += measured("K-SEQ", "float32", kernel=1.0, eager=3.9)
    rows += measured("chain", "bfloat16", kernel=1.0, eager=2.0, flashinfer=None, vllm=1.2)
    found = bench.goals({"rows": rows})
    assert [goal["met"] for goal in found] == [True, False, False, True]
    assert found[1]["found"] == "flashinfer takes 0.90 times as long" and found[2]["found"] == "3.90 times"
