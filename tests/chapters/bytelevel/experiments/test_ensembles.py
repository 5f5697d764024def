"""Ensembles, against the models' own answers; recorded ones are read and computed again."""

from __future__ import annotations

import math

import pytest
import torch

from tests.chapters.bytelevel.experiments.recorded import ENSEMBLES
from tests.support.planting import plant
from tokenlab.bytelevel import ByteLM, ensemble
from tokenlab.chapters.bytelevel import experiments


def check_ensembles(models) -> None:
    texts = [b"def __init__", b"import json\n"]
    members = [ByteLM(*models[role]) for role in ("target", "other", "draft")]
    distributions = experiments.measure_distributions(members, texts)
    assert distributions.shape == (3, 2, 12, 257)
    for how, weights in (("mix", (0.25, 0.75, 0)), ("product", (0.5, 0.3, 0.2)), ("mix", (0, 1, 0))):
        bits = experiments.combined_bits(distributions, texts, weights, how)
        there = [(member, weight) for member, weight in zip(members, weights) if weight]
        both = ensemble([member for member, _ in there], [weight for _, weight in there], how)
        for row, score in zip(bits, both.score(texts), strict=True):
            torch.testing.assert_close(row, -score.log_probs / math.log(2))


def test_combined_distributions_are_those_of_an_ensemble(models):
    check_ensembles(models)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("(shares * distributions[there]).sum(0).log_softmax(-1)", "(shares * distributions[there]).sum(0)"),
        (
            "torch.logsumexp(shares.log() + distributions[there], 0)",
            "torch.logsumexp(shares + distributions[there], 0)",
        ),
    ],
    ids=["a product without its sum", "weights that are no logarithms"],
)
def test_planted_mistakes_in_ensembles_are_caught(monkeypatch, models, old, new):
    plant(monkeypatch, experiments, old, new)
    with pytest.raises(AssertionError):
        check_ensembles(models)


def test_ensembles_are_read():
    assert experiments.ensemble_bits(ENSEMBLES, "target", "source").mean == 1.0
    assert experiments.ensemble_bits(ENSEMBLES, "target").mean == 1.55
    assert experiments.ensemble_bits(ENSEMBLES, "other", "source", other="target").mean == 0.01


def test_recorded_ensemble_holds_for_one_file(lab):
    recorded = experiments.load_results("ensembles")
    file = "english/09_module_shelf.txt"
    name, number = "product, target 0.5, other 0.5", recorded["files"].index(file)
    again = experiments.recompute_ensemble(lab, name, file, recorded["bytes"])
    assert again == pytest.approx(recorded["bits"][name][number], rel=1e-5)
