"""Beams over all tokenizations beside valid covers; recorded ones are read and computed again."""

from __future__ import annotations

import pytest

from tests.chapters.bytelevel.experiments.recorded import DISTRIBUTIONS
from tokenlab.bytelevel import ByteLM
from tokenlab.chapters.bytelevel import experiments


def test_beams_beside_valid_covers(models, byte_lm):
    read = b"def __init__(self"
    valid = experiments.measure_tokenization(byte_lm, read)
    wide = experiments.measure_tokenization(ByteLM(*models["target"], "all", beam_width=16), read)
    assert valid["pruned"] == 0 and wide["pruned"] < 0.01
    assert valid["log_prob"] == pytest.approx(byte_lm.log_prob(read))
    # Valid covers are a part of all covers.
    assert wide["cover_log_prob"] > valid["cover_log_prob"] and wide["tokens"] > valid["tokens"]
    lost = experiments.measure_tokenization(
        ByteLM(*models["target"], "all", beam_width=1), '"""Finité'.encode()
    )
    assert set(lost) == {"lost_at"} or lost["pruned"] > 0


def test_distributions_are_read():
    assert experiments.distribution_means(DISTRIBUTIONS, "all, 1") == {"read": 0}
    found = experiments.distribution_means(DISTRIBUTIONS, "all, 2")
    assert found == pytest.approx(
        {
            "read": 1,
            "conditionals": 0.1,
            "covers": 0.05,
            "pruned": 0.1,
            "tokens": 3.0,
            "open_covers": 4.0,
            "bytes_per_second": 5.0,
        }
    )


def test_recorded_tokenization_holds_for_one_file(lab):
    recorded = experiments.load_results("tokenizations")
    read = experiments.heldout_bytes()[recorded["files"][0]][: recorded["bytes"]]
    again = experiments.measure_tokenization(ByteLM(*lab["target"]), read)
    then = recorded["distributions"]["valid"][0]
    for name in ("log_prob", "cover_log_prob", "leak", "tokens", "open_covers"):
        assert again[name] == pytest.approx(then[name], rel=1e-5)
