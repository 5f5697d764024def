r"""Which tokens of a byte-pair encoding may stand side by side.

BPE merges the adjacent pair of lowest rank, the leftmost among equals, until none is left. A
sequence of tokens is *valid* if BPE, run on its symbols, gives it back: each token comes out of its
own symbols, and no merge crosses a border. Whether one does depends on two neighbours only.

**Build ranks.** A converted vocabulary may merge (ab, c) earlier than (a, b). So a token t has the
*build rank*

.. math::

    T(t) = \max(\operatorname{rank}(t),\, T(t_1),\, T(t_2))

where t is merged from t_1 and t_2, and T = -1 for a symbol. Left to themselves, neighbours u and t are
built in this order, at equal ranks u first.

**One border.** Let a be a token on the right edge of u until p = (c, a) takes it up, and b one on
the left edge of t until q = (b, d) does. A merge (a, b) of rank r crosses the border if and only if

.. math::

    r &< L(p), \quad T(b) < T(p), \\
    r &\le R(q), \quad T(a) \le T(q)

where a missing p or q (a = u, b = t) puts no condition. L(p) = T(p) and R(q) = T(q) except in
cascades: if p has waited for a, T(p) = T(a), then (c, a) and (a, b) appear together, and ranks alone
decide: L(p) = rank(p). Likewise R(q) = rank(q) if T(d) < T(q) = T(b).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache

import numpy as np
from jaxtyping import Bool, Int64

from tokenlab.errors import ArgumentError, DtypeError, ShapeError, check_int

#: No merge has this rank; every merge has a smaller one.
NEVER = int(np.iinfo(np.int32).max)

#: What the remembered rows of one table may take, in bytes: one byte for each token.
CACHE_BYTES = 2**24


class MergeTable:
    r"""The merges of a byte-pair encoding, and which pairs of tokens are valid.

    A pair (u, t) is valid if :math:`\mathrm{enc}(\mathrm{dec}(u)\,\mathrm{dec}(t)) = (u, t)` inside one
    piece, with BPE as Hugging Face tokenizers run it. Merges that never run are dropped.

    Parameters
    ----------
    merges : triples (left id, right id, result id)
        In order of rank. Of a pair listed twice the last rank holds.
    base : sequence of int
        Ids of single symbols. What neither these nor merges give is never ``reachable``.

    Raises
    ------
    ArgumentError
        If an id lies outside [0, vocab_size), a pair has two results, or two merges make one token of
        different symbols.
    DtypeError, ShapeError
        If an id is not a whole number, or a merge not a triple.

    Examples
    --------
    >>> a, b, ab, aab = range(4)  # ab is merged first, aab after it
    >>> table = MergeTable([(a, b, ab), (a, ab, aab)], base=[a, b], vocab_size=4)
    >>> table.is_valid_pair(a, b), table.is_valid_pair(ab, ab)
    (False, True)
    >>> table.follows(a)  # not ab, since aab is one token; but the text aaab is a, aab
    array([ True, False, False,  True])
    """

    def __init__(self, merges: Sequence[tuple[int, int, int]], base: Sequence[int], vocab_size: int) -> None:
        self.vocab_size = check_int("vocab_size", vocab_size, low=1, high=NEVER)
        base = _ids("base", base, self.vocab_size, shape=(-1,))
        merges = _ids("merges", merges, self.vocab_size, shape=(-1, 3))
        length = _lengths(merges, base, self.vocab_size)

        size = self.vocab_size
        self.reachable = np.zeros(size, bool)
        self.reachable[base] = True
        # Of the merge that is a token's last step: rank and parts; -1 for single symbols.
        self._rank, self._first, self._last = (np.full(size, -1, np.int32) for _ in range(3))
        self._build_rank = np.full(size, -1, np.int32)
        # L(p), by p, and R(q), by q.
        self._left_limit, self._right_limit = (np.full(size, -1, np.int32) for _ in range(2))

        pairs = _pair_key(merges[:, 0], merges[:, 1], size)
        self._pairs, self._pair_ranks = _last_of_each(pairs, merges[:, 2])
        by_length = self._derive(merges[self._pair_ranks], length)
        made = self._rank[by_length]
        keep = np.isin(self._pair_ranks, made, assume_unique=True)
        self._pairs, self._pair_ranks = self._pairs[keep], self._pair_ranks[keep]
        self._index(by_length, length)
        self.reachable.flags.writeable = False

    def is_valid_pair(self, left: int, right: int) -> bool:
        """Whether ``right`` may stand right after ``left`` inside one piece.

        Both edges are taken apart down to symbols, the one built last first; no merge of the two that
        touch may come before the step just undone. False if a token is not reachable.

        Examples
        --------
        >>> table = MergeTable([(0, 0, 1)], base=[0], vocab_size=2)
        >>> table.is_valid_pair(1, 0), table.is_valid_pair(0, 1)   # aaa is aa, a
        (True, False)
        """
        left = check_int("left", left, low=0, high=self.vocab_size - 1)
        right = check_int("right", right, low=0, high=self.vocab_size - 1)
        if not (self.reachable[left] and self.reachable[right]):
            return False
        limit = NEVER
        while self._rank_of(left, right) >= limit:
            if self._build_rank.item(left) > self._build_rank.item(right):
                limit, left = self._left_limit.item(left), self._last.item(left)
            elif self._build_rank.item(right) >= 0:
                limit, right = self._right_limit.item(right) + 1, self._first.item(right)
            else:
                return True
        return False

    def follows(self, left: int) -> Bool[np.ndarray, "vocab"]:
        """Entry t is ``is_valid_pair(left, t)``, for all t at once; read-only.

        In the right order of tokens, a merge (a, b) forbids b itself and one run of them: those whose
        left edge goes through b and leaves it last.
        """
        left = check_int("left", left, low=0, high=self.vocab_size - 1)
        return self._remembered_row(left)

    @cached_property
    def _remembered_row(self) -> Callable[[int], Bool[np.ndarray, "vocab"]]:
        return lru_cache(maxsize=CACHE_BYTES // self.vocab_size)(self._row)

    def _row(self, left: int) -> Bool[np.ndarray, "vocab"]:
        row = np.zeros(self.vocab_size, bool)
        if self.reachable[left]:
            row[self._tokens] = ~self._forbidden(left)
        row.flags.writeable = False
        return row

    def _forbidden(self, left: int) -> Bool[np.ndarray, "positions"]:
        """Positions of tokens that cannot follow: down the edge of ``left``, merge by merge."""
        rules = []
        limit, build_rank = NEVER, NEVER
        while left >= 0:
            start, stop = self._rules_of[left], self._rules_of[left + 1]
            crosses = self._rule_rank[start:stop] < limit
            crosses &= self._right_build_rank[start:stop] < build_rank
            rules.append(start + crosses.nonzero()[0])
            limit, build_rank = self._left_limit[left], self._build_rank[left]
            left = self._last[left]
        rules = np.concatenate(rules)
        size = len(self._tokens) + 1
        opened = np.bincount(self._opens[rules].ravel(), minlength=size)
        closed = np.bincount(self._closes[rules].ravel(), minlength=size)
        return (opened - closed).cumsum()[:-1] > 0

    def _rank_of(self, left: int, right: int) -> int:
        pair = _pair_key(left, right, self.vocab_size)
        # A view: it hands out Python's numbers, which compare faster than numpy's.
        position = bisect_left(memoryview(self._pairs), pair)
        found = position < len(self._pairs) and self._pairs.item(position) == pair
        return self._pair_ranks.item(position) if found else NEVER

    def _ranks_of(
        self, left: Int64[np.ndarray, "pairs"], right: Int64[np.ndarray, "pairs"]
    ) -> Int64[np.ndarray, "pairs"]:
        pair = _pair_key(left.astype(np.int64), right, self.vocab_size)
        position = np.searchsorted(self._pairs, pair)
        position[position == len(self._pairs)] = 0
        return np.where(self._pairs[position] == pair, self._pair_ranks[position], NEVER)

    def _derive(
        self, merges: Int64[np.ndarray, "merges 3"], length: Int64[np.ndarray, "vocab"]
    ) -> Int64[np.ndarray, "made"]:
        """Find each token's last merge, short tokens first."""
        made = []
        lengths = length[merges[:, 2]]
        order = np.argsort(lengths, kind="stable")
        borders = np.flatnonzero(np.diff(lengths[order])) + 1
        for group in np.split(order, borders):
            # A length of zero: one of the parts is never made.
            group = group[lengths[group] > 0]
            first, last, token = merges[group].T
            runs = self.reachable[first] & self.reachable[last]
            runs[runs] = ~self._crossed(first[runs], last[runs])
            first, last, token = first[runs], last[runs], token[runs]
            rank = self._pair_ranks[group[runs]]
            before, after = self._build_rank[first], self._build_rank[last]
            build_rank = np.maximum(rank, np.maximum(before, after))
            self.reachable[token] = True
            self._rank[token], self._first[token], self._last[token] = rank, first, last
            self._build_rank[token] = build_rank
            self._left_limit[token] = np.where(build_rank == after, rank, build_rank)
            cascade = (build_rank == before) & (after < build_rank)
            self._right_limit[token] = np.where(cascade, rank, build_rank)
            made.append(token)
        return np.concatenate(made)

    def _crossed(
        self, left: Int64[np.ndarray, "pairs"], right: Int64[np.ndarray, "pairs"]
    ) -> Bool[np.ndarray, "pairs"]:
        """As :meth:`is_valid_pair` less its first look, for many pairs."""
        crossed = np.zeros(len(left), bool)
        at = np.arange(len(left))
        while True:
            undo_left = self._build_rank[left] > self._build_rank[right]
            go_on = undo_left | (self._build_rank[right] >= 0)
            at, left, right, undo_left = (x[go_on] for x in (at, left, right, undo_left))
            if len(at) == 0:
                return crossed
            limit = np.where(undo_left, self._left_limit[left], self._right_limit[right] + 1)
            left = np.where(undo_left, self._last[left], left)
            right = np.where(undo_left, right, self._first[right])
            crosses = self._ranks_of(left, right) < limit
            crossed[at[crosses]] = True
            at, left, right = (x[~crosses] for x in (at, left, right))

    def _index(self, made: Int64[np.ndarray, "made"], length: Int64[np.ndarray, "vocab"]) -> None:
        """Lay the tokens out so that what a merge forbids is one run of positions.

        A token stands right before its children, of which it is the first part, sorted by R.
        """
        size = np.ones(self.vocab_size, np.int64)
        groups = np.split(made, np.flatnonzero(np.diff(length[made])) + 1)
        for group in reversed(groups):
            np.add.at(size, self._first[group], size[group])

        child_key = _child_key(self._first[made], self._right_limit[made])
        order = np.argsort(child_key)
        children, child_key = made[order], child_key[order]
        # How much stands before a child, among the children of all parents, and of its own.
        ahead = np.concatenate([[0], size[children].cumsum()])
        parent_start = np.searchsorted(child_key, _child_key(np.arange(self.vocab_size), 0))
        offset = np.zeros(self.vocab_size, np.int64)
        offset[children] = 1 + ahead[:-1] - ahead[parent_start[self._first[children]]]

        position = np.zeros(self.vocab_size, np.int64)
        roots = (self.reachable & (self._rank < 0)).nonzero()[0]
        position[roots] = size[roots].cumsum() - size[roots]
        for group in groups:
            position[group] = position[self._first[group]] + offset[group]
        # [positions] -> token
        self._tokens = np.empty(self.reachable.sum(), np.int32)
        self._tokens[position[self.reachable]] = self.reachable.nonzero()[0]

        # Each token's last merge is a rule: sorted by its left part, a.
        rules = made[np.argsort(self._first[made], kind="stable")]
        a, b, rank = self._first[rules], self._last[rules], self._rank[rules]
        self._rules_of = np.searchsorted(a, np.arange(self.vocab_size + 1))
        self._rule_rank, self._right_build_rank = rank, self._build_rank[b]
        # The children q of b with r <= R(q) and T(a) <= T(q); the second holds for all of them
        # if T(a) <= T(b), and otherwise leaves out the cascades, whose R lies below T(b).
        waits = self._build_rank[a] > self._build_rank[b]
        from_limit = np.where(waits, np.maximum(rank, self._build_rank[a]), rank)
        child = np.searchsorted(child_key, _child_key(b, from_limit))
        run = position[b] + 1 + ahead[child] - ahead[parent_start[b]]
        # [rules, 2]: b itself, and the run.
        self._opens = np.stack([position[b], run], -1).astype(np.int32)
        self._closes = np.stack([position[b] + 1, position[b] + size[b]], -1).astype(np.int32)


def _pair_key(left, right, vocab_size):
    return left * vocab_size + right


def _child_key(parent, limit):
    """Sorts by the parent, then by the limit."""
    return np.asarray(parent, np.int64) * NEVER + limit


def _ids(name: str, values: Sequence, vocab_size: int, shape: tuple[int, ...]) -> np.ndarray:
    """Checked ids in int64; in the shape -1 stands for any size."""
    try:
        ids = np.asarray(values)
    except ValueError as error:
        raise ShapeError(f"{name} has entries of different lengths, expected triples") from error
    if ids.size == 0:
        ids = np.empty([max(size, 0) if size < 0 else size for size in shape], np.int64)
    if ids.ndim != len(shape) or ids.shape[1:] != shape[1:]:
        expected = "a flat list of ids" if len(shape) == 1 else "triples (left, right, result)"
        raise ShapeError(f"{name} has shape {ids.shape}, expected {expected}")
    if not np.issubdtype(ids.dtype, np.integer):
        raise DtypeError(f"{name} holds {ids.dtype}, expected whole numbers")
    if ids.size and not 0 <= ids.min() <= ids.max() < vocab_size:
        wrong = ids[(ids < 0) | (ids >= vocab_size)][0]
        raise ArgumentError(f"{name} holds the id {wrong}, expected 0 to {vocab_size - 1}")
    return ids.astype(np.int64)


def _lengths(
    merges: Int64[np.ndarray, "merges 3"], base: Int64[np.ndarray, "base"], vocab_size: int
) -> Int64[np.ndarray, "vocab"]:
    """How many symbols each token has; 0 where nothing makes it.

    Parts may be listed after what is made of them, hence the rounds. Fingerprints, polynomials
    modulo 2^64, tell whether two merges spell the same token.
    """
    length = np.zeros(vocab_size, np.int64)
    prints, power = np.zeros((2, vocab_size), np.uint64)
    length[base] = 1
    prints[base] = np.random.default_rng(0).integers(2**64, size=len(base), dtype=np.uint64)
    power[base] = 0x9E3779B97F4A7C15
    pending = merges
    while True:
        ready = (length[pending[:, 0]] > 0) & (length[pending[:, 1]] > 0)
        if not ready.any():
            return length
        left, right, token = pending[ready].T
        joined = prints[left] * power[right] + prints[right]
        new = length[token] == 0
        prints[token[new]] = joined[new]
        wrong = prints[token] != joined
        if wrong.any():
            left, right, token = pending[ready][wrong][0].tolist()
            raise ArgumentError(
                f"merges makes token {token} of ({left}, {right}), which has other symbols than "
                "the token itself or another of its merges"
            )
        power[token] = power[left] * power[right]
        length[token] = length[left] + length[right]
        pending = pending[~ready]


def _last_of_each(
    pairs: Int64[np.ndarray, "merges"], results: Int64[np.ndarray, "merges"]
) -> tuple[Int64[np.ndarray, "pairs"], Int64[np.ndarray, "pairs"]]:
    """Each pair once, in order, and its last rank."""
    order = np.argsort(pairs, kind="stable")
    same = np.diff(pairs[order]) == 0
    if (np.diff(results[order])[same] != 0).any():
        position = order[np.flatnonzero(same & (np.diff(results[order]) != 0))[0]]
        raise ArgumentError(f"merges has the pair of merge {position} again, with another result")
    last = order[np.append(~same, True)] if len(order) else order
    return pairs[last], last
