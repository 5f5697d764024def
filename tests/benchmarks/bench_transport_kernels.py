"""Time of verification on a GPU, beside eager PyTorch, ``torch.compile`` and other projects.

``python -m tests.benchmarks.bench_transport_kernels`` prints a table and saves
``runs/benchmarks/transport_cuda.json``; ``make gpu`` replaces the one that the book shows.
FlashInfer and vLLM enter where they are installed: ``make peers`` installs them.

A chain: 64 requests with 4 drafts in a row and a bonus token, from logits to the tokens that come
out. A tree: 64 x 4 nodes, 4 children each, every rule. The bytes that nobody can avoid are one
read of the logits of target and draft.
"""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import torch
from torch import Tensor

from tests.benchmarks.bench_kernels import race
from tests.benchmarks.timing import Call, Time, cold, command_line, copy_bandwidth, in_graph, provenance
from tokenlab.ops import sample_categorical
from tokenlab.transport import draw_drafts, verify_logits

RESULTS = Path(__file__).parent / "results" / "transport_cuda.json"
REQUESTS, LENGTH, CHILDREN, VOCAB = 64, 4, 4, 128_256
DTYPES = (torch.float32, torch.bfloat16)
SEED = 0
#: Rules with the distribution of their drafts, for a tree.
RULES = {
    "target-only": ("target_only", "iid"),
    "recursive": ("recursive", "iid"),
    "recursive, without replacement": ("recursive", "without_replacement"),
    "K-SEQ": ("kseq", "iid"),
    "greedy": ("greedy", "greedy"),
}
#: torch.compile takes up to a minute for each.
COMPILED = ("chain", "recursive", "greedy")
HALVINGS = 24
#: Aimed at on an H200: so many times as fast as eager, and no slower than any other project.
EAGER_GOAL, PEER_GOAL = 4.0, 1.0
OWN = ("kernel", "eager", "torch.compile")


@dataclass
class Chain:
    """Logits of target and draft at each position, those of the bonus token, and the drafts."""

    target: Tensor  # requests length vocab
    draft: Tensor  # requests length vocab
    bonus: Tensor  # requests vocab
    tokens: Tensor  # requests length

    @property
    def size(self) -> int:
        return sum(x.numel() * x.element_size() for x in (self.target, self.draft, self.bonus))


@dataclass
class Tree:
    """Logits of target and draft at each node, and its children."""

    target: Tensor  # nodes vocab
    draft: Tensor  # nodes vocab
    tokens: Tensor  # nodes children

    @property
    def size(self) -> int:
        return 2 * self.target.numel() * self.target.element_size()


def logits(shape: tuple[int, ...], dtype: torch.dtype, device: str) -> tuple[Tensor, Tensor]:
    """A target, and a draft that is right more often than not."""
    generator = torch.Generator(device).manual_seed(SEED)
    target = 3 * torch.randn(shape, generator=generator, device=device)
    draft = 0.9 * target + 0.9 * torch.randn(shape, generator=generator, device=device)
    return target.to(dtype), draft.to(dtype)


def make_chain(requests: int, length: int, vocab: int, dtype: torch.dtype, device: str) -> Chain:
    target, draft = logits((requests, length, vocab), dtype, device)
    bonus, _ = logits((requests, vocab), dtype, device)
    return Chain(target, draft, bonus, drafts(draft.flatten(0, 1), 1, "iid").view(requests, length))


def make_tree(nodes: int, children: int, sampling: str, vocab: int, dtype: torch.dtype, device: str) -> Tree:
    target, draft = logits((nodes, vocab), dtype, device)
    return Tree(target, draft, drafts(draft, children, sampling))


def drafts(rows: Tensor, k: int, sampling: str) -> Tensor:
    """Drafts of each row, a few rows at a time: float64 probabilities are large."""
    generator = torch.Generator(rows.device).manual_seed(SEED)
    parts = [
        draw_drafts(part.double().softmax(-1), k, sampling, generator=generator, validate=False)
        for part in rows.split(32)
    ]
    return torch.cat(parts)


# A chain: the tokens that come out of each request, -1 after the last.


def kernel_chain(case: Chain) -> Tensor:
    options = {"backend": "triton", "validate": False}
    found = verify_logits(case.target, case.draft, case.tokens.unsqueeze(-1), "naive", **options)
    bonus = sample_categorical(case.bonus, **options)
    return until_first_rejection(found.token, found.accepted_index == 0, bonus)


def until_first_rejection(tokens: Tensor, accepted: Tensor, bonus: Tensor) -> Tensor:
    """Accepted tokens, the one that replaces the first rejected, or the bonus token."""
    tokens = torch.cat([tokens, bonus.unsqueeze(-1)], -1)
    count = accepted.int().cumprod(-1).sum(-1, keepdim=True)
    return tokens.masked_fill(torch.arange(tokens.shape[-1], device=tokens.device) > count, -1)


def eager_chain(case: Chain) -> Tensor:
    """All requests at once; the residual of the first rejected position only."""
    p, q = case.target.float().softmax(-1), case.draft.float().softmax(-1)
    token = case.tokens.unsqueeze(-1)
    uniform = torch.rand(case.tokens.shape, device=p.device)
    accepted = uniform * q.gather(-1, token).squeeze(-1) < p.gather(-1, token).squeeze(-1)
    count = accepted.int().cumprod(-1).sum(-1)
    position = count.clamp(max=case.tokens.shape[1] - 1).view(-1, 1, 1).expand(-1, 1, p.shape[-1])
    residual = (p.gather(1, position) - q.gather(1, position)).squeeze(1).clamp(min=0)
    complete = (count == case.tokens.shape[1]).unsqueeze(-1)
    drawn = torch.multinomial(torch.where(complete, case.bonus.float().softmax(-1), residual), 1)
    tokens = torch.cat([case.tokens, drawn], -1).scatter(-1, count.unsqueeze(-1), drawn)
    return tokens.masked_fill(torch.arange(tokens.shape[1], device=p.device) > count.unsqueeze(-1), -1)


# A tree: the token that comes out at each node.


def kernel_tree(case: Tree, rule: str, sampling: str) -> Tensor:
    return verify_logits(
        case.target, case.draft, case.tokens, rule, sampling, backend="triton", validate=False
    ).token


def eager_tree(case: Tree, rule: str, sampling: str) -> Tensor:
    """The rule in float32, as one would write it; no step waits for the GPU."""
    p = case.target.float().softmax(-1)
    if rule == "target_only":
        return torch.multinomial(p, 1).squeeze(-1)
    q = case.draft.float().softmax(-1)
    uniform = torch.rand(case.tokens.shape, device=p.device)
    step = {"recursive": eager_recursive, "kseq": eager_kseq, "greedy": eager_greedy}[rule]
    accepted, residual = step(p, q, case.tokens, uniform, sampling)
    drawn = torch.multinomial(residual + 1e-30, 1).squeeze(-1)
    first = case.tokens.gather(-1, accepted.int().argmax(-1, keepdim=True)).squeeze(-1)
    return torch.where(accepted.any(-1), first, drawn)


def passed(p: Tensor, q: Tensor, token: Tensor, uniform: Tensor) -> Tensor:
    return uniform * q.gather(-1, token) < p.gather(-1, token)


def eager_recursive(p: Tensor, q: Tensor, tokens: Tensor, uniform: Tensor, sampling: str):
    accepted = []
    for token, u in zip(tokens.split(1, -1), uniform.split(1, -1), strict=True):
        accepted.append(passed(p, q, token, u))
        p = (p - q).clamp(min=0)
        p = p / p.sum(-1, keepdim=True).clamp(min=1e-30)
        if sampling == "without_replacement":
            q = q.scatter(-1, token, 0.0)
            q = q / q.sum(-1, keepdim=True).clamp(min=1e-30)
    return torch.cat(accepted, -1), p


def eager_kseq(p: Tensor, q: Tensor, tokens: Tensor, uniform: Tensor, sampling: str):
    k = tokens.shape[-1]
    low, high = torch.ones_like(p[:, :1]), torch.full_like(p[:, :1], k)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        once = torch.minimum(p / middle, q).sum(-1, keepdim=True)
        lossless = expected_tests(once, k) <= middle
        low, high = torch.where(lossless, low, middle), torch.where(lossless, middle, high)
    once = torch.minimum(p / high, q)
    residual = p - once * expected_tests(once.sum(-1, keepdim=True), k)
    return uniform * high * q.gather(-1, tokens) < p.gather(-1, tokens), residual.clamp(min=0)


def expected_tests(once: Tensor, k: int) -> Tensor:
    tests = torch.ones_like(once)
    for _ in range(k - 1):
        tests = 1 + (1 - once) * tests
    return tests


def eager_greedy(p: Tensor, q: Tensor, tokens: Tensor, uniform: Tensor, sampling: str):
    q = q.scatter(-1, tokens[:, :-1], 0.0)
    q = q / q.sum(-1, keepdim=True)
    accepted = torch.zeros_like(tokens, dtype=torch.bool)
    accepted[:, -1:] = passed(p, q, tokens[:, -1:], uniform[:, -1:])
    return accepted, (p - q).clamp(min=0)


# Other projects. Each gets the tensors in the layout that it asks for, made beforehand.


def transformers_chain(case: Chain) -> Call:
    """The function after assisted generation, which takes one request at a time."""
    from transformers.generation.utils import _speculative_sampling

    target = torch.cat([case.target, case.bonus.unsqueeze(1)], 1).float()
    draft, length = case.draft.float(), case.tokens.shape[1]

    def call() -> list:
        return [
            _speculative_sampling(case.tokens[i : i + 1], draft[i : i + 1], length, target[i : i + 1])
            for i in range(len(target))
        ]

    return call


def flashinfer_chain(case: Chain) -> Call:
    import flashinfer

    sampling = flashinfer.sampling
    target = torch.cat([case.target, case.bonus.unsqueeze(1)], 1).float()
    draft, tokens = case.draft.float(), case.tokens.int()

    def softmax(rows: Tensor) -> Tensor:
        return sampling.softmax(rows.flatten(0, 1)).view(rows.shape)

    return lambda: sampling.chain_speculative_sampling(softmax(draft), tokens, softmax(target))


def vllm_chain(case: Chain) -> Call:
    from vllm.v1.sample.rejection_sampler import rejection_sample

    requests, length = case.tokens.shape
    target, draft = case.target.flatten(0, 1).float(), case.draft.flatten(0, 1).float()
    tokens = case.tokens.flatten().int()
    ends = length * torch.arange(1, requests + 1, device=tokens.device, dtype=torch.int32)
    warm = torch.ones(requests, device=tokens.device)
    sampling = SimpleNamespace(all_greedy=False, all_random=True, temperature=warm, generators={})
    names = inspect.signature(rejection_sample).parameters

    def call() -> Tensor:
        bonus = torch.multinomial(case.bonus.float().softmax(-1), 1).int()
        given = {
            "draft_token_ids": tokens,
            "num_draft_tokens": [length] * requests,
            "max_spec_len": length,
            "cu_num_draft_tokens": ends,
            "draft_probs": draft.softmax(-1),
            "bonus_token_ids": bonus,
            "sampling_metadata": sampling,
        }
        # Versions differ in whether they take the target's probabilities or its logits.
        given |= (
            {"target_logits": target} if "target_logits" in names else {"target_probs": target.softmax(-1)}
        )
        return rejection_sample(**given)

    return call


PEERS = {"transformers": transformers_chain, "flashinfer": flashinfer_chain, "vllm": vllm_chain}


def installed_peers() -> dict[str, Callable[[Chain], Call]]:
    return {name: make for name, make in PEERS.items() if importlib.util.find_spec(name) is not None}


def calls(name: str, case: Chain | Tree) -> Iterator[tuple[str, Call]]:
    """Who computes a case, beginning with the kernels."""
    if isinstance(case, Chain):
        kernel, eager = kernel_chain, eager_chain
    else:
        rule, sampling = RULES[name]
        kernel, eager = (
            partial(function, rule=rule, sampling=sampling) for function in (kernel_tree, eager_tree)
        )
    yield "kernel", partial(kernel, case)
    yield "eager", partial(eager, case)
    if name in COMPILED:
        yield "torch.compile", partial(torch.compile(eager, dynamic=False), case)
    if isinstance(case, Chain):
        for peer, make in installed_peers().items():
            yield peer, Deferred(make, case)


class Deferred:
    """A peer's call, made at the first use, so that a peer that does not run fails there."""

    def __init__(self, make: Callable[[Chain], Call], case: Chain) -> None:
        self.make, self.case, self.call = make, case, None

    def __call__(self) -> object:
        if self.call is None:
            self.call = self.make(self.case)
        return self.call()


def cases(
    requests: int, length: int, children: int, vocab: int, dtype: torch.dtype, device: str
) -> Iterator[tuple[str, Chain | Tree]]:
    yield "chain", make_chain(requests, length, vocab, dtype, device)
    for name, (_, sampling) in RULES.items():
        yield name, make_tree(requests * length, children, sampling, vocab, dtype, device)


def measure(
    *,
    requests: int = REQUESTS,
    length: int = LENGTH,
    children: int = CHILDREN,
    vocab: int = VOCAB,
    dtypes: tuple = DTYPES,
    device: str = "cuda",
    timer: Callable[[Call], Time] = cold,
    graph_timer: Callable[[Call], float | None] = in_graph,
    report: Callable[[str], None] = print,
) -> dict:
    """The table, as rows with provenance; the timers can be replaced, for a test without GPU."""
    bandwidth = copy_bandwidth(timer, device)
    report(f"copy: {bandwidth / 1e12:.2f} TB/s")
    rows = []
    for dtype in dtypes:
        for name, case in cases(requests, length, children, vocab, dtype, device):
            kind = str(dtype).removeprefix("torch.")
            where = f"{kind:9} {name:30}"
            facts = {
                "operation": name,
                "dtype": kind,
                "shape": [requests * length, vocab],
                "drafts": 1 if name == "chain" else children,
            }
            found = race(calls(name, case), case.size, where, bandwidth, timer, graph_timer, report)
            rows += [row | facts for row in found]
    return provenance("python -m tests.benchmarks.bench_transport_kernels", SEED) | {
        "copy_bandwidth": bandwidth,
        "statistic": "median of cold launches; the graph's mean is warm",
        "requests": requests,
        "peers": {name: version(name) for name in installed_peers()},
        "rows": rows,
    }


def version(name: str) -> str:
    from importlib import metadata

    return metadata.version({"flashinfer": "flashinfer-python"}.get(name, name))


def goals(result: dict) -> list[dict]:
    """Each goal with what was measured: against eager, and for chains against the best other project."""
    found = []
    by_case: dict[tuple[str, str], dict[str, dict]] = {}
    for row in result["rows"]:
        by_case.setdefault((row["operation"], row["dtype"]), {})[row["provider"]] = row
    for (operation, dtype), providers in by_case.items():
        eager = providers["eager"].get("ratio")
        if dtype == "float32" and eager is not None:
            text = f"{operation}, {dtype}: at least {EAGER_GOAL:.0f} times as fast as eager"
            found.append({"goal": text, "found": f"{eager:.2f} times", "met": eager >= EAGER_GOAL})
        peers = {name: row["ratio"] for name, row in providers.items() if name not in OWN and "ratio" in row}
        if peers:
            best = min(peers, key=peers.__getitem__)
            text = f"{operation}, {dtype}: no slower than the best other project"
            found.append(
                {
                    "goal": text,
                    "found": f"{best} takes {peers[best]:.2f} times as long",
                    "met": peers[best] >= PEER_GOAL,
                }
            )
    return found


if __name__ == "__main__":
    command_line("bench_transport_kernels", __doc__, RESULTS, measure, goals)
