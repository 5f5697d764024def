"""Time of the masses of the next byte on a GPU, beside the ways to compute them in PyTorch.

``python -m tests.benchmarks.bench_byte_kernels`` prints a table and saves
``runs/benchmarks/bytes_cuda.json``; ``make gpu`` replaces the one that the book shows.

The vocabulary is made up, with first bytes as frequent as in real ones: two fifths of its tokens
begin with a space. The bytes that nobody can avoid are one read of the logits; of a range, one
read of the logits in the range.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from tests.benchmarks.bench_kernels import race
from tests.benchmarks.timing import Call, Time, cold, command_line, copy_bandwidth, in_graph, provenance
from tests.bytelevel.vocabularies import like_a_models
from tokenlab.bytelevel import ByteVocabulary, byte_log_masses

RESULTS = Path(__file__).parent / "results" / "bytes_cuda.json"
SHAPES = ((1, 128_256), (8, 128_256), (64, 128_256), (64, 50_257), (256, 128_256))
#: Where ranges are read as well, and torch.compile, which takes long, is asked.
WHOLE_TABLE = (64, 128_256)
DTYPES = (torch.float32, torch.bfloat16)
SEED = 0
#: Aimed at on an H200, for the first byte in float32: so many times as fast as eager, and so near
#: to one read of the logits, as a share of the copy bandwidth.
EAGER_GOAL, SHARE_GOAL = 3.0, 0.5
#: The bin of tokens that have no bytes.
NOWHERE = 257


@dataclass
class Case:
    """Logits, the tokens that count with the bin of each, and what the kernel is told."""

    logits: Tensor  # rows vocab
    vocabulary: ByteVocabulary
    tokens: Tensor | None  # ids of a range; all tokens if None
    bins: Tensor  # of these tokens
    ranges: tuple[Tensor, ...] = ()
    allowed: Tensor | None = None  # rows tokens, in the order of the vocabulary
    forbidden: Tensor | None = None  # rows vocab, in the order of ids
    normalizer: Tensor | None = None

    @property
    def size(self) -> int:
        return len(self.logits) * len(self.bins) * self.logits.element_size()


def make_case(rows: int, vocab: int, prefix: bytes, masked: bool, dtype: torch.dtype, device: str) -> Case:
    """The first byte where the prefix is empty, else the byte after it with the normaliser known."""
    vocabulary = like_a_models(vocab)
    torch.manual_seed(SEED)
    logits = (torch.randn(rows, vocab, device=device) * 3).to(dtype)
    start, stop = vocabulary.find(prefix)
    bins = torch.from_numpy(vocabulary.byte_at(len(prefix), start, stop)).long().to(device)
    tokens = vocabulary.order[start:stop].to(device)
    case = Case(logits, vocabulary, tokens, bins)
    if prefix:
        positions = (start, stop, len(prefix))
        case.ranges = tuple(torch.full((rows,), position, device=device) for position in positions)
        case.normalizer = logits.double().logsumexp(-1)
    else:
        # In the order of ids, so that nobody has to move the logits.
        case.tokens = None
        case.bins = torch.full((vocab,), NOWHERE, device=device).scatter_(0, tokens, bins)
    if masked:
        case.allowed = torch.rand(rows, len(vocabulary), device=device) < 0.8
        case.forbidden = torch.zeros(rows, vocab, dtype=torch.bool, device=device)
        case.forbidden[:, tokens] = ~case.allowed
    return case


def kernel(case: Case) -> Tensor:
    return byte_log_masses(
        case.logits,
        case.vocabulary,
        *case.ranges,
        allowed=case.allowed,
        normalizer=case.normalizer,
        backend="triton",
        validate=False,
    )


# The same in PyTorch. Each takes the probabilities, or their logarithms, of the tokens that count.


def log_probs(case: Case) -> Tensor:
    """log p of the tokens that count, -inf of those that are not allowed."""
    if case.tokens is None:
        found = case.logits.float().log_softmax(-1)
    else:
        found = case.logits[:, case.tokens].float() - case.normalizer.float().unsqueeze(-1)
    return found if case.forbidden is None else found.masked_fill(case.forbidden, -torch.inf)


def eager(case: Case) -> Tensor:
    """Probabilities, added up by a scatter."""
    p = log_probs(case).exp()
    masses = p.new_zeros(len(p), NOWHERE + 1)
    return masses.scatter_add_(1, case.bins.expand(len(p), -1), p)[:, :NOWHERE].log()


def index_add(case: Case) -> Tensor:
    """The same with the bins once for all rows."""
    p = log_probs(case).exp()
    return p.new_zeros(len(p), NOWHERE + 1).index_add_(1, case.bins, p)[:, :NOWHERE].log()


def two_scatters(case: Case) -> Tensor:
    """Log-sum-exp of each bin, with its own maximum: one scatter for the maxima, one for the sums."""
    x = log_probs(case)
    bins = case.bins.expand(len(x), -1)
    top = x.new_full((len(x), NOWHERE + 1), -torch.inf).scatter_reduce_(1, bins, x, "amax")
    shift = top.masked_fill(top == -torch.inf, 0.0)
    sums = torch.zeros_like(top).scatter_add_(1, bins, (x - shift.gather(1, bins)).exp())
    return (shift + sums.log())[:, :NOWHERE]


def sparse_product(case: Case) -> Callable[[], Tensor]:
    """Probabilities times a matrix of 0 and 1, bins x tokens, made beforehand."""
    count = len(case.bins)
    positions = torch.stack([case.bins, torch.arange(count, device=case.bins.device)])
    ones = torch.ones(count, device=case.bins.device)
    shape = (NOWHERE + 1, count)
    matrix = torch.sparse_coo_tensor(positions, ones, shape, check_invariants=True).coalesce().to_sparse_csr()
    return lambda: torch.sparse.mm(matrix, log_probs(case).exp().T.contiguous()).T[:, :NOWHERE].log()


def calls(case: Case, compiled: bool) -> Iterator[tuple[str, Call]]:
    """Who computes a case, beginning with the kernels."""
    yield "kernel", partial(kernel, case)
    yield "eager", partial(eager, case)
    yield "index_add", partial(index_add, case)
    yield "two scatters", partial(two_scatters, case)
    yield "sparse product", sparse_product(case)
    if compiled:
        yield "torch.compile", partial(torch.compile(two_scatters, dynamic=False), case)


#: Operations on the largest table: the prefix, and whether tokens are masked.
OPERATIONS = {
    "first byte": (b"", False),
    "first byte, allowed tokens": (b"", True),
    "after a space": (b" ", False),
    "after a space and a letter": (b" a", False),
}


def measure(
    *,
    shapes: tuple = SHAPES,
    whole_table: tuple[int, int] = WHOLE_TABLE,
    dtypes: tuple = DTYPES,
    device: str = "cuda",
    compiled: bool = True,
    timer: Callable[[Call], Time] = cold,
    graph_timer: Callable[[Call], float | None] = in_graph,
    report: Callable[[str], None] = print,
) -> dict:
    """The table, as rows with provenance; the timers can be replaced, for a test without GPU."""
    bandwidth = copy_bandwidth(timer, device)
    report(f"copy: {bandwidth / 1e12:.2f} TB/s")
    rows = []
    for dtype in dtypes:
        for shape in shapes:
            for name, (prefix, masked) in OPERATIONS.items():
                if name != "first byte" and shape != whole_table:
                    continue
                case = make_case(*shape, prefix, masked, dtype, device)
                kind = str(dtype).removeprefix("torch.")
                where = f"{kind:9} {shape!s:15} {name:27}"
                facts = {"operation": name, "dtype": kind, "shape": list(shape), "tokens": len(case.bins)}
                asked = calls(case, compiled and shape == whole_table)
                found = race(asked, case.size, where, bandwidth, timer, graph_timer, report)
                rows += [row | facts for row in found]
    return provenance("python -m tests.benchmarks.bench_byte_kernels", SEED) | {
        "copy_bandwidth": bandwidth,
        "statistic": "median of cold launches; the graph's mean is warm",
        "rows": rows,
    }


def goals(result: dict) -> list[dict]:
    """Each goal with what was measured, for the first byte in float32 at 64 x 128,256."""
    wanted = {"operation": "first byte", "dtype": "float32", "shape": list(WHOLE_TABLE)}
    rows = {row["provider"]: row for row in result["rows"] if wanted.items() <= row.items()}
    found = []
    where = f"first byte, float32, {WHOLE_TABLE[0]} x {WHOLE_TABLE[1]:,}"
    if "ratio" in rows.get("eager", {}):
        ratio = rows["eager"]["ratio"]
        text = f"{where}: at least {EAGER_GOAL:.0f} times as fast as eager"
        found.append({"goal": text, "found": f"{ratio:.2f} times", "met": ratio >= EAGER_GOAL})
    if "kernel" in rows:
        share = rows["kernel"]["share_of_copy"]
        text = f"{where}: one read of the logits at {SHARE_GOAL:.0%} of copy, or faster"
        found.append({"goal": text, "found": f"{share:.0%}", "met": share >= SHARE_GOAL})
    return found


if __name__ == "__main__":
    command_line("bench_byte_kernels", __doc__, RESULTS, measure, goals)
