"""What a model says can be learnt from: no tensor that a function returns is one of inference mode."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest
import torch
from torch import Tensor

from tests.bytelevel.brute import BOS, tiny_lm, tokenizer_of
from tests.notebooks.execute import ROOT
from tests.support.tiny_models import tiny_model
from tokenlab.bytelevel import ByteLM, baselines, ensemble
from tokenlab.bytelevel.model.context_forest import ContextForest
from tokenlab.bytelevel.tasks.infilling import infilling_streams
from tokenlab.chapters.bytelevel.experiments.ensembles import measure_distributions
from tokenlab.chapters.sampling.opening import next_logits
from tokenlab.chapters.transport.experiments import decode_rounds
from tokenlab.chapters.transport.experiments.rounds import draft_tree
from tokenlab.chapters.transport.experiments.steps import read_steps
from tokenlab.lm import load
from tokenlab.sampling import RULES
from tokenlab.sampling import generate as sample
from tokenlab.transport import Branching, Chain, DynamicTree, Sequences, multi_draft
from tokenlab.transport import generate as draft_and_verify

IDS = torch.tensor([[3, 4, 5], [2, 6, 7]])
MASK = torch.tensor([[1, 1, 1], [0, 1, 1]])
DRAFTS = (Chain(2), Sequences(2, length=2), Branching(2, 1), DynamicTree(3))
VALUES = {rule: 5 if rule == "top_k" else 0.1 for rule in RULES}


def pair():
    return tiny_model(), tiny_model(seed=1)


def everything() -> ByteLM:
    return ByteLM(tiny_lm().model, tokenizer_of("byte_level"), "all", beam_width=9)


def pushed(streams) -> list:
    streams.extend([b"b a"] * len(streams))
    return [streams.log_probs, streams.scores(ended=True)]


def logits_of(cached: bool) -> list:
    forest = ContextForest(tiny_model(), cached=cached)
    root = forest.root([3])
    return [forest.logits([root]), forest.child_log_probs([(root, 4)])]


def drafted(drafts, **options):
    return draft_and_verify(*pair(), IDS, MASK, drafts=drafts, max_new_tokens=4, **options)


def through_transformers():
    target, draft = pair()
    return target.generate(IDS, attention_mask=MASK, max_new_tokens=3, custom_generate=multi_draft(draft))


CALLS = {
    "sampling: greedy": lambda: sample(tiny_model(), IDS, MASK, rule="greedy", max_new_tokens=3),
    **{
        f"sampling: {rule}": lambda rule=rule: sample(
            tiny_model(), IDS, MASK, rule=rule, value=VALUES[rule], max_new_tokens=3
        )
        for rule in RULES
    },
    **{
        f"transport: {type(drafts).__name__}": lambda drafts=drafts: drafted(drafts, do_sample=False)
        for drafts in DRAFTS
    },
    "transport: tracked": lambda: drafted(Branching(2, 1), rule="recursive", track_acceptance=True),
    "transport: in transformers": through_transformers,
    "contexts in a cache": lambda: logits_of(True),
    "contexts afresh": lambda: logits_of(False),
    "next byte": lambda: tiny_lm().next_byte_log_probs([b"a", b"b"]),
    "score": lambda: tiny_lm().score(b"b a", ended=True),
    "streams": lambda: pushed(tiny_lm().streams([b"a", b""])),
    "beams": lambda: pushed(everything().streams([b"a", b""])),
    "ensemble": lambda: pushed(ensemble([tiny_lm(), tiny_lm(seed=1)]).streams([b"a", b""])),
    "infilling": lambda: pushed(infilling_streams(tiny_lm(), [b"a"], [b"b"])),
    "plain prompting": lambda: baselines.plain_next_byte_log_probs(tiny_lm(), b"a"),
    "longest match": lambda: baselines.longest_match_next_byte_log_probs(tiny_lm(), b"a"),
    "scores of continuations": lambda: baselines.continuation_scores(tiny_lm(), [b"a"], [b"b"], "plain"),
    "experiments: distributions": lambda: measure_distributions([tiny_lm()], [b"ab"]),
    "experiments: rounds": lambda: decode_rounds(*pair(), torch.tensor([[BOS, 6]]), 2, (2, 1)),
    "experiments: trees": lambda: draft_tree(*pair(), IDS[:1], (2, 1), sampling="iid"),
    "experiments: steps": lambda: read_steps(
        *[load("lab-draft")[0]] * 2, load("lab-draft")[1], ["source/matrix.py"], [4, 8]
    ),
    "opening": lambda: next_logits("The value of"),
}


def tensors(result) -> Iterator[Tensor]:
    """All tensors of a result, whatever holds them."""
    if isinstance(result, Tensor):
        yield result
    elif isinstance(result, Mapping):
        for value in result.values():
            yield from tensors(value)
    elif isinstance(result, list | tuple):
        for value in result:
            yield from tensors(value)
    elif hasattr(result, "__dict__"):
        yield from tensors(vars(result))


def learn_from(result) -> int:
    """Differentiate through every tensor of a result; returns how many there are."""
    model, found = tiny_model(), list(tensors(result))
    for tensor in found:
        assert not tensor.requires_grad
        # Texts, and whatever else may be read as such.
        if tensor.dtype == torch.long and tensor.dim() == 2 and 0 <= tensor.min() <= tensor.max() < 29:
            model(tensor, labels=tensor).loss.backward()
        # What is multiplied by is kept for the way back, as it is.
        weight = torch.ones((), dtype=torch.float64, requires_grad=True)
        (weight * tensor).sum().backward()
    return len(found)


@pytest.mark.model
@pytest.mark.parametrize("call", CALLS)
def test_results_can_be_learnt_from(call):
    assert learn_from(CALLS[call]()) > 0


def test_a_tensor_of_inference_mode_is_found():
    for tensor in (torch.tensor([[3, 4]]), torch.tensor([0.5])):
        with torch.inference_mode():
            made = {"one": [tensor.clone()]}
        with pytest.raises(RuntimeError, match="[Ii]nference tensors cannot be saved"):
            learn_from(made)


def test_no_function_of_the_package_uses_it():
    found = [path for path in (ROOT / "tokenlab").rglob("*.py") if "inference_mode" in path.read_text()]
    assert found == []
