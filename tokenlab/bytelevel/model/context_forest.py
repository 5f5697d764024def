"""The contexts that a model is asked about, and which reader asks: with a cache of their tree, or none."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Protocol
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from tokenlab.bytelevel.model.cached_reader import CachedReader
from tokenlab.bytelevel.model.context_tree import ContextTree
from tokenlab.bytelevel.model.uncached_reader import UncachedReader
from tokenlab.errors import ArgumentError, DtypeError, SlowPathWarning, check_int
from tokenlab.lm.cache import check_tree_cache
from tokenlab.lm.contract import causal_model, check_causal
from tokenlab.lm.forward import num_positions, vocabulary_size
from tokenlab.lm.limits import longrope_limit, sliding_window
from tokenlab.lm.unwrap import input_device

#: Logits that a forward returns at most, in numbers.
LOGITS = 2**25


class ContextReader(Protocol):
    """Asks the model about contexts of a tree."""

    num_forwards: int
    num_tokens: int

    def read(self, asked: Sequence[int]) -> Iterator[tuple[list[int], Float[Tensor, "part vocab"]]]:
        """Logits after each context, some contexts at a time, in any order."""

    def forget(self, nodes: Sequence[int]) -> None:
        """Contexts that will not be asked for again."""


class ContextForest:
    """Next-token logits of many contexts, with what they share read once.

    Each context is a node. Its logits are those of the model's forward over its tokens and nothing else.

    Parameters
    ----------
    model : PreTrainedModel
        A causal model of transformers in eval mode.
    cached
        Whether keys and values are kept; otherwise every context is read from its first token on. Default:
        if the model's cache can hold a tree, and until a sliding window binds. The attribute ``why`` and a
        SlowPathWarning, once for each model, say why they are not.

    Raises
    ------
    DtypeError, ArgumentError
        If ``model`` is none such, or ``cached`` is True and its cache cannot hold a tree; in methods, for
        an unknown or forgotten node, or a token that the model does not have.

    Examples
    --------
    >>> from tokenlab.lm import load
    >>> model, tokenizer = load("lab-draft")
    >>> forest = ContextForest(model)
    >>> start = forest.root([0, 71, 72])
    >>> pair = forest.children([(start, 80), (start, 81)])
    >>> forest.logits(pair).shape
    torch.Size([2, 4096])
    >>> forest.num_forwards, forest.num_tokens
    (1, 5)
    >>> forest.tokens(pair[1])
    [0, 71, 72, 81]
    """

    def __init__(self, model, *, cached: bool | None = None) -> None:
        model = causal_model("model", model)
        if cached is not None and not isinstance(cached, bool):
            raise DtypeError(f"cached must be a bool or None, found {type(cached).__name__} {cached!r}")
        self.model, self.device = model, input_device(model)
        self.vocab_size = vocabulary_size(model)
        self._positions, self._reason = _positions(model)
        self.why = why_uncached(model, cached)
        self.cached = self.why is None
        if cached is None and not self.cached:
            _warn_once(model, self.why, self.why)
        self._window = sliding_window(model) if self.cached else None
        self._must_cache = cached is True
        self._tree = ContextTree()
        kind = CachedReader if self.cached else UncachedReader
        self.reader: ContextReader = kind(model, self._tree, max(1, LOGITS // self.vocab_size))
        if not self.cached:
            check_causal("model", model)

    @property
    def num_forwards(self) -> int:
        """Forwards so far."""
        return self.reader.num_forwards

    @property
    def num_tokens(self) -> int:
        """Tokens read so far, without padding."""
        return self.reader.num_tokens

    def root(self, ids: Sequence[int]) -> int:
        """The context of these tokens. The same tokens are the same node."""
        if not isinstance(ids, (list, tuple)):
            raise DtypeError(f"ids must be a list of token ids, found {type(ids).__name__}")
        if not ids:
            raise ArgumentError("ids is empty, expected at least one token: a model needs something to read")
        node = -1
        for index, token in enumerate(ids):
            node = self._tree.child(node, self._check_token(f"ids[{index}]", token))
        return node

    def children(self, pairs: Sequence[tuple[int, int]]) -> list[int]:
        """For each (node, token) the context with one more token. Nothing is computed."""
        self._check_pairs(pairs)
        return [self._tree.child(parent, int(token)) for parent, token in pairs]

    def __contains__(self, node: int) -> bool:
        """Whether a context was made and not forgotten."""
        return node in self._tree

    def tokens(self, node: int) -> list[int]:
        """The tokens of a context."""
        self._tree.check("node", node)
        return [self._tree[step].token for step in self._tree.path(node)]

    def keep(self, nodes: Sequence[int]) -> None:
        """Forget all contexts but these and what they begin with. One that comes again is a new node."""
        for index, node in enumerate(nodes):
            self._tree.check(f"nodes[{index}]", node)
        self.reader.forget(self._tree.keep(nodes))

    def logits(self, nodes: Sequence[int]) -> Float[Tensor, "nodes vocab"]:
        """Logits of the token after each context, in as few forwards as possible; float64 or else float32.

        Rows are not kept: asked for again, a context's last token is read again. ArgumentError: if a context
        outgrows the model (nothing is read then), or logits are NaN or infinite.
        """
        self._check_readable(nodes)
        if not len(nodes):
            dtype = torch.float64 if self.model.dtype == torch.float64 else torch.float32
            return torch.empty(0, self.vocab_size, dtype=dtype, device=self.device)
        asked = list(dict.fromkeys(nodes))
        order, rows = [], []
        for part, logits in self.reader.read(asked):
            order += part
            rows.append(logits)
        rows = rows[0] if len(rows) == 1 else torch.cat(rows)
        if order == list(nodes):
            return rows
        row_of = {node: row for row, node in enumerate(order)}
        return rows[torch.tensor([row_of[node] for node in nodes], device=rows.device)]

    def child_log_probs(self, pairs: Sequence[tuple[int, int]]) -> Float64[Tensor, "pairs"]:
        r"""Log-probability of a token after a context, for each pair of both; errors as for :meth:`logits`.

        .. math:: \log P(t \mid c) = \ell_c(t) - \log \sum_{t'} e^{\ell_c(t')}

        Only a few rows of logits exist at a time, so that a long prompt can be weighed.
        """
        self._check_pairs(pairs)
        self._check_readable([node for node, _ in pairs])
        wanted: dict[int, list[int]] = {}
        for index, (node, _) in enumerate(pairs):
            wanted.setdefault(node, []).append(index)
        result = torch.empty(len(pairs), dtype=torch.float64, device=self.device)
        for part, logits in self.reader.read(list(wanted)) if wanted else ():
            rows = [row for row, node in enumerate(part) for _ in wanted[node]]
            indices = [index for node in part for index in wanted[node]]
            ids = torch.tensor([int(pairs[index][1]) for index in indices], device=logits.device)
            rows = torch.tensor(rows, device=logits.device)
            log_probs = logits[rows, ids] - logits.logsumexp(-1)[rows]
            result[torch.tensor(indices, device=result.device)] = log_probs.to(result)
        return result

    def _check_token(self, name: str, token: int) -> int:
        if type(token) is int and 0 <= token < self.vocab_size:
            return token
        return check_int(name, token, low=0, high=self.vocab_size - 1)

    def _check_pairs(self, pairs: Sequence[tuple[int, int]]) -> None:
        for index, (node, token) in enumerate(pairs):
            self._tree.check(f"pairs[{index}][0]", node)
            self._check_token(f"pairs[{index}][1]", token)

    def _check_readable(self, nodes: Sequence[int]) -> None:
        longest = 0
        for index, node in enumerate(nodes):
            self._tree.check(f"nodes[{index}]", node)
            longest = max(longest, self._tree[node].position + 1)
        if self._positions is not None and longest > self._positions:
            raise ArgumentError(
                f"the text needs a context of {longest} tokens, expected at most the model's "
                f"{self._positions} positions{self._reason}"
            )
        if self._window is not None and longest > self._window:
            self._leave_cache(longest)

    def _leave_cache(self, longest: int) -> None:
        """Read from the first token on from now on: a sliding window binds."""
        why = (
            f"the text needs a context of {longest} tokens, and the model has a sliding window of {self._window}, "
            "from which on contexts cannot be taken back from its cache"
        )
        if self._must_cache:
            raise ArgumentError(f"{why}; expected cached=None or False")
        reader = UncachedReader(self.model, self._tree, max(1, LOGITS // self.vocab_size))
        reader.num_forwards, reader.num_tokens = self.num_forwards, self.num_tokens
        self.reader, self.cached, self.why, self._window = reader, False, why, None
        _warn_once(self.model, "window", why)


#: What was said of each model: texts are read by many forests, one reason is said once.
_SAID: WeakKeyDictionary = WeakKeyDictionary()


def _warn_once(model, kind: str, why: str) -> None:
    said = _SAID.setdefault(model, set())
    if kind not in said:
        said.add(kind)
        warnings.warn(f"contexts are read from their first token on: {why}", SlowPathWarning, stacklevel=3)


def why_uncached(model, cached: bool | None) -> str | None:
    """Why contexts cannot stand in a cache, or None. ArgumentError: if ``cached`` is True and they cannot."""
    if cached is False:
        return "cached=False was asked for"
    try:
        check_tree_cache("model", model, branches="contexts")
    except ArgumentError as error:
        if cached:
            raise
        return str(error)
    return None


def _positions(model) -> tuple[int | None, str]:
    """How many tokens a context may have, and the reason where it is not the model's own limit."""
    limit, first = num_positions(model), longrope_limit(model)
    if first is not None and (limit is None or first < limit):
        reason = " of its first training: after them longrope changes the distribution of all that was read"
        return first, reason
    return limit, ""
