"""What a verifier is tried on: pairs of distributions at one node, toy models for chains.

=======  ==================  =======================================
..       node                chain
=======  ==================  =======================================
drafts   k for one position  one for each of L positions
outcome  the token           accepted drafts, and the token after
output   the token           L + 1 tokens, completed by the target
=======  ==================  =======================================
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from tokenlab.ops import top_k
from tokenlab.transport.conformance.chain_rules import block_distribution
from tokenlab.transport.node import optimum
from tokenlab.transport.node.drafts import MAX_TUPLES, draft_distribution, draw_drafts
from tokenlab.transport.node.verdict import normalised
from tokenlab.transport.rules import SAMPLINGS

#: Samplings that a verifier can be tried with; with "top_k" nothing is drawn.
TRIED_SAMPLINGS: tuple[str, ...] = (*SAMPLINGS, "top_k")


@dataclass(frozen=True)
class NodeCase:
    """One pair of distributions, and k drafts."""

    name: str
    target: Float64[Tensor, " vocab"]
    draft: Float64[Tensor, " vocab"]
    num_drafts: int
    sampling: str

    def __str__(self) -> str:
        return f"{self.name}, {len(self.target)} tokens, {self.num_drafts} draft{'s' * (self.num_drafts > 1)}"

    @property
    def outcomes(self) -> tuple[int, ...]:
        return (len(self.target),)

    def drafts(self) -> tuple[Int64[Tensor, "tuples drafts"], Float64[Tensor, " tuples"]]:
        """All drafts that can come, and their probabilities."""
        if self.sampling == "top_k":
            return self._most_probable().unsqueeze(0), self.target.new_ones(1)
        tuples, mass = draft_distribution(self.draft, self.num_drafts, self.sampling)
        return tuples[mass > 0], mass[mass > 0]

    def draw(self, count: int, generator: torch.Generator) -> Int64[Tensor, "count drafts"]:
        if self.sampling == "top_k":
            return self._most_probable().expand(count, -1)
        rows = self.draft.expand(count, -1)
        return draw_drafts(rows, self.num_drafts, self.sampling, generator=generator, validate=False)

    def inputs(self, drafts: Tensor) -> tuple[Tensor, Tensor]:
        """What a batched verifier gets beside the drafts."""
        return self.target.clone(), self.draft.clone()

    def rows(self, drafts: Tensor) -> tuple[Float64[Tensor, "tuples vocab"], Float64[Tensor, "tuples vocab"]]:
        """Target and draft for each row of drafts."""
        return self.target.expand(len(drafts), -1), self.draft.expand(len(drafts), -1)

    def target_distribution(self) -> Float64[Tensor, " outputs"]:
        return self.target

    def output_distribution(
        self, drafts: Tensor, mass: Tensor, distributions: Float64[Tensor, "tuples vocab"]
    ) -> Tensor:
        return (mass.unsqueeze(-1) * distributions).sum(0)

    def accepted(
        self, drafts: Tensor, distributions: Float64[Tensor, "tuples vocab"]
    ) -> Float64[Tensor, " tuples"]:
        """Probability that the output is one of the drafts."""
        return (distributions * torch.zeros_like(distributions).scatter_(-1, drafts, 1.0)).sum(-1)

    def optimal_rate(self) -> float:
        if self.sampling == "top_k":
            return self.target[self._most_probable()].sum().item()
        rate, _ = optimum.optimal_acceptance_rate(self.target, self.draft, self.num_drafts, self.sampling)
        return rate.item()

    def outputs(self, drafts: Tensor, outcome: Int64[Tensor, " count"], generator) -> Int64[Tensor, " count"]:
        return outcome

    def accepted_share(self, drafts: Tensor, outcome: Int64[Tensor, " count"]) -> Float64[Tensor, " count"]:
        return (drafts == outcome.unsqueeze(-1)).any(-1).double()

    def _most_probable(self) -> Int64[Tensor, " drafts"]:
        return top_k(self.draft, self.num_drafts, validate=False).indices


@dataclass(frozen=True)
class ChainCase:
    """Two toy models: next-token distributions after every prefix of up to L tokens.

    Table i has a row for each prefix of i tokens, read as a number to the base of the vocabulary.
    """

    name: str
    target: tuple[Float64[Tensor, "prefixes vocab"], ...]
    draft: tuple[Float64[Tensor, "prefixes vocab"], ...]

    def __str__(self) -> str:
        return f"{self.name}, {self.vocab} tokens, chain of {self.length}"

    @property
    def length(self) -> int:
        return len(self.draft)

    @property
    def vocab(self) -> int:
        return self.target[0].shape[-1]

    @property
    def outcomes(self) -> tuple[int, ...]:
        return self.length + 1, self.vocab

    def drafts(self) -> tuple[Int64[Tensor, "tuples length"], Float64[Tensor, " tuples"]]:
        paths = torch.tensor(list(product(range(self.vocab), repeat=self.length)))
        mass = _flow(self.draft).flatten()
        return paths[mass > 0], mass[mass > 0]

    def draw(self, count: int, generator: torch.Generator) -> Int64[Tensor, "count length"]:
        paths, mass = self.drafts()
        return paths[torch.multinomial(mass, count, replacement=True, generator=generator)]

    def inputs(self, drafts: Tensor) -> tuple[Tensor, Tensor]:
        return self.rows(drafts)

    def rows(self, drafts: Int64[Tensor, "count length"]) -> tuple[Tensor, Tensor]:
        """Both models along each path: ``[count, L + 1, vocab]`` and ``[count, L, vocab]``."""
        prefixes = self._prefixes(drafts)
        return tuple(
            torch.stack([table[prefix] for table, prefix in zip(model, prefixes, strict=False)], 1)
            for model in (self.target, self.draft)
        )

    def target_distribution(self) -> Float64[Tensor, " outputs"]:
        return _flow(self.target).flatten()

    def output_distribution(
        self, drafts: Tensor, mass: Tensor, distributions: Float64[Tensor, "tuples accepted vocab"]
    ) -> Float64[Tensor, " outputs"]:
        r"""Of L + 1 tokens, with the mass :math:`e_m` of blocks that end after m:

        .. math:: A_m(x_{1:m}) = e_m(x_{1:m}) + A_{m-1}(x_{1:m-1})\, p(x_m \mid x_{1:m-1}).
        """
        arrived = distributions.new_zeros(1)
        for accepted, (table, prefix) in enumerate(zip(self.target, self._prefixes(drafts), strict=True)):
            ended = torch.zeros_like(table).index_add_(
                0, prefix, mass.unsqueeze(-1) * distributions[:, accepted]
            )
            arrived = (ended + arrived.unsqueeze(-1) * table).flatten()
        return arrived

    def accepted(self, drafts: Tensor, distributions: Tensor) -> Float64[Tensor, " tuples"]:
        """Expected share of the drafts that is accepted."""
        count = torch.arange(self.length + 1, dtype=distributions.dtype)
        return (distributions.sum(-1) * count).sum(-1) / self.length

    def optimal_rate(self) -> float:
        """Of block verification, the best rule that sees the drafted path only."""
        drafts, mass = self.drafts()
        return (mass * self.accepted(drafts, block_distribution(*self.rows(drafts), drafts))).sum().item()

    def outputs(
        self, drafts: Tensor, outcome: Int64[Tensor, " count"], generator: torch.Generator
    ) -> Int64[Tensor, " count"]:
        """The block, completed with draws from the target, as one number."""
        accepted, token = outcome // self.vocab, outcome % self.vocab
        prefix = torch.zeros_like(outcome)
        for position, table in enumerate(self.target):
            drawn = torch.multinomial(table[prefix], 1, generator=generator).squeeze(-1)
            here = torch.where(accepted == position, token, drawn)
            if position < self.length:
                here = torch.where(accepted > position, drafts[:, position], here)
            prefix = prefix * self.vocab + here
        return prefix

    def accepted_share(self, drafts: Tensor, outcome: Int64[Tensor, " count"]) -> Float64[Tensor, " count"]:
        return (outcome // self.vocab).double() / self.length

    def _prefixes(self, drafts: Int64[Tensor, "count length"]) -> list[Int64[Tensor, " count"]]:
        prefix = torch.zeros_like(drafts[:, 0])
        prefixes = [prefix]
        for token in drafts.unbind(-1):
            prefix = prefix * self.vocab + token
            prefixes.append(prefix)
        return prefixes


Case = NodeCase | ChainCase


def _flow(model: Sequence[Tensor]) -> Tensor:
    """Probability of every sequence of one token for each table."""
    mass = model[0].new_ones(1)
    for table in model:
        mass = (mass.unsqueeze(-1) * table).flatten()
    return mass


def node_pairs(vocab: int) -> dict[str, tuple[Tensor, Tensor]]:
    """Target and draft by name: generic pairs, and the edges where rules break."""
    rising = torch.arange(1, vocab + 1).double()
    uniform, first, last = (torch.zeros(vocab).double() for _ in range(3))
    uniform[:], first[0], last[-1] = 1, 1, 1
    peak = 8.0 * vocab
    half = torch.arange(vocab) < (vocab + 1) // 2
    generator = torch.Generator().manual_seed(vocab)
    random = [torch.randint(1, 10, (vocab,), generator=generator).double() for _ in range(4)]
    pairs = {
        "reversed": (rising.flip(0), rising),
        "random": (random[0], random[1]),
        "equal": (rising, rising),
        "peaked": (uniform + peak * first, uniform + peak * last),
        "disjoint": (rising * half, rising * ~half),
        "uniform draft": (rising, uniform),
        "point draft": (rising, last),
        "point target": (first, rising),
        "the draft's favourite is impossible": (rising * (1 - last), rising + last),
    }
    if vocab > 2:
        # Zeros at different ends; the middle is shared.
        pairs["zeros in both"] = (random[2] * (1 - first), random[3] * (1 - last))
    pairs |= _BY_HAND.get(vocab, {})
    empty = torch.zeros(())
    return {name: (normalised(p, empty), normalised(q, empty)) for name, (p, q) in pairs.items()}


def _pair(target: Sequence[float], draft: Sequence[float]) -> tuple[Tensor, Tensor]:
    return torch.tensor(target).double(), torch.tensor(draft).double()


_BY_HAND = {
    2: {
        "3:1 against 1:3": _pair([3, 1], [1, 3]),
        "1:1 against 1:3": _pair([1, 1], [1, 3]),
        "1:3 against 1:1": _pair([1, 3], [1, 1]),
        "9:1 against 1:1": _pair([9, 1], [1, 1]),
    },
    3: {"5:3:2 against 2:3:5": _pair([5, 3, 2], [2, 3, 5])},
}


#: Pairs for drawn tokens, where each one costs draws; the first of these that a vocabulary has.
_DRAWN = {2: ("3:1 against 1:3",), 3: ("5:3:2 against 2:3:5",)}


def node_cases(
    vocab_sizes: Sequence[int],
    num_drafts: Sequence[int],
    sampling: str,
    pairs: Sequence[tuple[Tensor, Tensor]] | None,
    *,
    few: bool,
) -> list[NodeCase]:
    """Every pair with every number of drafts that it can give; ``few`` for drawn tokens."""
    if pairs is not None:
        named = [(f"pair {number}", *pair) for number, pair in enumerate(pairs)]
    else:
        named = [
            (name, *pair)
            for vocab in vocab_sizes
            for name, pair in node_pairs(vocab).items()
            if not few or name in _DRAWN.get(vocab, ("random", "zeros in both"))
        ]
    return [
        NodeCase(name, target, draft, k, sampling)
        for name, target, draft in named
        for k in num_drafts
        if sampling == "iid" or int((draft > 0).sum()) >= k
    ]


def chain_cases(vocab_sizes: Sequence[int], lengths: Sequence[int], *, few: bool) -> Iterator[ChainCase]:
    for vocab, length in product(vocab_sizes, lengths):
        generator = torch.Generator().manual_seed(100 * vocab + length)

        model = partial(_toy_model, vocab, generator=generator)
        target = model(length + 1)
        yield ChainCase("random", target, model(length))
        yield ChainCase("another random", model(length + 1), model(length))
        if few:
            continue
        yield ChainCase("equal", target, target[:length])
        yield ChainCase("zeros in the draft", target, model(length, zero=0))
        yield ChainCase("zeros in the target", model(length + 1, zero=0), model(length))
        if vocab == 2:
            yield ChainCase("disjoint", model(length + 1, zero=0), model(length, zero=1))


def _toy_model(
    vocab: int, levels: int, *, generator: torch.Generator, zero: int | None = None
) -> tuple[Float64[Tensor, "prefixes vocab"], ...]:
    """Small whole numbers over their sums; token ``zero`` never comes."""
    tables = []
    for level in range(levels):
        table = torch.randint(1, 6, (vocab**level, vocab), generator=generator).double()
        if zero is not None:
            table[:, zero] = 0
        tables.append(table / table.sum(-1, keepdim=True))
    return tuple(tables)


def too_many(vocab: int, count: int) -> bool:
    """Whether there are more tuples than are listed."""
    return vocab**count > MAX_TUPLES


def distinct_rows(
    drafts: Int64[Tensor, "count drafts"],
) -> tuple[Int64[Tensor, "tuples drafts"], Int64[Tensor, " count"]]:
    """The different rows, and which of them each is."""
    base = int(drafts.max()) + 1
    if base ** drafts.shape[-1] >= 2**62:
        return drafts.unique(dim=0, return_inverse=True)
    # Rows read as numbers are sorted much faster than rows.
    codes = (drafts * base ** torch.arange(drafts.shape[-1])).sum(-1)
    different, which = codes.unique(return_inverse=True)
    example = torch.empty_like(different).scatter_(0, which, torch.arange(len(drafts)))
    return drafts[example], which
