"""The kernels that book/bytelevel/kernels.ipynb defines: labels, solutions, and code for a GPU."""

from __future__ import annotations

import ast
import itertools
import re

import pytest
import torch

from tests.benchmarks.bench_byte_kernels import RESULTS
from tests.support.backends import NEEDS_TRITON
from tests.support.notebook_kernels import KernelNotebook, assert_reads_recorded_times

LAB = 'lab = ByteVocabulary(strings_of("lab-target"))'

#: What the notebook runs on its kernels, by words of the cell that does.
CHECKS = {
    "slots": "check_all(lambda",
    "windows": "check_all(window_masses)",
    "children": "check_children(lab",
    "ranges": 'check_ranges("nothing there"',
}

#: Name of the mistake: what is changed in the notebook's code, and whose check must then fail.
MUTANTS = {
    "empty positions hold a logit of 0": ('mask=ids >= 0, other=-float("inf"))', "mask=ids >= 0, other=0.0)", "slots"),
    "-inf minus -inf": ('return tl.where(top == -float("inf"), 0.0, top)', "return top", "slots"),
    "-inf minus -inf in PyTorch": ("(x - finite(m)[..., None]).exp().sum(-1)  # (4)", "(x - m[..., None]).exp().sum(-1)  # (4)", "slots"),
    "one maximum for all slots": ("m = tl.max(x, 1)  # (3)", "m = tl.full((x.shape[0],), 0.0, tl.float32) + tl.max(tl.max(x, 1), 0)", "slots"),
    "sums at their own maxima": ("S = tl.sum(s * tl.exp(m - _finite(M)), AXIS)", "S = tl.sum(s, AXIS)", "slots"),
    "the first row for all": ("x_ptr + row * vocab + ids, mask=ids >= 0", "x_ptr + ids, mask=ids >= 0", "slots"),
    "a slot not written": ("tl.store(s_ptr + row * slots + k, s, mask=k < slots)", "tl.store(s_ptr + row * slots + k, s, mask=k < slots - 1)", "slots"),
    "tokens without bytes do not count": ("M, S = _join(m, s, 0)\n    part = row * tl.num_programs(1) + block", "M, S = _join(m, tl.where(k < slots - 1, s, 0.0), 0)\n    part = row * tl.num_programs(1) + block", "slots"),
    "the first part only": ("at = row * parts + part\n", "at = row * parts + part * 0\n", "slots"),
    "the first slots only": ("range(0, tl.max(after - first, 0), STEP)", "range(0, 1, STEP)", "slots"),
    "sums not moved to the new maximum": ("S = S * tl.exp(M - _finite(both)) +", "S = S +", "slots"),
    "slots of the next bin": ("inside = k < after[:, None]", "inside = k < slots", "slots"),
    "single precision at the end": ("M.to(tl.float64) + log_S - L,", "(M + log_S.to(tl.float32) - L.to(tl.float32)).to(tl.float64),", "slots"),
    "what has ended comes first": ("position = tl.where(b == 0, 257, b) - 1", "position = b", "slots"),
    "empty positions hold the first token": ('x = tl.where(source < 0, -float("inf"), x)', "", "windows"),
    "the plan of the first window": ("source_ptr + window * SLOTS * WIDTH + tl", "source_ptr + tl", "windows"),
    "the slots of the first window": ("target_ptr + window * SLOTS + tl", "target_ptr + tl", "windows"),
    "slots in the order of windows": ("by_bin = slot_bin.argsort(stable=True)", "by_bin = torch.arange(len(slot_bin))", "windows"),
    "all windows write one part": ("part = row * tl.num_programs(1) + window", "part = row * tl.num_programs(1)", "windows"),
    "the same ids in each window": ("ids = window * WINDOW + tl.arange(0, WINDOW)", "ids = tl.arange(0, WINDOW)", "windows"),
    "the border of the bin before": ("tl.where(longer, byte + 1, 0) < b", "tl.where(longer, byte + 1, 0) <= b", "children"),
    "what has ended is byte 0": ("tl.where(longer, byte + 1, 0)", "tl.where(longer, byte, 0)", "children"),
    "the first byte at every depth": ("mask=left, other=0) + depth", "mask=left, other=0)", "children"),
    "bisection too short": ("len(vocabulary).bit_length()", "len(vocabulary).bit_length() - 2", "children"),
    "slots rounded down": ("- e + WIDTH - 1) // WIDTH", "- e) // WIDTH", "children"),
    "slots begin after themselves": ("f = tl.cumsum(n, 0) - n", "f = tl.cumsum(n, 0)", "children"),
    "slots run on into the next bin": ("tl.load(e_ptr + b + 1)[:, None]", "tl.load(e_ptr + b * 0 + 257)[:, None]", "ranges"),
    "every slot begins its bin": (" + (k - tl.load(f_ptr + b)) * WIDTH", "", "ranges"),
    "positions taken for ids": ("token = tl.load(order_ptr + position, mask=inside, other=0)", "token = position", "ranges"),
    "one plan for all rows": ("join_bins(m, s, f, parts, 258)", "join_bins(m, s, f, parts, 0)", "ranges"),
    "slots of even bins only": ("tl.static_range(9)", "tl.static_range(8)", "ranges"),
    "no normaliser": ("parts = L.double()[:, None].contiguous()", "parts = 0 * L.double()[:, None].contiguous()", "ranges"),
}  # fmt: skip


class TestNotebook(KernelNotebook):
    chapter = "bytelevel"
    constants = """
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
SEED, WIDTH = 0, 32
generator = torch.Generator().manual_seed(SEED)
"""
    triples = {
        "slots": (["torch_slots"], ["_slot_stats"]),
        "joining": (["torch_join"], ["_join"]),
        "masses": (["torch_masses"], ["_slots_kernel", "_bins_kernel", "triton_masses"]),
        "children": (["torch_children"], ["_children_kernel"]),
        "bins of slots": (["torch_slot_bins"], ["_slot_bins"]),
    }
    mutants = MUTANTS
    wrong_solutions = [
        (0, "2.0**-54 / 1e-5", "2.0**-25 / 1e-5"),
        (1, "p[:-reach].where(together, 0.0)", "p[:-reach]"),
        (
            2,
            "whole_m, whole_s = _slot_stats(x)",
            'whole_m, whole_s = _slot_stats(tl.where(allowed, x, -float("inf")))',
        ),
        (3, "tl.where(m > top, k, best)", "tl.where(m > 0, k, best)"),
    ]
    launches = """
x = torch.zeros(2, 50_257)
vocabulary = notebook.ByteVocabulary([n.to_bytes(2, "big") for n in range(50_257)])
ranges = notebook.ranges_of(vocabulary, [b"a", b""])
f = torch.zeros(258, dtype=torch.int32)
with compile_only.recording(notebook) as launches:
    notebook.triton_masses(x, *notebook.plan_slots(vocabulary))
    notebook.window_masses(x.bfloat16(), vocabulary)
    notebook.range_masses(x, vocabulary, ranges, x[:, 0])
    notebook._slot_bins_kernel[(1,)](f, f, 7, LANES=8)
    notebook.atomic_masses(x[0], vocabulary, True)
    notebook.allowed_masses(x, vocabulary, x == 0)
    notebook.best_tokens(x, vocabulary)
"""
    uncompilable = ("_bins_kernel", "tl.arange(0, BINS)", "tl.arange(0, 257)")

    def before_solutions(self):
        return [LAB]

    def compilable(self, solutions):
        found = [re.split(r"\n\n\n(?=small = |x = )", solution)[0] for solution in solutions[2:]]
        assert all("_kernel[" in source and "assert" not in source for source in found)
        return found

    def mutable(self, notebook, functions):
        return "\n\n\n".join(functions.values())

    def check(self, notebook, name):
        """What a cell does besides defining functions."""
        words = CHECKS[name]
        (cell,) = [cell for cell in notebook.cells if cell.cell_type == "code" and words in cell.source]
        body = [node for node in ast.parse(cell.source).body if not isinstance(node, ast.FunctionDef)]
        return [LAB, "\n".join(ast.unparse(node) for node in body)]

    @NEEDS_TRITON
    def test_a_check_without_a_mistake_runs_through(self, notebook, functions, load):
        load(*functions.values(), *self.check(notebook, "children"))

    @pytest.fixture
    def module(self, functions, load):
        pytest.importorskip("triton", reason="triton is not installed (pip install triton)")
        return load(*functions.values())

    def test_slots_hold_every_id_once_and_one_bin_each(self, module):
        vocabulary = module.random_vocabulary(300, b"ab\xff")
        bins = module.bins_of(vocabulary).tolist()
        slots, firsts = (x.tolist() for x in module.plan_slots(vocabulary))
        assert sorted(token for slot in slots for token in slot if token >= 0) == list(range(300))
        for bin_, (first, after) in enumerate(itertools.pairwise(firsts)):
            assert {bins[token] for slot in slots[first:after] for token in slot if token >= 0} <= {bin_}
            assert after - first == -(-bins.count(bin_) // module.WIDTH)

    def test_sectors_are_counted(self, module):
        ids = torch.tensor([[0, 7, 8, -1], [16, 3, 17, 100], [-1, -1, -1, -1]])
        assert module.sectors(ids) == sum(len({i // 8 for i in slot if i >= 0}) for slot in ids.tolist()) == 5

    def test_recorded_times(self, module, notebook, tmp_path):
        assert_reads_recorded_times(module, notebook, RESULTS, tmp_path)

    def test_ratios_that_the_prose_states(self, notebook, prose):
        (cell,) = [c for c in notebook.cells if c.cell_type == "code" and "kernel_figures.passes" in c.source]
        alt = cell.outputs[0]["data"]["text/plain"].partition("\n")[2]
        moved = {name: float(size) for name, size in re.findall(r"(\w[\w ]*) moves ([\d.]+) MB", alt)}
        plain, accurate = (moved[name] / moved["one read"] for name in ("probabilities", "own maxima"))
        assert "more than twice the bytes" in prose and plain > 2
        assert "more than seven times" in prose and accurate > 7

    def test_lines_side_by_side_are_lines_of_the_code(self, prose, functions):
        rows = side_by_side(prose)
        assert [number for number, *_ in rows] == [str(number) for number in range(3, 13)]
        by_torch, by_triton = (
            [functions[name] for names in self.triples.values() for name in names[side]] for side in (0, 1)
        )
        for number, torch_line, triton_line in rows:
            assert stands_at(number, torch_line, by_torch) and stands_at(number, triton_line, by_triton)
            assert not stands_at(number, torch_line + "  # changed", by_torch)


def side_by_side(prose: str) -> list[tuple[str, str, str]]:
    """Number of the equation, PyTorch and Triton of each row of the tables that compare them."""
    return re.findall(r"^\| \((\d+)\) \|.*\| `([^`]+)` \| `([^`]+)`[^|]*\|$", prose, re.M)


def stands_at(number: str, line: str, sources: list[str]) -> bool:
    """Whether a line with this label holds the code."""
    return any(
        line in found and found.endswith(f"# ({number})")
        for source in sources
        for found in source.splitlines()
    )
