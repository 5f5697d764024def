"""Rounds of drafting and verification, until every row is done."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from tokenlab.errors import ArgumentError, DtypeError, check_generator
from tokenlab.lm.prompting import check_prompt
from tokenlab.transport.decoding.compatibility import _processing, check_pair
from tokenlab.transport.decoding.drafting import propose
from tokenlab.transport.decoding.proposal import Drawing, Proposal, draw_one
from tokenlab.transport.decoding.structures import check_structure
from tokenlab.transport.decoding.tree_cache import Reader
from tokenlab.transport.node import reference
from tokenlab.transport.node.optimum import optimal_acceptance_rate
from tokenlab.transport.node.verdict import acceptance_probability
from tokenlab.transport.trees.draft_tree import DraftTree
from tokenlab.transport.trees.verify import BOTTOM_UP, verify_tree


def _decode(
    target,
    draft,
    input_ids: Tensor,
    attention_mask: Tensor | None,
    *,
    rule: str,
    num_drafts: int | Sequence[int] | None,
    draft_length: int | None,
    structure: str,
    greedy: bool,
    warpers: list[Callable],
    max_new_tokens: int,
    ends: tuple[list[int], int],
    generator: torch.Generator | None,
    streamer,
    track_acceptance: bool,
    put_prompt: bool = True,
):
    check_pair(target, draft)
    check_prompt(target, input_ids, attention_mask, max_new_tokens, name="target")
    check_prompt(draft, input_ids, attention_mask, max_new_tokens, name="draft")
    check_generator(generator, target.device)
    rule, sampling, num_drafts, length = check_structure(
        rule, structure, num_drafts, draft_length, target.config.get_text_config().vocab_size
    )
    if track_acceptance and rule in BOTTOM_UP:
        raise ArgumentError(
            f"track_acceptance is True with rule {rule!r}, which decides about whole branches: "
            "it has no acceptance at a node"
        )
    if streamer is not None and not (hasattr(streamer, "put") and hasattr(streamer, "end")):
        raise DtypeError(f"streamer must have put and end, found {type(streamer).__name__}")
    if streamer is not None and len(input_ids) > 1:
        raise ArgumentError(f"streamer is given with {len(input_ids)} prompts, expected one prompt")
    if streamer is not None and put_prompt:
        streamer.put(input_ids.cpu())
    drawing = Drawing(_processing(warpers), None if greedy else sampling, generator)
    record = _Record(len(input_ids), rule, sampling, track_acceptance)
    texts = _rows(input_ids, attention_mask)
    readers = Reader(target, len(texts), "target"), Reader(draft, len(texts), "draft")
    decoding = _Decoding(*readers, texts, max_new_tokens, ends[0], record)
    prefill = readers[0].calls
    while decoding.running:
        new = decoding.round(structure, rule, num_drafts, length, drawing)
        if streamer is not None:
            streamer.put(torch.tensor(new[0]))
    if streamer is not None:
        streamer.end()
    return record.output(input_ids, decoding, prefill, ends[1])


class _Decoding:
    """The rows that still run, and both models' caches of them."""

    def __init__(
        self,
        target: Reader,
        draft: Reader,
        texts: list[list[int]],
        max_new_tokens: int,
        ends: list[int],
        record: _Record,
    ) -> None:
        self.target, self.draft, self.texts, self.record = target, draft, texts, record
        self.stops = [len(text) + max_new_tokens for text in texts]
        self.ends = set(ends)
        self.running = list(range(len(texts)))
        target.catch_up(texts)
        draft.catch_up(texts)

    def round(
        self, structure: str, rule: str, num_drafts: int | tuple[int, ...], length: int, drawing: Drawing
    ) -> list[list[int]]:
        """One forward of the target; gives back the new tokens of each running row."""
        texts = [self.texts[row] for row in self.running]
        room = [self.stops[row] - len(self.texts[row]) for row in self.running]
        # The last token is the target's own: drafts beyond it are for nothing.
        length = min(length, max(room) - 1)
        proposal = None
        if length:
            proposal = propose(structure, self.draft, texts, num_drafts, length, drawing)
            logits = self.target.read(texts, proposal.tokens, proposal.depths, proposal.seen)
        else:
            logits = self.target.read(texts)
        if drawing.sampling is None:
            best = drawing.process(logits).argmax(-1).tolist()
            paths = [_match(proposal, row, tokens) for row, tokens in enumerate(best)]
        else:
            probs = drawing.process(logits)
            paths = _verify(proposal, probs, rule, drawing)
            self.record.steps(self.running, proposal, probs, paths)

        new, going = [], []
        for place, (row, (tokens, nodes)) in enumerate(zip(self.running, paths, strict=True)):
            kept = _cut(tokens, self.ends, room[place])
            self.texts[row] += kept
            self.record.round(row, len(kept), min(len(nodes), len(kept)))
            new.append(kept)
            if kept[-1] not in self.ends and len(self.texts[row]) < self.stops[row]:
                going.append(place)
        self._settle(proposal, [nodes for _, nodes in paths], going)
        return new

    def _settle(self, proposal: Proposal | None, paths: list[list[int]], going: list[int]) -> None:
        """Keep what was accepted in both caches, and rows that are not done."""
        self.target.settle(paths)
        if proposal is not None:
            read = [
                [slots[node] for node in path if slots[node] >= 0]
                for path, slots in zip(paths, proposal.slots, strict=True)
            ]
            self.draft.settle(read)
        if len(going) < len(self.running):
            self.running = [self.running[place] for place in going]
            if going:
                self.target.select(going)
                self.draft.select(going)


def _match(proposal: Proposal | None, row: int, best: list[int]) -> tuple[list[int], list[int]]:
    """Greedy decoding: go on as long as the target's most probable token was drafted."""
    below = {}
    if proposal is not None:
        node, tokens = proposal.node[row], proposal.tokens[row].tolist()
        for draft, parent in enumerate(proposal.parents[row]):
            at = node[parent] if parent >= 0 else -1
            below[at, tokens[node[draft]]] = node[draft]
    path, at = [], -1
    while (following := below.get((at, best[at + 1]))) is not None:
        path.append(following)
        at = following
    return [best[1 + node] for node in [-1, *path]], path


def _verify(
    proposal: Proposal | None, probs: Float[Tensor, "rows nodes vocab"], rule: str, drawing: Drawing
) -> list[tuple[list[int], list[int]]]:
    """For each row the tokens that come out of its tree, and the nodes that were accepted."""
    if proposal is None:
        return [([token], []) for token in draw_one(probs[:, 0], drawing).tolist()]
    index: dict[int, Tensor] = {}

    def tensor(places: list[int]) -> Tensor:
        # Rows of one shape share their lists.
        if id(places) not in index:
            index[id(places)] = torch.tensor(places, dtype=torch.long, device=probs.device)
        return index[id(places)]

    paths = []
    for row, node in enumerate(proposal.node):
        parents, drawn_from = tensor(proposal.parents[row]), proposal.drawn_from[row]
        if proposal.seen is None:
            tokens, draft_probs, target_probs = proposal.tokens[row], proposal.probs[row], probs[row]
        else:
            tokens = proposal.tokens[row][tensor(node)]
            target_probs = probs[row][torch.nn.functional.pad(tensor(node) + 1, (1, 0))]
            # Leaves have no distribution; nobody reads their row.
            draft_probs = proposal.probs[row][tensor(drawn_from).clamp(min=0)]
        tree = DraftTree(tokens, parents, draft_probs, drawing.sampling, validate=False)
        found = verify_tree(tree, target_probs, rule, generator=drawing.generator, validate=False)
        paths.append((found.tokens.tolist(), [node[draft] for draft in found.nodes.tolist()]))
    return paths


def _cut(tokens: list[int], ends: set[int], room: int) -> list[int]:
    """Tokens up to the first end of text, and no more than there is room for."""
    for place, token in enumerate(tokens[:room]):
        if token in ends:
            return tokens[: place + 1]
    return tokens[:room]


class _Record:
    """What a decoding says about itself."""

    def __init__(self, rows: int, rule: str, sampling: str, track: bool) -> None:
        self.rule, self.sampling, self.track = rule, sampling, track
        self.accepted: list[list[int]] = [[] for _ in range(rows)]
        self.lengths = [0] * rows
        self.where: list[tuple[int, int, int, int]] = []
        self.rates: list[tuple[float, float]] = []

    def round(self, row: int, tokens: int, accepted: int) -> None:
        self.lengths[row] += tokens
        self.accepted[row].append(accepted)

    def steps(self, running: list[int], proposal: Proposal | None, probs: Tensor, paths: list) -> None:
        """Acceptance at each node that a walk came to."""
        if not self.track or proposal is None:
            return
        for place, (row, (_, path)) in enumerate(zip(running, paths, strict=True)):
            node, parents = proposal.node[place], proposal.parents[place]
            for depth, at in enumerate([-1, *path]):
                # All drafts here: several i.i.d. ones may stand at one node.
                here = [i for i, parent in enumerate(parents) if (node[parent] if parent >= 0 else -1) == at]
                if not here:
                    continue
                parent = parents[here[0]]
                drafted = proposal.tokens[place, [node[i] for i in here]]
                target = probs[place, 1 + at].double()
                draft = proposal.probs[place, proposal.drawn_from[place][1 + parent]].double()
                verdict = reference.decide(target, draft, drafted, self.rule, self.sampling)
                best, _ = optimal_acceptance_rate(target, draft, len(here), self.sampling)
                self.rates.append((acceptance_probability(verdict, drafted).item(), best.item()))
                self.where.append((row, len(self.accepted[row]), depth, len(here)))

    def output(self, input_ids: Tensor, decoding: _Decoding, prefill: int, pad: int):
        from tokenlab.transport.decoding.output import MultiDraftOutput

        device = input_ids.device
        new = [text[len(text) - number :] for text, number in zip(decoding.texts, self.lengths, strict=True)]
        lengths = torch.tensor(self.lengths, device=device)
        rates = torch.tensor(self.rates, dtype=torch.float64, device=device).view(-1, 2)
        return MultiDraftOutput(
            sequences=torch.cat([input_ids.long(), _padded(new, pad, device)], 1),
            lengths=lengths,
            target_calls=torch.tensor([prefill + len(row) for row in self.accepted], device=device),
            draft_calls=decoding.draft.calls,
            accepted_lengths=_padded(self.accepted, -1, device),
            acceptance=rates[:, 0] if self.track else None,
            optimal_acceptance=rates[:, 1] if self.track else None,
            steps=torch.tensor(self.where, device=device).view(-1, 4) if self.track else None,
        )


def _padded(rows: list[list[int]], pad: int, device: torch.device) -> Tensor:
    width = max(map(len, rows))
    return torch.tensor([row + [pad] * (width - len(row)) for row in rows], device=device)


def _rows(input_ids: Tensor, attention_mask: Tensor | None) -> list[list[int]]:
    """Each row's tokens without the padding."""
    if attention_mask is None:
        return input_ids.tolist()
    lengths = attention_mask.long().sum(-1).tolist()
    return [row[len(row) - length :] for row, length in zip(input_ids.tolist(), lengths, strict=True)]
