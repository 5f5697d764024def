r"""Multi-draft speculative decoding on a real model.

A round: the draft model proposes a tree of tokens, the target model reads all of it in one
forward, a rule decides how far down to go and draws one token more. What comes out has the
target model's law, whatever the draft model is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tokenlab.errors import ArgumentError, DtypeError, check_choice, check_generator, check_int, check_real
from tokenlab.lm.cache import check_is_model, check_model
from tokenlab.lm.prompting import check_prompt, end_tokens
from tokenlab.transport import reference
from tokenlab.transport.cache import Reader
from tokenlab.transport.drafting import STRUCTURES, Drawing, Proposal, draw_one, propose
from tokenlab.transport.drafts import MAX_TUPLES
from tokenlab.transport.optimum import optimal_acceptance_rate
from tokenlab.transport.tree import BOTTOM_UP, DraftTree, verify_tree

#: The rules that are lossless with each structure. ``"block"`` and the traversals decide about
#: whole branches, the others at one node after the other.
STRUCTURE_RULES: dict[str, tuple[str, ...]] = {
    "chain": ("recursive", "target_only", "naive", "kseq", "greedy", "optimal", "block", "traversal"),
    "iid_sequences": ("recursive", "target_only", "naive", "kseq", "optimal", "traversal", "traversal_kseq"),
    "without_replacement": ("recursive", "target_only", "naive", "greedy", "spechub", "optimal", "traversal"),
    "dynamic": ("recursive", "target_only", "naive", "traversal"),
}
#: With one draft at a node these are one rule, the maximal coupling.
SAME_ON_CHAINS = ("recursive", "naive", "kseq", "greedy", "optimal")
#: Nodes of a tree at most.
MAX_NODES = 1024
DEFAULT_LENGTH = 4
#: The least temperature that logits are divided by.
COLDEST = 1e-6


@torch.inference_mode()
def generate(
    target,
    draft,
    input_ids: Int[Tensor, "batch prompt"],
    attention_mask: Int[Tensor, "batch prompt"] | None = None,
    *,
    rule: str = "recursive",
    num_drafts: int | Sequence[int] | None = None,
    draft_length: int | None = None,
    structure: str = "chain",
    do_sample: bool = True,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    max_new_tokens: int,
    eos_token_id: int | Sequence[int] | None = None,
    pad_token_id: int | None = None,
    generator: torch.Generator | None = None,
    streamer=None,
    track_acceptance: bool = False,
):
    r"""Continue prompts with a target and a draft model, with the target's law.

    Each round takes one forward of the target model for

    .. math::

        \text{accepted drafts} + 1

    tokens. Tokens are distributed as if the target model had drawn them one by one, after
    temperature, top-k and top-p; with ``do_sample=False`` they are its most probable ones.

    =====================  ==========================================  =========================
    structure              ``num_drafts``                              rules
    =====================  ==========================================  =========================
    chain                  1                                           recursive, target_only,
                                                                       naive, kseq, greedy,
                                                                       optimal, block, traversal
    iid_sequences          k sequences                                 recursive, target_only,
                                                                       naive, kseq, optimal,
                                                                       traversal, traversal_kseq
    without_replacement    children of each node, or for each level    recursive, target_only,
                                                                       naive, greedy, spechub,
                                                                       optimal, traversal
    dynamic                nodes of the tree                           recursive, target_only,
                                                                       naive, traversal
    =====================  ==========================================  =========================

    In a tree of structure ``"without_replacement"`` the rules ``"greedy"`` and ``"spechub"``
    have drafts of their own: the k - 1 most probable tokens and one draw without them, and a
    pair with the most probable token. On a chain recursive, naive, kseq, greedy and optimal are
    one rule. ``"optimal"`` solves a linear program at each node of a tree, for tiny vocabularies
    only. The structures are told in :mod:`tokenlab.transport.drafting`.

    Parameters
    ----------
    target, draft : transformers.PreTrainedModel
        Causal language models of the same vocabulary, in eval mode, on one device.
    input_ids : Int[Tensor, "batch prompt"]
        Prompts, padded on the left.
    attention_mask : Int[Tensor, "batch prompt"], optional
        One for tokens, zero for padding. Default: no padding.
    rule : str
        Which drafts are accepted; see the table.
    num_drafts : int or sequence of int, optional
        See the table. Default, for a chain only: 1.
    draft_length : int, optional
        How many tokens deep the drafts go. Default: 4, or the number of levels in
        ``num_drafts``.
    structure : {"chain", "iid_sequences", "without_replacement", "dynamic"}
        What is drafted.
    do_sample : bool
        Draw from the target's law, or take its most probable token. All rules are the same
        then: a draft is accepted if it is that token.
    temperature : float
        No unit; 0 is the same as ``do_sample=False``.
    top_k : int, optional
        Only so many tokens of both models are kept. Default or 0: all.
    top_p : float, optional
        Only the most probable tokens are kept, as few as have this mass. Default: all.
    max_new_tokens : int
        Where to stop at the latest.
    eos_token_id : int or sequence of int, optional
        Tokens that end a text. Default: the target model's; an empty sequence: none.
    pad_token_id : int, optional
        What fills a row behind its end. Default: the model's, else the first end of text.
    generator : torch.Generator, optional
        Source of the noise, on the models' device.
    streamer : transformers.generation.BaseStreamer, optional
        Gets the prompt, then the tokens of each round. For one prompt only.
    track_acceptance : bool
        Also compute the acceptance of the rule, and the largest possible one, at each step.
        This takes time. Not for ``"block"`` and the traversals, which do not decide at a node.

    Returns
    -------
    MultiDraftOutput
        A transformers ``ModelOutput`` with ``sequences`` and statistics.

    Raises
    ------
    ArgumentError
        If an argument is out of range, the rule is not lossless with the structure, the models
        have different vocabularies or a cache that drafts cannot be taken back from, a prompt is
        padded on the right or empty, or the text would outgrow the positions of a model.
    ShapeError, DtypeError
        If ids or mask have the wrong shape or type.

    Examples
    --------
    >>> from tokenlab.lm import load
    >>> (target, tokenizer), (draft, _) = load("lab-target"), load("lab-draft")
    >>> prompt = tokenizer("def read_config(path):", return_tensors="pt").input_ids
    >>> greedy = generate(target, draft, prompt, max_new_tokens=12, do_sample=False)
    >>> plain = target.generate(prompt, max_new_tokens=12, do_sample=False)
    >>> torch.equal(greedy.sequences, plain), int(greedy.target_calls[0]) < 12
    (True, True)

    Reference: Leviathan et al. 2022, arXiv 2211.17192 (chain); Sun et al. 2023, arXiv
    2310.15141, section 3 (several sequences); Jeon et al. 2024, arXiv 2402.14160 (tree without
    replacement).

    Book: transport
    """
    check_int("max_new_tokens", max_new_tokens, low=1)
    check_is_model("target", target)
    greedy, warpers = _check_sampling(target, do_sample, temperature, top_k, top_p)
    return _decode(
        target,
        draft,
        input_ids,
        attention_mask,
        rule=rule,
        num_drafts=num_drafts,
        draft_length=draft_length,
        structure=structure,
        greedy=greedy,
        warpers=warpers,
        max_new_tokens=max_new_tokens,
        ends=end_tokens(target, eos_token_id, pad_token_id),
        generator=generator,
        streamer=streamer,
        track_acceptance=track_acceptance,
    )


def multi_draft(
    draft,
    *,
    rule: str = "recursive",
    num_drafts: int | Sequence[int] | None = None,
    draft_length: int | None = None,
    structure: str = "chain",
    generator: torch.Generator | None = None,
    streamer=None,
    track_acceptance: bool = False,
) -> Callable:
    """The same as a decoding method of ``model.generate(..., custom_generate=...)``.

    ``model.generate`` prepares prompt, mask and configuration: sampling, truncation, lengths
    and ends of text are its own arguments. It returns the sequences, or the whole
    :class:`MultiDraftOutput` with ``return_dict_in_generate=True``.

    Parameters
    ----------
    draft : transformers.PreTrainedModel
        The draft model.
    rule, num_drafts, draft_length, structure, generator, track_acceptance
        As for :func:`generate`; ``generator`` may also be given to ``model.generate``.
    streamer : transformers.generation.BaseStreamer, optional
        Belongs here: transformers does not hand its own ``streamer`` argument to such a method.

    Returns
    -------
    callable

    Raises
    ------
    ArgumentError
        When it runs: as :func:`generate`, and if ``model.generate`` was asked for beams, for
        logits processors that look at the text, for stopping criteria other than length and
        end of text, or for a cache that is static or already filled.

    Examples
    --------
    >>> from tokenlab.lm import load
    >>> (target, tokenizer), (draft, _) = load("lab-target"), load("lab-draft")
    >>> prompt = tokenizer("def read_config(path):", return_tensors="pt")
    >>> method = multi_draft(draft, rule="kseq", structure="iid_sequences", num_drafts=3)
    >>> output = target.generate(
    ...     **prompt, max_new_tokens=8, do_sample=True, top_k=0, custom_generate=method,
    ...     return_dict_in_generate=True, generator=torch.Generator().manual_seed(0),
    ... )
    >>> output.sequences.shape[1] <= prompt.input_ids.shape[1] + 8
    True

    Book: transport
    """
    check_is_model("draft", draft)
    fixed = {
        "rule": rule,
        "num_drafts": num_drafts,
        "draft_length": draft_length,
        "structure": structure,
        "track_acceptance": track_acceptance,
    }
    own_generator, own_streamer = generator, streamer

    # The names are those of transformers' own methods: what is called otherwise, it takes for ours.
    def decode(
        model,
        input_ids,
        logits_processor,
        stopping_criteria,
        generation_config,
        generator=None,
        streamer=None,
        **model_kwargs,
    ):
        _check_transformers_options(generation_config, stopping_criteria, model_kwargs)
        warpers = _context_free(logits_processor)
        eos, pad = generation_config.eos_token_id, generation_config.pad_token_id
        output = _decode(
            model,
            draft,
            input_ids,
            model_kwargs.get("attention_mask"),
            greedy=not generation_config.do_sample,
            warpers=warpers,
            max_new_tokens=generation_config.max_length - input_ids.shape[1],
            ends=end_tokens(model, () if eos is None else eos, pad),
            generator=own_generator if generator is None else generator,
            streamer=own_streamer if streamer is None else streamer,
            # transformers' own way already put the prompt.
            put_prompt=streamer is None,
            **fixed,
        )
        return output if generation_config.return_dict_in_generate else output.sequences

    return decode


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
                self.rates.append((reference.acceptance(verdict, drafted).item(), best.item()))
                self.where.append((row, len(self.accepted[row]), depth, len(here)))

    def output(self, input_ids: Tensor, decoding: _Decoding, prefill: int, pad: int):
        from tokenlab.transport.output import MultiDraftOutput

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


# --- probabilities -----------------------------------------------------------------------


def _check_sampling(
    target, do_sample: bool, temperature: float, top_k: int | None, top_p: float | None
) -> tuple[bool, list[Callable]]:
    """Whether to decode greedily, and transformers' warpers in transformers' order."""
    if not isinstance(do_sample, bool):
        raise DtypeError(f"do_sample must be a bool, found {type(do_sample).__name__} {do_sample!r}")
    temperature = check_real("temperature", temperature, low=0)
    if 0 < temperature < COLDEST:
        raise ArgumentError(
            f"temperature is {temperature}, expected 0 (the most probable token) or at least {COLDEST}: "
            "logits divided by it would overflow"
        )
    vocab_size = target.config.get_text_config().vocab_size
    top_k = check_int("top_k", 0 if top_k is None else top_k, low=0, high=vocab_size)
    top_p = check_real("top_p", 1.0 if top_p is None else top_p, low=0, high=1, include_low=False)
    if not do_sample or temperature == 0:
        if temperature not in (0, 1) or top_k or top_p < 1:
            raise ArgumentError(
                f"temperature is {temperature}, top_k {top_k or None}, top_p {top_p}: without sampling the "
                "most probable token is taken, whatever they are; expected none of them"
            )
        return True, []
    from transformers.generation import logits_process

    warpers = []
    if temperature != 1:
        warpers.append(logits_process.TemperatureLogitsWarper(temperature))
    if top_k:
        warpers.append(logits_process.TopKLogitsWarper(top_k))
    if top_p < 1:
        warpers.append(logits_process.TopPLogitsWarper(top_p))
    return False, warpers


def _processing(warpers: list[Callable]) -> Callable[[Tensor], Tensor]:
    """From logits of any shape to probabilities."""

    def process(logits: Float[Tensor, "*batch vocab"]) -> Float[Tensor, "*batch vocab"]:
        if warpers:
            scores = logits.flatten(0, -2)
            for warper in warpers:
                scores = warper(None, scores)
            logits = scores.view_as(logits)
        return logits.softmax(-1)

    return process


def _context_free(processors: Sequence[Callable]) -> list[Callable]:
    """transformers' processors, if they look at the scores alone."""
    from transformers.generation import logits_process as known

    allowed = (
        known.TemperatureLogitsWarper,
        known.TopKLogitsWarper,
        known.TopPLogitsWarper,
        known.MinPLogitsWarper,
        known.TypicalLogitsWarper,
        known.EpsilonLogitsWarper,
        known.EtaLogitsWarper,
        known.TopHLogitsWarper,
        known.SuppressTokensLogitsProcessor,
        known.LogitNormalization,
    )
    for processor in processors:
        if not isinstance(processor, allowed):
            raise ArgumentError(
                f"logits_processor has a {type(processor).__name__}, which may look at the text: nodes of "
                "a tree have texts of their own; expected temperature and truncation only"
            )
    return list(processors)


# --- what fits together ------------------------------------------------------------------


def check_structure(
    rule: str,
    structure: str,
    num_drafts: int | Sequence[int] | None,
    draft_length: int | None,
    vocab_size: int,
) -> tuple[str, str, int | tuple[int, ...], int]:
    """Check a rule with a structure; returns rule, law of the drafts, their number and depth.

    Raises
    ------
    ArgumentError
        If the rule is unknown, or not lossless with the structure, or a number is out of range.
    """
    check_choice("structure", structure, STRUCTURES)
    known = sorted({name for rules in STRUCTURE_RULES.values() for name in rules})
    if not isinstance(rule, str):
        raise DtypeError(f"rule must be a string, found {type(rule).__name__} {rule!r}")
    check_choice("rule", rule, known)
    if rule not in STRUCTURE_RULES[structure]:
        raise ArgumentError(
            f"rule {rule!r} does not go with structure {structure!r}: {_reason(rule, structure)}; "
            f"expected one of {', '.join(map(repr, STRUCTURE_RULES[structure]))}"
        )
    levels = None
    if isinstance(num_drafts, Sequence) and not isinstance(num_drafts, str):
        if structure != "without_replacement":
            raise ArgumentError(
                f"num_drafts is {num_drafts!r} with structure {structure!r}, expected an int: "
                "only 'without_replacement' has a number for each level"
            )
        levels = tuple(check_int("num_drafts", number, low=1) for number in num_drafts)
        if not levels:
            raise ArgumentError("num_drafts is empty, expected a number for each level, at least one")
        if draft_length is not None and draft_length != len(levels):
            raise ArgumentError(f"draft_length is {draft_length}, but num_drafts has {len(levels)} levels")
        draft_length = len(levels)
    length = check_int("draft_length", DEFAULT_LENGTH if draft_length is None else draft_length, low=1)
    if structure == "chain":
        if num_drafts is not None and check_int("num_drafts", num_drafts, low=1) != 1:
            raise ArgumentError(f"num_drafts is {num_drafts} with structure 'chain', expected 1")
        return ("recursive" if rule in SAME_ON_CHAINS else rule), "iid", 1, length
    if num_drafts is None:
        raise ArgumentError(f"num_drafts is not given with structure {structure!r}, expected a number")
    if levels is None:
        num_drafts = check_int("num_drafts", num_drafts, low=1)
    nodes = num_drafts * length if structure == "iid_sequences" else num_drafts
    if structure == "without_replacement":
        levels = levels or (num_drafts,) * length
        nodes, level = 0, 1
        for number in levels:
            level *= number
            nodes += level
        if max(levels) > vocab_size:
            raise ArgumentError(
                f"num_drafts is {max(levels)}, but there are only {vocab_size} tokens to draw without repeats"
            )
        if rule == "spechub" and set(levels) != {2}:
            raise ArgumentError(f"num_drafts is {num_drafts}, but rule 'spechub' has two drafts at a node")
    if nodes > MAX_NODES:
        raise ArgumentError(
            f"num_drafts {num_drafts} and draft_length {length} make {nodes} drafts, at most {MAX_NODES}"
        )
    widest = max(levels) if levels else num_drafts
    if rule == "optimal" and vocab_size**widest > MAX_TUPLES:
        raise ArgumentError(
            f"rule 'optimal' lists all tuples of drafts: {widest} drafts of {vocab_size} tokens make more "
            f"than {MAX_TUPLES}; expected a smaller vocabulary, or another rule"
        )
    sampling = "iid"
    if structure != "iid_sequences":
        sampling = rule if rule in ("greedy", "spechub") else "without_replacement"
    return rule, sampling, levels or num_drafts, length


def _reason(rule: str, structure: str) -> str:
    if rule == "block":
        return "it verifies one sequence"
    if rule in ("greedy", "spechub"):
        return "it has drafts of its own, a fixed number of distinct ones at each node"
    if structure == "dynamic":
        return "it must know how many drafts a node will have before the first is drawn"
    return "it is lossless for i.i.d. drafts only"


def check_pair(target, draft) -> None:
    """Check that two models can work together.

    Raises
    ------
    ArgumentError
        If their vocabularies or special tokens differ, they are on two devices, or the cache or
        attention of one cannot hold a tree.
    """
    for name, model in (("target", target), ("draft", draft)):
        check_is_model(name, model)
        check_model(name, model)
        if model.training:
            raise ArgumentError(f"{name} is in training mode, expected eval mode: call {name}.eval()")
    if target.device != draft.device:
        raise ArgumentError(f"draft is on {draft.device}, expected {target.device} as target")
    sizes = [model.config.get_text_config().vocab_size for model in (target, draft)]
    if sizes[0] != sizes[1]:
        raise ArgumentError(
            f"draft has a vocabulary of {sizes[1]} tokens, expected {sizes[0]} as target: "
            "token ids must mean the same in both"
        )
    for name in ("bos_token_id", "eos_token_id"):
        ids = [_special(model, name) for model in (target, draft)]
        if ids[0] and ids[1] and not ids[0] & ids[1]:
            raise ArgumentError(
                f"draft has {name} {sorted(ids[1])}, target has {sorted(ids[0])}, as models of different "
                f"tokenizers do; if theirs is one, set {name} of draft.config to the target's"
            )


def _special(model, name: str) -> set[int]:
    found = getattr(model.config.get_text_config(), name, None)
    return set() if found is None else {found} if isinstance(found, int) else set(found)


def _check_transformers_options(generation_config, stopping_criteria, model_kwargs: dict) -> None:
    """Refuse what ``model.generate`` was asked for and this method does not do."""
    from transformers import DynamicCache
    from transformers.generation import stopping_criteria as known

    if (generation_config.num_beams or 1) > 1:
        raise ArgumentError(f"num_beams is {generation_config.num_beams}, expected 1")
    for name in ("output_scores", "output_logits", "output_attentions", "output_hidden_states"):
        if getattr(generation_config, name, None):
            raise ArgumentError(f"{name} is True, expected False: a round of drafts does not keep them")
    if getattr(generation_config, "prompt_lookup_num_tokens", None):
        raise ArgumentError("prompt_lookup_num_tokens is given, but the drafts come from the draft model")
    if generation_config.use_cache is False:
        raise ArgumentError("use_cache is False, expected True: drafts are read behind a cache")
    for criterion in stopping_criteria:
        if not isinstance(criterion, known.MaxLengthCriteria | known.EosTokenCriteria):
            raise ArgumentError(
                f"stopping_criteria has a {type(criterion).__name__}, expected length and end of text only: "
                "a round adds several tokens at once"
            )
    cache = model_kwargs.get("past_key_values")
    if cache is not None and (type(cache) is not DynamicCache or cache.get_seq_length()):
        raise ArgumentError(
            f"past_key_values is a {type(cache).__name__} with {cache.get_seq_length()} tokens, "
            "expected none, or an empty DynamicCache"
        )
