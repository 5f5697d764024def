"""Gaps, and what fills them; recorded ones are read and computed again."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.chapters.bytelevel.experiments.conftest import FILE
from tests.chapters.bytelevel.experiments.recorded import GAPS
from tests.support.planting import plant
from tokenlab.bytelevel import ByteLM, fill_in_middle
from tokenlab.chapters.bytelevel import experiments
from tokenlab.chapters.bytelevel.experiments import Gap, infilling


def test_gaps_lie_in_the_text_at_the_same_positions_each_time(byte_lm, text):
    found = experiments.draw_gaps(byte_lm, FILE, 40)
    assert (
        found == experiments.draw_gaps(byte_lm, FILE, 40) != experiments.draw_gaps(byte_lm, FILE, 40, seed=1)
    )
    ends = experiments.boundaries(byte_lm, text)
    for gap in found:
        start = text.index(gap.prefix + gap.middle + gap.suffix) + len(gap.prefix)
        assert 1 <= len(gap.middle) <= infilling.LONGEST_GAP
        assert gap.inside == (start not in ends)
        assert max(len(gap.prefix), len(gap.suffix)) <= infilling.AROUND
        # Whole lines, so that no token is cut but at the gap.
        first = start - len(gap.prefix)
        assert first == 0 or text[first - 1 : first] == b"\n"
        assert gap.suffix.endswith(b"\n")
    assert {gap.inside for gap in found} == {True, False}
    # Evenly in the logarithm: half of them are shorter than the root of the longest.
    assert 10 < sum(len(gap.middle) < math.sqrt(infilling.LONGEST_GAP) for gap in found) < 30


def test_every_gap_leaves_room_for_its_middle(byte_lm):
    """Five marks, both sides, and as many tokens as the middle has bytes."""
    encode = byte_lm.description.encode
    for file in experiments.heldout_bytes():
        if file.startswith("source"):
            for gap in experiments.draw_gaps(byte_lm, file):
                needed = len(encode(gap.prefix)) + len(encode(gap.suffix)) + len(gap.middle)
                assert needed + 5 <= byte_lm.model.config.max_position_embeddings


@pytest.fixture(scope="module")
def written_gap(byte_lm) -> Gap:
    """A gap whose middle is what the model writes, so that something agrees."""
    (gap,) = experiments.draw_gaps(byte_lm, FILE, 1)
    gap = gap._replace(prefix=gap.prefix[-60:], suffix=gap.suffix[:60])
    sample = fill_in_middle(byte_lm, gap.prefix, gap.suffix, "psm", max_new_bytes=9, temperature=0)
    return gap._replace(middle=sample.text)


def check_gap(byte_lm: ByteLM, gap: Gap) -> None:
    found = experiments.measure_gaps(byte_lm, [gap, gap._replace(middle=b"0x7f")], "psm")
    own, wrong = found["bytes"]
    assert own["agrees"] == 1 and own["similarity"] == 1 and own["text"] == gap.middle.decode()
    assert own["exact"] == 0  # the model would go on
    assert wrong["agrees"] == 0 and wrong["similarity"] < 1 and wrong["text"] == gap.middle[:4].decode()
    assert own["bits"] < wrong["bits"]
    # Tokens after a fixed encoding: of the paths that end here only the middle's own encoding counts.
    description, ids = byte_lm.description, byte_lm.description.encode
    start, suffix, middle = (
        description.added_token(f"<fim_{part}>") for part in ("prefix", "suffix", "middle")
    )
    context = [*byte_lm.start_ids, start, *ids(gap.prefix), suffix, *ids(gap.suffix), middle]
    path = ids(gap.middle)
    with torch.inference_mode():
        rows = byte_lm.model(torch.tensor([[*context, *path]])).logits[0, len(context) - 1 :].log_softmax(-1)
    nats = sum(float(row[token]) for row, token in zip(rows, path, strict=False))
    bits = -(nats + float(rows[-1, byte_lm.end_ids].logsumexp(0))) / math.log(2)
    told = found["tokens"][0]["bits"] + found["tokens"][0]["end_bits"]
    # What the leak leaves out makes the rest a little more probable.
    assert told <= bits + 1e-9 and told == pytest.approx(bits, rel=0.05)
    assert found["tokens"][0]["bits"] < bits


def test_gaps_are_measured_with_each_filler(byte_lm, written_gap):
    check_gap(byte_lm, written_gap)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("start = text[: len(gap.middle)]", "start = text[: len(gap.middle) + 1]"),
        ("float(bits[:-1].sum())", "float(bits.sum())"),
        ("[start, *kept, *after] if", "[start, *after, *kept] if"),
    ],
    ids=["one byte too many", "the end counts as a byte", "the formats are mixed up"],
)
def test_planted_mistakes_at_the_gaps_are_caught(monkeypatch, byte_lm, written_gap, old, new):
    plant(monkeypatch, experiments, old, new)
    with pytest.raises(AssertionError):
        check_gap(byte_lm, written_gap)


def distance(a: bytes, b: bytes) -> int:
    """Levenshtein distance as it is defined."""
    if not a or not b:
        return len(a) + len(b)
    return min(distance(a[1:], b) + 1, distance(a, b[1:]) + 1, distance(a[1:], b[1:]) + (a[0] != b[0]))


WORDS = st.lists(st.sampled_from(b"abc"), max_size=5).map(bytes)


@given(WORDS, WORDS)
def test_similarity_is_that_of_levenshtein(first, second):
    longest = max(len(first), len(second), 1)
    assert experiments.similarity(first, second) == pytest.approx(1 - distance(first, second) / longest)


def test_gaps_are_read_by_position_and_in_pairs():
    assert experiments.gap_score(GAPS, "psm", "bytes").mean == 0.25
    assert experiments.gap_score(GAPS, "psm", "bytes", "similarity", "inside").mean == pytest.approx(0.5)
    assert experiments.gap_score(GAPS, "psm", "bytes", "bits", other="tokens").mean == -1.5
    assert experiments.gap_score(GAPS, "psm", "bytes", "bits", "inside", "tokens").mean == -2


def test_recorded_gaps_hold_for_one_gap(lab):
    recorded = experiments.load_results("infilling")
    byte_lm, number = ByteLM(*lab["target"]), recorded["files"].index(FILE)
    gaps = experiments.draw_gaps(byte_lm, FILE)
    assert [gap.middle.decode() for gap in gaps] == [gap["middle"] for gap in recorded["gaps"][number]]
    shortest = min(range(len(gaps)), key=lambda index: len(gaps[index].middle))
    again = experiments.measure_gaps(byte_lm, [gaps[shortest]], "spm")
    for filler, (found,) in again.items():
        then = recorded["fills"]["spm"][filler][number]
        assert found["text"] == then["text"][shortest]
        for measure in ("agrees", "exact", "similarity", "bits", "end_bits"):
            assert found[measure] == pytest.approx(then[measure][shortest], rel=1e-5)
