"""Rows: a function of (seed, step) alone, cut from whole documents, some of them for infilling."""

from __future__ import annotations

import collections
import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.support import tiny_corpus as tiny
from tokenlab.errors import ArgumentError
from tokenlab.lm.data import PackedRows, rearrange_for_infilling
from tokenlab.lm.tokenizers import FIM_TOKENS

BOS, EOS, PREFIX, SUFFIX, MIDDLE = FIM_IDS = 0, 1, 3, 4, 5
LENGTH = 32


def counting_documents(lengths, first=1000):
    """Documents whose every token is another number: a row shows where it was cut."""
    found = []
    for length in lengths:
        found.append(torch.tensor([BOS, *range(first, first + length), EOS]))
        first += length
    return found


SOURCE = counting_documents([700, 40, 300, 5, 90, 410])
ENGLISH = counting_documents([100, 30, 250, 3], first=100_000)


def packed(source=SOURCE, english=ENGLISH, **options):
    defaults = {
        "row_length": LENGTH,
        "batch_size": 4,
        "seed": 0,
        "english_repeats": 2,
        "fim_rate": 0.5,
        "fim_ids": FIM_IDS,
    }
    return PackedRows(source, english, **{**defaults, **options})


def epoch_of(rows: PackedRows, epoch: int) -> torch.Tensor:
    one = packed_like(rows, batch_size=1)
    start = epoch * rows.rows_per_epoch
    return torch.cat([one.batch(start + i) for i in range(rows.rows_per_epoch)])


def packed_like(rows: PackedRows, **options):
    same = ("row_length", "batch_size", "seed", "english_repeats", "fim_rate", "fim_ids")
    return PackedRows(
        rows.source, rows.english, **{**{name: getattr(rows, name) for name in same}, **options}
    )


def is_fim(row: torch.Tensor) -> bool:
    return bool((row == MIDDLE).any())


def text_of(row: torch.Tensor) -> torch.Tensor:
    """The text of a rearranged row, put together again by its markers."""
    row = row.tolist()
    assert row[:2] == [BOS, PREFIX]
    assert row[-1] == EOS
    assert collections.Counter(t for t in row if t in FIM_IDS) == collections.Counter(FIM_IDS)
    suffix, middle = row.index(SUFFIX), row.index(MIDDLE)
    if suffix == 2:  # Suffix first: prefix and middle stand together after the marker.
        return torch.tensor(row[middle + 1 : -1] + row[3:middle])
    assert 2 < suffix < middle
    return torch.tensor(row[2:suffix] + row[middle + 1 : -1] + row[suffix + 1 : middle])


def is_run(tokens) -> bool:
    return bool((tokens.diff() == 1).all())


def test_shape_and_dtype():
    batch = packed().batch(0)
    assert batch.shape == (4, LENGTH)
    assert batch.dtype == torch.int64


def test_same_seed_and_step_give_the_same_rows():
    for step in (0, 7, 100):
        assert torch.equal(packed().batch(step), packed().batch(step))


def test_order_of_access_does_not_matter():
    forward, backward = packed(), packed()
    steps = range(3 * forward.rows_per_epoch // 4)
    seen = {step: forward.batch(step) for step in steps}
    for step in reversed(steps):
        assert torch.equal(backward.batch(step), seen[step])
    mixed = packed()
    for step in (50, 0, 50, 20, 1, 70):
        assert torch.equal(mixed.batch(step), packed().batch(step))


def test_batch_size_only_groups_rows():
    """What several processes see together is what one would."""
    rows = packed(batch_size=1)
    wide = packed(batch_size=6)
    for step in (0, 5, 30):
        assert torch.equal(wide.batch(step), torch.cat([rows.batch(6 * step + i) for i in range(6)]))


def test_rows_do_not_touch_the_global_generator():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    packed().batch(0)
    assert torch.equal(torch.rand(2), expected)


def test_seeds_and_epochs_differ():
    rows = packed()
    first, second = epoch_of(rows, 0), epoch_of(rows, 1)
    assert first.shape == second.shape
    assert not torch.equal(first, second)
    as_sets = [{tuple(row) for row in epoch.tolist()} for epoch in (first, second)]
    # Not the same rows in another order: each epoch cuts elsewhere.
    assert len(as_sets[0] & as_sets[1]) < 0.3 * len(as_sets[0])
    assert not torch.equal(first, epoch_of(packed(seed=1), 0))


def test_counts():
    rows = packed(english_repeats=3)
    source, english = (sum(map(len, texts)) for texts in (SOURCE, ENGLISH))
    assert rows.rows_per_epoch == source // LENGTH - 1 + 3 * english // LENGTH - 1
    assert rows.tokens_per_epoch == rows.rows_per_epoch * LENGTH
    epoch = epoch_of(rows, 0)
    kinds = (epoch.amax(1) >= 100_000).sum().item()
    assert kinds == 3 * english // LENGTH - 1


def test_an_epoch_shows_source_once_and_english_repeatedly():
    epoch = epoch_of(packed(english_repeats=3, fim_rate=0.0), 2)
    shown = collections.Counter(epoch.flatten().tolist())
    source = [shown[token] for document in SOURCE for token in document.tolist() if token >= 1000]
    english = [shown[token] for document in ENGLISH for token in document.tolist() if token >= 1000]
    assert max(source) == 1
    assert sum(source) > 0.9 * len(source)  # At most two rows fall off the ends.
    assert max(english) == 3
    assert sum(english) > 2.5 * len(english)


def test_every_document_starts_with_bos():
    for epoch in (0, 1):
        for row in epoch_of(packed(fim_rate=0.0), epoch).tolist():
            for before, token in itertools.pairwise(row):
                if token == BOS:
                    assert before == EOS
                elif before == EOS:
                    raise AssertionError("a document starts without <bos>")
                elif before != BOS and token != EOS:
                    assert token == before + 1


def test_training_documents_start_with_bos_and_end_with_eos(documents, tokenizer):
    from tokenlab.lm.training import packed_rows

    rows = packed_rows(tiny.RECIPE, documents, tokenizer)
    assert len(rows.source) == 11
    assert len(rows.english) == 7
    heldout = [d.text for d in documents if d.heldout]
    for ids in (*rows.source, *rows.english):
        assert (ids[0], ids[-1]) == (tokenizer.bos_token_id, tokenizer.eos_token_id)
        assert not {tokenizer.bos_token_id, tokenizer.eos_token_id} & set(ids[1:-1].tolist())
        assert tokenizer.decode(ids, skip_special_tokens=True) not in heldout
    names = tokenizer.convert_ids_to_tokens(list(rows.fim_ids))
    assert names == ["<bos>", "<eos>", *FIM_TOKENS]


def test_infilling_rows_are_the_text_in_another_order():
    found = [row for epoch in range(8) for row in epoch_of(packed(fim_rate=1.0), epoch) if is_fim(row)]
    assert len(found) > 50
    for row in found:
        text = text_of(row)
        assert len(text) == LENGTH - 5
        assert is_run(text)
        assert 1000 <= text.min() < 100_000  # Source only.


def test_only_rows_inside_one_document_are_rearranged():
    plain = epoch_of(packed(fim_rate=0.0), 0)
    inside = sum(is_run(row) and bool(row.max() < 100_000) for row in plain)
    rearranged = sum(map(is_fim, epoch_of(packed(fim_rate=1.0), 0)))
    assert 0 < rearranged == inside < len(plain)


def test_rearranging_leaves_the_other_rows_alone():
    """The text of a row does not depend on the rate; only its order does."""
    key = lambda row: min(t for t in row.tolist() if t >= 1000)  # noqa: E731
    some, none = (epoch_of(packed(fim_rate=rate, english=[]), 0) for rate in (0.5, 0.0))
    assert {key(row) for row in some} == {key(row) for row in none}


@pytest.mark.parametrize("rate", [0.1, 0.25, 0.9])
def test_share_and_order_of_infilling_rows(rate):
    rows = packed(counting_documents([80_000]), [], fim_rate=rate)
    epoch = epoch_of(rows, 0)
    found = [row for row in epoch if is_fim(row)]
    assert abs(len(found) - rate * len(epoch)) < 4 * math.sqrt(len(epoch) * rate * (1 - rate)) + 2
    suffix_first = sum(int(row[2]) == SUFFIX for row in found)
    assert abs(suffix_first - len(found) / 2) < 4 * math.sqrt(len(found)) / 2


def test_gaps_are_even_in_the_logarithm():
    rows = packed(counting_documents([80_000]), [], fim_rate=1.0)
    found = [row.tolist() for row in epoch_of(rows, 0) if is_fim(row) and int(row[2]) != SUFFIX]
    sizes = [len(row) - 2 - row.index(MIDDLE) for row in found]
    longest = (LENGTH - 5) // 2
    assert min(sizes) == 1
    assert max(sizes) in (longest - 1, longest)
    below = sum(size < math.sqrt(longest) for size in sizes) / len(sizes)
    # Whole numbers: sizes 1 to 3 are exp(u ln 13) < 4.
    assert abs(below - math.log(4) / math.log(longest)) < 4 * math.sqrt(0.25 / len(sizes))


@given(
    length=st.integers(6, 80),
    where=st.floats(0, 1, exclude_max=True),
    size=st.floats(0, 1, exclude_max=True),
    suffix_first=st.booleans(),
)
def test_rearranged_rows_keep_length_and_text(length, where, size, suffix_first):
    row = torch.arange(1000, 1000 + length, dtype=torch.int32)
    out = rearrange_for_infilling(row, FIM_IDS, where, size, suffix_first=suffix_first)
    assert out.dtype == row.dtype
    assert len(out) == length
    assert torch.equal(text_of(out).int(), row[:-5])
    # The middle has at least one token, and the order is the one that was asked for.
    tokens = out.tolist()
    assert tokens[tokens.index(MIDDLE) + 1] != EOS
    assert (tokens[2] == SUFFIX) == (suffix_first or tokens[2:3] == [SUFFIX])


def test_rearranged_by_hand():
    row = torch.arange(10, 21)  # Text 10 .. 15; half of it is 3.
    psm = rearrange_for_infilling(row, FIM_IDS, 0.5, 0.64, suffix_first=False)
    assert psm.tolist() == [BOS, PREFIX, 10, 11, SUFFIX, 14, 15, MIDDLE, 12, 13, EOS]
    spm = rearrange_for_infilling(row, FIM_IDS, 0.5, 0.64, suffix_first=True)
    assert spm.tolist() == [BOS, PREFIX, SUFFIX, 14, 15, MIDDLE, 10, 11, 12, 13, EOS]


def test_cuts_fall_between_tokens(tokenizer, documents):
    """The pieces of a rearranged row are tokens of the whole text, not of the pieces."""
    ids = tokenizer(documents[0].text, add_special_tokens=False)["input_ids"][:64]
    fim_ids = (
        tokenizer.bos_token_id,
        tokenizer.eos_token_id,
        *tokenizer.convert_tokens_to_ids(list(FIM_TOKENS)),
    )
    out = rearrange_for_infilling(torch.tensor(ids), fim_ids, 0.3, 0.8, suffix_first=False).tolist()
    suffix, middle = out.index(fim_ids[3]), out.index(fim_ids[4])
    pieces = out[2:suffix], out[middle + 1 : -1], out[suffix + 1 : middle]
    assert [token for piece in pieces for token in piece] == ids[:-5]
    assert "".join(map(tokenizer.decode, pieces)) == tokenizer.decode(ids[:-5])


@pytest.mark.parametrize("lengths", [[], [3], [LENGTH - 2], [2 * LENGTH - 3]])
def test_too_little_text(lengths):
    with pytest.raises(ArgumentError, match=f"do not fill one row of {LENGTH}"):
        packed(counting_documents(lengths), [])


def test_just_enough_text():
    rows = packed(counting_documents([2 * LENGTH - 2]), [], fim_rate=0.0)
    assert rows.rows_per_epoch == 1
    assert rows.batch(3).shape == (4, LENGTH)


@pytest.mark.parametrize("source", [[], counting_documents([3])])
def test_one_kind_alone_is_enough(source):
    assert packed(source).batch(0).shape == (4, LENGTH)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fim_ids": None}, "fim_rate is 0.5, but fim_ids"),
        ({"row_length": 5}, "row_length is 5, expected at least 6"),
        ({"row_length": 0, "fim_rate": 0.0}, "row_length is 0, expected at least 1"),
        ({"batch_size": 0}, "batch_size is 0, expected at least 1"),
    ],
)
def test_bad_input(options, message):
    with pytest.raises(ArgumentError, match=message):
        packed(**options)
