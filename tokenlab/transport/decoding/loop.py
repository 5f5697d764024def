"""Rounds of drafting and verification, until every row is done."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from tokenlab.errors import ArgumentError, DtypeError, check_generator, check_int
from tokenlab.lm.forward import vocabulary_size
from tokenlab.lm.generation_settings import ScoreRules
from tokenlab.lm.prompting import check_prompt
from tokenlab.lm.unwrap import input_device
from tokenlab.transport.decoding.compatibility import check_pair
from tokenlab.transport.decoding.proposal import DraftSampler, Proposal
from tokenlab.transport.decoding.structures import Drafts, check_is_drafts
from tokenlab.transport.decoding.tree_cache import TreeCache
from tokenlab.transport.trees.draft_tree import DraftTree
from tokenlab.transport.trees.verify import BOTTOM_UP, verify_tree


def decode(
    target,
    draft,
    input_ids: Tensor,
    attention_mask: Tensor | None,
    *,
    drafts: Drafts,
    rule: str | None,
    greedy: bool,
    process: Callable[[Tensor], Tensor],
    max_new_tokens: int,
    ends: tuple[list[int], int],
    generator: torch.Generator | None,
    streamer,
    track_acceptance: bool,
    settings: Callable[[int], ScoreRules] | None = None,
    put_prompt: bool = True,
    vocab_size: int | None = None,
):
    """Check what both public functions share, and run rounds.

    ``settings``: from the width of the prompts to what is done to the target's logits before ``process``. The draft
    model's are left as they are: whatever drafts are drawn from, the rules keep the target's distribution.
    """
    from tokenlab.transport.decoding.output import Record

    target, draft = check_pair(target, draft, vocab_size)
    ids = vocab_size or vocabulary_size(target)
    _check_ids(input_ids, ends, ids)
    check_prompt(target, input_ids, attention_mask, max_new_tokens, name="target", drafts=True)
    check_prompt(draft, input_ids, attention_mask, max_new_tokens, name="draft", drafts=True)
    width = input_ids.shape[1]
    changed = ScoreRules([]) if settings is None else settings(width)
    check_generator(generator, input_device(target))
    check_is_drafts(drafts)
    rule = drafts.resolve(rule, ids)
    _check_tracking(track_acceptance, rule, drafts)
    _check_streamer(streamer, len(input_ids))
    if streamer is not None and put_prompt:
        streamer.put(input_ids.cpu())
    sampling = drafts.sampling(rule)
    sampler = DraftSampler(process, None if greedy else sampling, generator)
    record = Record(len(input_ids), rule, sampling, track_acceptance)
    texts = _unpadded(input_ids, attention_mask)
    caches = [
        TreeCache(model, len(texts), name, vocab_size=vocab_size, whole=name == "target")
        for name, model in (("target", target), ("draft", draft))
    ]
    decoding = Decoding(*caches, texts, max_new_tokens, ends[0], record, changed, width)
    prefill = caches[0].calls
    while decoding.running:
        new = decoding.round(drafts, rule, sampler)
        if streamer is not None:
            streamer.put(torch.tensor(new[0]))
    if streamer is not None:
        streamer.end()
    return record.output(input_ids, decoding.texts, prefill, caches[1].calls, ends[1])


def _check_ids(input_ids: Tensor, ends: tuple[list[int], int], vocab_size: int) -> None:
    """Check that ids that a model has are below ``vocab_size`` too."""
    if isinstance(input_ids, Tensor) and input_ids.numel() and int(input_ids.max()) >= vocab_size:
        raise ArgumentError(f"input_ids holds ids outside 0 to {vocab_size - 1}")
    for end in ends[0]:
        check_int("eos_token_id", end, low=0, high=vocab_size - 1)


def _check_tracking(track_acceptance: bool, rule: str, drafts: Drafts) -> None:
    if track_acceptance and rule in BOTTOM_UP:
        raise ArgumentError(
            f"track_acceptance is True with rule {rule!r}, which decides about whole branches: it has no "
            "acceptance at a node; expected one of "
            f"{', '.join(repr(name) for name in drafts.rules if name not in BOTTOM_UP)}"
        )


def _check_streamer(streamer, rows: int) -> None:
    if streamer is None:
        return
    if not (hasattr(streamer, "put") and hasattr(streamer, "end")):
        raise DtypeError(f"streamer must have put and end, found {type(streamer).__name__}")
    if rows > 1:
        raise ArgumentError(f"streamer is given with {rows} prompts, expected one prompt")


def _unpadded(input_ids: Tensor, attention_mask: Tensor | None) -> list[list[int]]:
    if attention_mask is None:
        return input_ids.tolist()
    lengths = attention_mask.long().sum(-1).tolist()
    return [row[len(row) - length :] for row, length in zip(input_ids.tolist(), lengths, strict=True)]


class Decoding:
    """The rows that still run, and both models' caches of them."""

    def __init__(
        self,
        target: TreeCache,
        draft: TreeCache,
        texts: list[list[int]],
        max_new_tokens: int,
        ends: list[int],
        record,
        settings: ScoreRules,
        width: int,
    ) -> None:
        self.target, self.draft, self.texts, self.record = target, draft, texts, record
        self.settings, self.paddings = settings, [width - len(text) for text in texts]
        self.stops = [len(text) + max_new_tokens for text in texts]
        self.ends = set(ends)
        self.running = list(range(len(texts)))
        target.catch_up(texts)
        draft.catch_up(texts)

    def round(self, drafts: Drafts, rule: str, sampler: DraftSampler) -> list[list[int]]:
        """One forward of the target, and the new tokens of each running row."""
        texts = [self.texts[row] for row in self.running]
        left = [self.stops[row] - len(self.texts[row]) for row in self.running]
        # The last token is the target's own: drafts beyond it are for nothing.
        room = max(left) - 1
        proposal = None
        if room:
            proposal = drafts.propose(self.draft, texts, room, sampler)
            logits = self.target.read(texts, proposal.tokens, proposal.depths, proposal.seen)
        else:
            logits = self.target.read(texts)
        probs = sampler.process(self._with_settings(logits, proposal))
        if sampler.greedy:
            best = probs.argmax(-1).tolist()
            paths = [_match(proposal, row, tokens) for row, tokens in enumerate(best)]
        else:
            paths = _verify(proposal, probs, rule, sampler)
            self.record.steps(self.running, proposal, probs, paths)

        new, going = [], []
        for index, (row, (tokens, nodes)) in enumerate(zip(self.running, paths, strict=True)):
            kept = _cut(tokens, self.ends, left[index])
            self.texts[row] += kept
            self.record.round(row, len(kept), min(len(nodes), len(kept)))
            new.append(kept)
            if kept[-1] not in self.ends and len(self.texts[row]) < self.stops[row]:
                going.append(index)
        self._settle(proposal, [nodes for _, nodes in paths], going)
        return new

    def _with_settings(
        self, logits: Float[Tensor, "rows nodes vocab"], proposal: Proposal | None
    ) -> Float[Tensor, "rows nodes vocab"]:
        """The target's logits after the rules of its configuration, which count tokens, padding included."""
        if not self.settings:
            return logits
        before = [self.paddings[row] + len(self.texts[row]) for row in self.running]
        before = torch.tensor(before, device=logits.device)[:, None].expand(logits.shape[:2])
        if proposal is not None:
            # The first logits are those of the text's end.
            before = before + torch.nn.functional.pad(proposal.depths, (1, 0)).to(logits.device)
        return self.settings(logits, before)

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
            self.running = [self.running[index] for index in going]
            if going:
                self.target.select(going)
                self.draft.select(going)


def _match(proposal: Proposal | None, row: int, best: list[int]) -> tuple[list[int], list[int]]:
    """Greedy decoding: go on while the target's most probable token was drafted."""
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
    proposal: Proposal | None, probs: Float[Tensor, "rows nodes vocab"], rule: str, sampler: DraftSampler
) -> list[tuple[list[int], list[int]]]:
    """For each row the tokens that come out of its tree, and the accepted nodes."""
    if proposal is None:
        return [([token], []) for token in sampler.one(probs[:, 0]).tolist()]
    known: dict[int, Tensor] = {}

    def tensor(indices: list[int]) -> Tensor:
        # Rows of one shape share their lists.
        if id(indices) not in known:
            known[id(indices)] = torch.tensor(indices, dtype=torch.long, device=probs.device)
        return known[id(indices)]

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
        tree = DraftTree(tokens, parents, draft_probs, sampler.sampling, validate=False)
        found = verify_tree(tree, target_probs, rule, generator=sampler.generator, validate=False)
        paths.append((found.tokens.tolist(), [node[draft] for draft in found.nodes.tolist()]))
    return paths


def _cut(tokens: list[int], ends: set[int], room: int) -> list[int]:
    """Tokens up to the first end of text, as far as there is room."""
    for index, token in enumerate(tokens[:room]):
        if token in ends:
            return tokens[: index + 1]
    return tokens[:room]
