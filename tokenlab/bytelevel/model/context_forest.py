"""Many contexts of a model: a forest of tokens, each of which is read once.

A context is a node, whose parent is the context without the last token. One row of keys and
values has a slot for each node that was read. A mask shows a node its ancestors only, and its
position is their number: contexts share what they have in common, and any number of new ones
are read in one forward.

A model whose cache cannot hold a tree reads each context from its first token on instead.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from tokenlab.errors import ArgumentError, DtypeError, check_int
from tokenlab.lm.cache import (
    CHUNK,
    attention_mask,
    check_decoder,
    check_is_model,
    check_model,
    check_model_logits,
    empty_cache,
    num_positions,
)

#: Tokens of one forward without a cache, padding included.
BATCH = 4096


#: Logits that a forward returns at most, in numbers.
LOGITS = 2**25


@dataclass(slots=True)
class Node:
    """A context: the one in front of it (-1: none), its last token, and where that was read."""

    parent: int
    token: int
    depth: int  # tokens in front: the last one's position
    slot: int = -1  # in the cache; -1: not read
    children: int = 0


class ContextForest:
    r"""Next-token logits of many contexts, with what they share read once.

    .. math::

        \mathrm{logits}(t_1 \ldots t_k) = f(t_1, \ldots, t_k)

    where :math:`f` is the model's forward over the tokens of a context and nothing else.

    Parameters
    ----------
    model : PreTrainedModel
        A causal model of transformers in eval mode.
    cached : bool, optional
        Whether keys and values are kept. Default: if the model's cache can hold a tree.

    Attributes
    ----------
    cached : bool
        Whether they are. Without, every context is read from its first token on.
    why : str or None
        Why they are not.
    num_forwards : int
        Forwards so far.
    num_tokens : int
        Tokens that went through the model, without padding.

    Raises
    ------
    DtypeError
        If ``model`` is no model, or ``cached`` neither a bool nor None.
    ArgumentError
        If the model is an encoder-decoder, looks at what follows, or is in training mode; if
        ``cached`` is True and its cache cannot hold a tree.

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
        check_is_model("model", model)
        check_decoder("model", model)
        if model.training:
            raise ArgumentError("model is in training mode, expected eval mode: call model.eval()")
        if cached is not None and not isinstance(cached, bool):
            raise DtypeError(f"cached must be a bool or None, found {type(cached).__name__} {cached!r}")
        self.model = model
        self.vocab_size = model.config.get_text_config(decoder=True).vocab_size
        self.positions, self._reach = _positions(model)
        self.num_forwards = self.num_tokens = 0
        self.why = _why_not(model, cached)
        self.cached = self.why is None
        self._parameters = inspect.signature(model.forward).parameters
        self._nodes: dict[int, Node] = {}
        self._named: dict[tuple[int, int], int] = {}  # (parent, token) -> node
        self._leaves: set[int] = set()
        self._count = 0  # nodes so far; a name is never given twice
        self._empty()
        # BERT's kin say whether they are decoders; a cache of its own would hide that they are not.
        if not self.cached or getattr(model.config, "is_decoder", None) is False:
            self._check_causal()

    # --- which contexts there are ---------------------------------------------------------

    def root(self, ids: Sequence[int]) -> int:
        """The context of these tokens, which begins at nothing. The same tokens are the same node.

        Raises
        ------
        ArgumentError, DtypeError
            If there is no token, or one that the model does not have.
        """
        if not isinstance(ids, (list, tuple)):
            raise DtypeError(f"ids must be a list of token ids, found {type(ids).__name__}")
        if not ids:
            raise ArgumentError("ids is empty, expected at least one token: a model needs something to read")
        node = -1
        for place, token in enumerate(ids):
            node = self._child(node, self._check_token(f"ids[{place}]", token))
        return node

    def children(self, pairs: Sequence[tuple[int, int]]) -> list[int]:
        """For each (node, token) the context that is one token longer. Nothing is computed.

        Raises
        ------
        ArgumentError, DtypeError
            If a node is unknown or was forgotten, or the model does not have a token.
        """
        self._check_pairs(pairs)
        return [self._child(parent, int(token)) for parent, token in pairs]

    def __contains__(self, node: int) -> bool:
        """Whether a context was made and not forgotten."""
        return node in self._nodes

    def tokens(self, node: int) -> list[int]:
        """The tokens of a context.

        Raises
        ------
        ArgumentError, DtypeError
            If the node is unknown or was forgotten.
        """
        self._check_node("node", node)
        return [self._nodes[step].token for step in self._path(node)]

    def keep(self, nodes: Sequence[int]) -> None:
        """Forget all contexts but these and the ones that they begin with.

        What is kept keeps its name; a forgotten context that comes again has a new one.

        Raises
        ------
        ArgumentError, DtypeError
            If a node is unknown or was forgotten before.
        """
        for place, node in enumerate(nodes):
            self._check_node(f"nodes[{place}]", node)
        kept = set(nodes)
        # From the leaves up, so that the cost is what is forgotten, not what is kept.
        for node in self._leaves - kept:
            while node >= 0 and node not in kept and not self._nodes[node].children:
                node = self._forget(node)
        self._compact()

    # --- what the model says --------------------------------------------------------------

    def logits(self, nodes: Sequence[int]) -> Float[Tensor, "nodes vocab"]:
        """Logits of the token after each context, in as few forwards as possible.

        Rows are not kept: asked for again, a context's last token is read again.

        Parameters
        ----------
        nodes : list of int
            Contexts, the same one more than once if need be.

        Returns
        -------
        Float[Tensor, "nodes vocab"]
            float64 for a float64 model, else float32.

        Raises
        ------
        ArgumentError, DtypeError
            If a node is unknown or was forgotten, a context is longer than the model takes
            (nothing is read then), or logits are NaN or infinite.
        """
        self._check_readable(nodes)
        if not len(nodes):
            dtype = torch.float64 if self.model.dtype == torch.float64 else torch.float32
            return torch.empty(0, self.vocab_size, dtype=dtype, device=self.model.device)
        asked = list(dict.fromkeys(nodes))
        order, rows = [], []
        for part, logits in self._distributions(asked):
            order += part
            rows.append(logits)
        rows = rows[0] if len(rows) == 1 else torch.cat(rows)
        if order == list(nodes):
            return rows
        place = {node: row for row, node in enumerate(order)}
        return rows[torch.tensor([place[node] for node in nodes], device=rows.device)]

    def child_log_probs(self, pairs: Sequence[tuple[int, int]]) -> Float64[Tensor, "pairs"]:
        r"""Log-probability of a token after a context, for each pair of both.

        .. math::

            \log P(t \mid c) = \ell_c(t) - \log \sum_{t'} e^{\ell_c(t')}

        Only a few rows of logits exist at a time, so that a long prompt can be weighed.

        Raises
        ------
        ArgumentError, DtypeError
            As :meth:`logits`; also if the model does not have a token.
        """
        self._check_pairs(pairs)
        self._check_readable([node for node, _ in pairs])
        wanted: dict[int, list[int]] = {}
        for place, (node, _) in enumerate(pairs):
            wanted.setdefault(node, []).append(place)
        result = torch.empty(len(pairs), dtype=torch.float64, device=self.model.device)
        for part, logits in self._distributions(list(wanted)) if wanted else ():
            rows = [row for row, node in enumerate(part) for _ in wanted[node]]
            places = [place for node in part for place in wanted[node]]
            ids = torch.tensor([int(pairs[place][1]) for place in places], device=logits.device)
            rows = torch.tensor(rows, device=logits.device)
            log_probs = logits[rows, ids] - logits.logsumexp(-1)[rows]
            result[torch.tensor(places, device=result.device)] = log_probs.to(result)
        return result

    def _distributions(self, asked: list[int]) -> Iterator[tuple[list[int], Float[Tensor, "part vocab"]]]:
        """Logits of all nodes asked for, a part at a time."""
        for part, logits in self._read(asked) if self.cached else self._read_afresh(asked):
            yield part, logits if logits.dtype == torch.float64 else logits.float()

    # --- with a cache ---------------------------------------------------------------------

    def _read(self, asked: list[int]) -> Iterator[tuple[list[int], Tensor]]:
        """Store what is unread, then look at the others once more."""
        wanted = set(asked)
        order, seen = [], set()
        for node in asked:
            branch = []
            while node >= 0 and self._nodes[node].slot < 0 and node not in seen:
                seen.add(node)
                branch.append(node)
                node = self._nodes[node].parent
            order += reversed(branch)  # parents before children
        order += [node for node in asked if node not in seen]
        block, rows = [], []
        for node in order:
            if len(block) == CHUNK or (node in wanted and len(rows) == self._most_rows):
                yield [block[row] for row in rows], self._forward(block, rows)
                block, rows = [], []
            if node in wanted:
                rows.append(len(block))
            block.append(node)
        yield [block[row] for row in rows], self._forward(block, rows)

    def _forward(self, block: list[int], rows: list[int]) -> Float[Tensor, "rows vocab"]:
        """Read a block of nodes, keep what is new of it, and return the logits of some."""
        front = len(self._slots)
        new = [node for node in block if self._nodes[node].slot < 0]  # what is read again stands after
        try:
            for node in new:
                self._store(node)
            device = self.model.device
            output = self._call(
                torch.tensor([[self._nodes[node].token for node in block]], device=device),
                rows,
                attention_mask=self._mask(block, front),
                position_ids=torch.tensor([[self._nodes[node].depth for node in block]], device=device),
                past_key_values=self.cache,
                use_cache=True,
            )
            length = self.cache.get_seq_length()
            if length != front + len(block):
                raise ArgumentError(
                    f"model is a {type(self.model).__name__}, whose cache has {length} tokens after "
                    f"{front + len(block)} were read, expected a model that uses past_key_values"
                )
            logits = output[0]
            check_model_logits("model", logits)
        except BaseException:
            # Also of an interrupt in a notebook: the forest is what it was before.
            for node in new:
                self._nodes[node].slot = -1
            del self._slots[front:], self._first[front:]
            self._trim(front)
            raise
        self._trim(len(self._slots))
        self.num_forwards += 1
        self.num_tokens += len(block)
        return logits

    def _mask(self, block: list[int], front: int) -> Tensor | None:
        """Every node of the block sees its ancestors and itself."""
        seen = np.zeros((len(block), front + len(block)), dtype=bool)
        for row, node in enumerate(block):
            seen[row, front + row] = True
            node = self._nodes[node].parent
            while node >= 0:
                # Ancestors mostly stand side by side: a run of slots at a time.
                last = self._nodes[node].slot
                first = self._first[last]
                seen[row, first : last + 1] = True
                node = self._nodes[self._slots[first]].parent
        if len(block) == 1 and seen.all():
            return None
        mask: Bool[Tensor, "1 1 block slots"] = torch.from_numpy(seen).to(self.model.device)[None, None]
        return attention_mask(self.model, mask)

    def _store(self, node: int) -> None:
        """Give a node the next slot."""
        slot, parent = len(self._slots), self._nodes[node].parent
        self._nodes[node].slot = slot
        self._slots.append(node)
        after = slot > 0 and parent == self._slots[slot - 1]
        self._first.append(self._first[slot - 1] if after else slot)

    def _trim(self, length: int) -> None:
        """Cut the cache after this many slots."""
        for layer in self._layers():
            layer.keys, layer.values = layer.keys[..., :length, :], layer.values[..., :length, :]

    def _compact(self) -> None:
        """Gather the slots that are needed, once most are not."""
        if 2 * self._dead <= len(self._slots):
            return
        alive = [slot for slot, node in enumerate(self._slots) if node in self._nodes]
        nodes = [self._slots[slot] for slot in alive]
        if not alive:
            return self._empty()
        layers = self._layers()
        parts = [(layer.keys[..., alive, :], layer.values[..., alive, :]) for layer in layers]
        # Nothing has changed up to here, whatever interrupted it.
        for layer, (keys, values) in zip(layers, parts, strict=True):
            layer.keys, layer.values = keys, values
        self._slots, self._first, self._dead = [], [], 0
        for node in nodes:
            self._store(node)

    def _empty(self) -> None:
        """A cache without slots."""
        self.cache = empty_cache(self.model) if self.cached else None
        self._slots: list[int] = []  # node in each slot
        self._first: list[int] = []  # where the run begins in which each slot's parent is the one before
        self._dead = 0  # slots of forgotten nodes

    def _layers(self) -> list:
        """Layers that hold something: some share the keys of others, and none does at first."""
        return [layer for layer in self.cache.layers if getattr(layer, "keys", None) is not None]

    # --- without --------------------------------------------------------------------------

    def _read_afresh(self, asked: list[int]) -> Iterator[tuple[list[int], Tensor]]:
        """Whole paths, padded on the right: what follows a token never changes its logits."""
        batch: list[tuple[list[int], list[int]]] = []  # path, the nodes wanted on it
        depths: set[int] = set()
        for path, wanted in self._paths(asked):
            more = depths | {self._nodes[node].depth for node in wanted}
            count = len(batch) + 1
            # The longest path came first.
            if batch and (count * len(batch[0][0]) > BATCH or count * len(more) > self._most_rows):
                yield self._run(batch, sorted(depths))
                batch, more = [], {self._nodes[node].depth for node in wanted}
            batch.append((path, wanted))
            depths = more
        yield self._run(batch, sorted(depths))

    def _paths(self, asked: list[int]) -> Iterator[tuple[list[int], list[int]]]:
        """Paths that together pass through all nodes asked for, longest first."""
        left = set(asked)
        for node in sorted(asked, key=lambda node: -self._nodes[node].depth):
            if node not in left:
                continue
            path = self._path(node)
            wanted = [step for step in path if step in left]
            left.difference_update(wanted)
            for start in range(0, len(wanted), self._most_rows):
                yield path, wanted[start : start + self._most_rows]

    def _run(self, batch: list[tuple[list[int], list[int]]], depths: list[int]) -> tuple[list[int], Tensor]:
        """One forward over a batch of paths."""
        width = max(len(path) for path, _ in batch)
        ids = [[self._nodes[node].token for node in path] for path, _ in batch]
        # Any token serves as padding; a path's last one is no special token that a model might look for.
        padded = torch.tensor([row + row[-1:] * (width - len(row)) for row in ids], device=self.model.device)
        output = self._call(
            padded, depths, **({"use_cache": False} if "use_cache" in self._parameters else {})
        )
        place = {depth: column for column, depth in enumerate(depths)}
        nodes = [node for _, wanted in batch for node in wanted]
        rows = [row for row, (_, wanted) in enumerate(batch) for _ in wanted]
        logits = output[rows, [place[self._nodes[node].depth] for node in nodes]]
        check_model_logits("model", logits)
        self.num_forwards += 1
        self.num_tokens += sum(map(len, ids))
        return nodes, logits

    def _check_causal(self) -> None:
        """Refuse models that look at what follows: one forward of two pairs of tokens, not counted."""
        ids = torch.tensor([[0, 0], [0, min(1, self.vocab_size - 1)]], device=self.model.device)
        one, two = self._call(ids, [0])[:, 0]
        tolerance = torch.finfo(one.dtype).eps ** 0.5 * one.abs().max()
        if bool((one - two).abs().max() > tolerance):
            raise ArgumentError(
                f"model is a {type(self.model).__name__} whose logits change with the tokens that follow, "
                "expected a causal model"
            )

    # --- shared ---------------------------------------------------------------------------

    @property
    def _most_rows(self) -> int:
        return max(1, LOGITS // self.vocab_size)

    @torch.no_grad()
    def _call(self, ids: Tensor, columns: list[int], **options) -> Float[Tensor, "rows columns vocab"]:
        """The model's logits at some columns of the tokens."""
        keep = self._parameters.get("logits_to_keep")
        if keep is None:
            return self.model(input_ids=ids, **options).logits[:, columns]
        places = torch.tensor(columns, dtype=torch.long, device=ids.device)
        if "Tensor" in str(keep.annotation):
            return self.model(input_ids=ids, logits_to_keep=places, **options).logits
        # Older forwards count from the end; fewer columns come back than tokens went in.
        tail = ids.shape[1] - min(columns, default=0)
        logits = self.model(input_ids=ids, logits_to_keep=tail, **options).logits
        return logits[:, places.to(logits.device) - ids.shape[1]]

    def _child(self, parent: int, token: int) -> int:
        node = self._named.get((parent, token))
        if node is not None:
            return node
        node, self._count = self._count, self._count + 1
        depth = 0
        if parent >= 0:
            above = self._nodes[parent]
            above.children += 1
            depth = above.depth + 1
            self._leaves.discard(parent)
        self._nodes[node] = Node(parent, token, depth)
        self._named[parent, token] = node
        self._leaves.add(node)
        return node

    def _forget(self, node: int) -> int:
        """Take a leaf away; returns its parent."""
        gone = self._nodes.pop(node)
        del self._named[gone.parent, gone.token]
        self._leaves.discard(node)
        self._dead += gone.slot >= 0
        if gone.parent >= 0:
            above = self._nodes[gone.parent]
            above.children -= 1
            if not above.children:
                self._leaves.add(gone.parent)
        return gone.parent

    def _path(self, node: int) -> list[int]:
        """The node and its ancestors, from the first token on."""
        path = []
        while node >= 0:
            path.append(node)
            node = self._nodes[node].parent
        return path[::-1]

    # --- checks ---------------------------------------------------------------------------

    def _check_node(self, name: str, node: int) -> None:
        if type(node) is int and node in self._nodes:
            return
        check_int(name, node, low=0)
        if node >= self._count:
            raise ArgumentError(f"{name} is {node}, expected one of the {self._count} contexts made so far")
        if node not in self._nodes:
            raise ArgumentError(f"{name} is {node}, a context that was forgotten, expected one that was kept")

    def _check_token(self, name: str, token: int) -> int:
        if type(token) is int and 0 <= token < self.vocab_size:
            return token
        return check_int(name, token, low=0, high=self.vocab_size - 1)

    def _check_pairs(self, pairs: Sequence[tuple[int, int]]) -> None:
        for place, (node, token) in enumerate(pairs):
            self._check_node(f"pairs[{place}][0]", node)
            self._check_token(f"pairs[{place}][1]", token)

    def _check_readable(self, nodes: Sequence[int]) -> None:
        for place, node in enumerate(nodes):
            self._check_node(f"nodes[{place}]", node)
            length = self._nodes[node].depth + 1
            if self.positions is not None and length > self.positions:
                raise ArgumentError(
                    f"the text needs a context of {length} tokens, expected at most the model's "
                    f"{self.positions} positions{self._reach}"
                )


def _positions(model) -> tuple[int | None, str]:
    """How many tokens a context may have, and the reason where it is not the model's own limit.

    Rotary embeddings of type "longrope" turn all keys anew where a text outgrows the first training's
    length. What a shorter context said is then another distribution than the same context's in a longer text.
    """
    config = model.config.get_text_config(decoder=True)
    limit = num_positions(model)
    rope = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None) or {}
    # Some models have one set of parameters for each kind of layer.
    for part in (rope, *(value for value in rope.values() if isinstance(value, dict))):
        if part.get("rope_type", part.get("type")) == "longrope":
            first = part.get("original_max_position_embeddings") or getattr(
                config, "original_max_position_embeddings", None
            )
            if first is not None and (limit is None or first < limit):
                return (
                    first,
                    " of its first training: after them longrope changes the distribution of all that was read",
                )
    return limit, ""


def _why_not(model, cached: bool | None) -> str | None:
    """Why contexts cannot stand in a cache; None if they can."""
    if cached is False:
        return "cached=False was asked for"
    try:
        check_model("model", model, branches="contexts")
    except ArgumentError as error:
        if cached:
            raise
        return str(error)
    return None
