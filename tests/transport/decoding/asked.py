"""What decoding asks its models, against plain forwards."""

from __future__ import annotations

from tests.support.tiny_models import plain_logits
from tests.transport.decoding.pairs import seeded
from tokenlab.transport import generate
from tokenlab.transport.decoding import loop


def largest_gap(monkeypatch, target, draft, batch, drafts, rule="recursive") -> float:
    """Distributions given to verification against plain forwards of text and path."""
    ids, mask = batch
    worst, calls, known = [], [], {}
    keep, verify = loop.Decoding.round, loop.verify_tree

    def round_(self, *arguments):
        known["texts"] = [list(self.texts[row]) for row in self.running]
        known["row"] = 0
        return keep(self, *arguments)

    def check(tree, target_probs, rule, **more):
        text = known["texts"][known["row"]]
        known["row"] += 1
        calls.append(len(tree))
        for node in range(-1, len(tree)):
            tokens = text + tree.tokens[tree.path(node)].tolist()
            found = [(target, target_probs[node + 1])]
            if tree.children(node):
                found.append((draft, tree.draft_probs[node + 1]))
            for model, probs in found:
                worst.append((probs - plain_logits(model, tokens).softmax(-1)).abs().max().item())
        return verify(tree, target_probs, rule, **more)

    monkeypatch.setattr(loop.Decoding, "round", round_)
    monkeypatch.setattr(loop, "verify_tree", check)
    generate(
        target,
        draft,
        ids,
        mask,
        drafts=drafts,
        rule=rule,
        max_new_tokens=10,
        generator=seeded(),
        eos_token_id=(),
    )
    assert len(calls) > 6
    return max(worst)
