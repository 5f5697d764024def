"""Cuts, against the same asked one by one; recorded ones are read and computed again."""

from __future__ import annotations

import math

import pytest

from tests.chapters.bytelevel.experiments.conftest import FILE
from tests.chapters.bytelevel.experiments.recorded import CUTS
from tests.support.planting import plant
from tokenlab.bytelevel import ByteLM, baselines
from tokenlab.bytelevel.tasks.baselines import METHODS
from tokenlab.chapters.bytelevel import experiments


def test_boundaries_are_where_the_tokenizer_ends_its_tokens(models, text):
    for name in ("target", "other"):
        model, tokenizer = models[name]
        found = experiments.boundaries(ByteLM(model, tokenizer), text)
        offsets = tokenizer(
            text.decode(), return_offsets_mapping=True, add_special_tokens=False
        ).offset_mapping
        assert text.isascii() and found == {0} | {end for _, end in offsets}


def check_cuts(byte_lm: ByteLM, text: bytes) -> None:
    """Each method at each cut, against the same asked one by one."""
    cuts = range(30, 36)
    found = experiments.measure_cuts(byte_lm, text, cuts)
    for method in METHODS:
        alone = [
            baselines.continuation_scores(byte_lm, [text[:cut]], [text[cut : cut + 8]], method)[0]
            for cut in cuts
        ]
        bits = [-score.log_probs / math.log(2) for score in alone]
        assert found[method]["first"] == pytest.approx([float(row[0]) for row in bits], abs=1e-9)
        assert found[method]["ahead"] == pytest.approx([float(row.sum()) for row in bits], abs=1e-9)
    distributions = byte_lm.next_byte_log_probs([text[:cut] for cut in cuts])
    assert found["exact"]["hit"] == [
        int(distribution.argmax() == text[cut]) for distribution, cut in zip(distributions, cuts)
    ]
    assert found["work"]["bytes"] == cuts[-1] + 8 == len(found["work"]["leaks"])


def test_cuts_are_what_each_method_says_after_each_prompt(byte_lm, text):
    check_cuts(byte_lm, text)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("float(bits[cut : cut + AHEAD].sum())", "float(bits[cut + 1 : cut + AHEAD].sum())"),
        ("[text[cut : cut + AHEAD] for cut in cuts]", "[text[cut + 1 : cut + 1 + AHEAD] for cut in cuts]"),
        ("streams.log_probs[0].argmax() == text[cut]", "streams.log_probs[0].argmax() == text[cut + 1]"),
    ],
    ids=["one byte too few", "the prompt and what follows do not meet", "the hit is that of the next byte"],
)
def test_planted_mistakes_at_the_cuts_are_caught(monkeypatch, byte_lm, text, old, new):
    plant(monkeypatch, experiments, old, new)
    with pytest.raises(AssertionError):
        check_cuts(byte_lm, text)


def test_work_is_that_of_typing(byte_lm, text):
    """Known text is read ahead in blocks; the model reads the same tokens as when it is typed."""
    work = experiments.measure_cuts(byte_lm, text, range(40, 41), ["exact"])["work"]
    streams = byte_lm.streams([b""])
    for byte in text[: work["bytes"]]:
        assert streams.log_probs[0, byte] < 0
        streams.push([byte])
    assert work["leaks"] == pytest.approx(streams.scores()[0].leaks.tolist(), abs=1e-9)
    assert work["tokens"] == streams.num_tokens


def test_transformers_healing_is_asked_for_one_byte(models, byte_lm, text):
    found = experiments.measure_transformers_healing(byte_lm, models["target"][1], text, [40, 41])
    assert set(found) == {"kept", "hit"} and all(len(row) == 2 for row in found.values())
    # A prompt that ends in a space comes back without it.
    space = text.index(b" ", 40) + 1
    assert experiments.measure_transformers_healing(byte_lm, models["target"][1], text, [space])["kept"] == [
        0
    ]


def test_cuts_are_read_by_position_and_kind():
    assert experiments.cut_bits(CUTS, "exact").mean == 2.5
    assert experiments.cut_bits(CUTS, "exact", part="boundary").mean == (1 + 4 + 3 + 2) / 4
    assert experiments.cut_bits(CUTS, "exact", part="inside", kind="source").mean == (2 + 3 + 1 + 2 + 4) / 5
    assert experiments.cut_bits(CUTS, "plain", "ahead").mean == 4
    assert experiments.cut_excess(CUTS, "plain") == (3, 3, 3)
    assert experiments.cut_hits(CUTS, "exact").mean == 0.5
    assert experiments.cut_hits(CUTS, "transformers").mean == 0.5
    assert experiments.cut_hits(CUTS, "transformers", "inside").mean == pytest.approx(2 / 4)
    assert experiments.prompts_kept(CUTS).mean == pytest.approx(5 / 6, abs=1e-5)
    assert experiments.tokens_per_byte(CUTS).mean == 1.2
    assert experiments.tokens_per_byte(CUTS, "source").mean == 1.05
    found = experiments.leaks(CUTS)
    assert found["first"] == pytest.approx(0.8) and found["mean"] == pytest.approx(0.1)
    assert 0.2 < found["p99"] <= 0.3


def test_recorded_cuts_hold_for_one_file(lab, text):
    recorded = experiments.load_results("cuts")
    number, first = recorded["files"].index(FILE), recorded["cuts"][0]
    again = experiments.measure_cuts(ByteLM(*lab["target"]), text, range(first, first + 3))
    for method, table in recorded["methods"].items():
        for measure, rows in table.items():
            assert again[method][measure] == pytest.approx(rows[number][:3], abs=6e-5)
    leaks = recorded["work"][number]["leaks"]
    assert again["work"]["leaks"] == pytest.approx(leaks[: first + 10], rel=0.06, abs=1e-12)
